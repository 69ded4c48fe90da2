"""Holds a file to the schema, and says what does not fit in sentences with a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from waypost.config.environment import expand
from waypost.config.report import Report, did_you_mean, quoted
from waypost.config.schema import ConfigFile
from waypost.config.tree import Node

# Blocks whose entries fail alone; any other block fails as a whole.
_BY_ENTRY = frozenset({"model_list", "credential_list", "include", "routes", "aliases"})
# Our blocks in which a value may be a reference.
_WITH_REFERENCES = frozenset({"server", "ledger", "discovery"})

# Blocks of LiteLLM's proxy whose names are like ours (its config reader, 1.105).
_LITELLM_BLOCKS = frozenset(
    {"mcp_servers", "policies"} | {f"{name}_settings" for name in ("files", "finetune", "batch", "assistant", "callback")}
)

_SENTENCES = {
    "missing": "is missing",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}


def validated(root: Node, env: Mapping[str, str], report: Report) -> tuple[ConfigFile, Node]:
    """The file as typed values, and the tree it was made from.

    What does not fit is reported and left out of both, so that the rest can still be looked at.
    """
    if not isinstance(root.value, dict):
        report.problem(root, "a config is a mapping: write `model_list:` and the other blocks at the left margin")
        return ConfigFile(), Node({}, root.file, root.line)
    blocks = {key: _with_references(key, node, env, report) for key, node in root.children.items() if node.value is not None}
    tree = Node(blocks, root.file, root.line)
    _refuse_strangers(tree, report)
    try:
        return ConfigFile.model_validate(tree.plain()), tree
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
    bad: set[tuple[str | int, ...]] = set()
    told: set[tuple[str | int, ...]] = set()
    for entry in found:
        path = _in_file(tree, entry["loc"], entry["type"])
        bad.add(path[:2] if path[0] in _BY_ENTRY else path[:1])
        if path not in told:
            told.add(path)
            report.problem(tree.at(path), _sentence(path, entry["type"], entry["msg"]))
    kept = tree.without(bad)
    return ConfigFile.model_validate(kept.plain()), kept


def _with_references(block: str, node: Node, env: Mapping[str, str], report: Report) -> Node:
    """References are filled in where a plain value is expected; `litellm_params` keep theirs, to know what is secret."""
    if block in _WITH_REFERENCES:
        return node.replaced(lambda where, text: _filled(where, text, env, report, strict=True))
    if block != "model_list":
        return node
    entries = []
    for entry in node.items:
        info = entry.children.get("model_info")
        if info is not None:
            filled = info.replaced(lambda where, text: _filled(where, text, env, report, strict=False))
            entry = Node({**entry.children, "model_info": filled}, entry.file, entry.line)  # noqa: PLW2901 -- the same entry
        entries.append(entry)
    return Node(entries, node.file, node.line) if isinstance(node.value, list) else node


def _filled(where: Node, text: str, env: Mapping[str, str], report: Report, *, strict: bool) -> str | None:
    found = expand(text, env)
    for name in found.missing:
        if strict:
            report.problem(where, f"the environment variable {quoted(name)} is not set")
        else:
            report.unset(name, where)
    return found.value


def _refuse_strangers(tree: Node, report: Report) -> None:
    """An unknown block may be one that LiteLLM has, but not one that looks like one of ours with a slip."""
    for key, node in tree.children.items():
        if key in ConfigFile.model_fields:
            continue
        hint = did_you_mean(key, ConfigFile.model_fields)
        if hint and key not in _LITELLM_BLOCKS:
            report.problem(node, f"unknown key {quoted(key)}{hint}")
        else:
            report.unused("the top level", key, node)


def _in_file(tree: Node, loc: Sequence[str | int], kind: str) -> tuple[str | int, ...]:
    """``loc`` without the steps that only pydantic knows (union members, the long form of a route)."""
    node = tree
    path: list[str | int] = []
    for position, step in enumerate(loc):
        there = step in node.children if isinstance(step, str) else step < len(node.items)
        if there:
            node = node.at([step])
            path.append(step)
        elif kind == "missing" and position == len(loc) - 1:
            path.append(step)
    return tuple(path)


def _sentence(path: Sequence[str | int], kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        name = str(path[-1])
        return f"unknown key {quoted(name)}{did_you_mean(name, _fields_at(path[:-1]))}"
    label = quoted(".".join(str(step) for step in path if not isinstance(step, int)))
    if kind in _SENTENCES:
        return f"{label} {_SENTENCES[kind]}"
    plain = message.removeprefix("Value error, ").replace("Input should be a valid ", "must be a valid ")
    return f"{label}: {plain.replace('Input should be ', 'must be ').replace('String should ', 'must ')}"


def _fields_at(path: Sequence[str | int]) -> list[str]:
    model: type[BaseModel] = ConfigFile
    for step in path:
        field = model.model_fields.get(step) if isinstance(step, str) else None
        if field is not None:
            model = _model_in(field.annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)
