"""What Waypost takes over from LiteLLM's two settings blocks; the rest of them is listed as not used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from waypost.config.environment import expand_all
from waypost.config.report import Report, quoted
from waypost.config.tree import Node
from waypost.decide.policy import Balancing

Named = tuple[str, Node]

_USED = {
    "router_settings": frozenset(
        {"fallbacks", "context_window_fallbacks", "default_fallbacks", "model_group_alias", "timeout", "stream_timeout"}
        | {"routing_strategy"}
    ),
    "litellm_settings": frozenset(
        {"fallbacks", "context_window_fallbacks", "default_fallbacks", "request_timeout", "drop_params"}
    ),
}

# LiteLLM's strategies that mean the same as one of ours.
_STRATEGIES: Mapping[str, Balancing] = {
    "simple-shuffle": "weighted",
    "least-busy": "least_busy",
    "latency-based-routing": "latency",
}


@dataclass(slots=True)
class Adopted:
    """Names as the file has them, each with its place; whether they exist is checked later."""

    fallbacks: dict[str, list[Named]] = field(default_factory=dict)
    context_fallbacks: dict[str, list[Named]] = field(default_factory=dict)
    default_fallbacks: list[Named] = field(default_factory=list)
    aliases: dict[str, Named] = field(default_factory=dict)
    total_s: float | None = None
    first_byte_s: float | None = None
    drop_params: bool = True
    balancing: Balancing | None = None


def adopt(root: Node, env: Mapping[str, str], report: Report) -> Adopted:
    """Both blocks, `router_settings` first: their fallbacks are joined. References are filled in."""
    made = Adopted()
    nothing = Node({}, root.file, root.line)
    for block, used in _USED.items():
        settings = root.children.get(block, nothing)
        for key in sorted(settings.children.keys() - used):
            report.unused(block, key, settings.children[key])
        _chains(settings, "fallbacks", made.fallbacks, report)
        _chains(settings, "context_window_fallbacks", made.context_fallbacks, report)
        made.default_fallbacks += _names(settings.children.get("default_fallbacks"), report)
    made.default_fallbacks += made.fallbacks.pop("*", [])
    router, litellm = root.children.get("router_settings", nothing), root.children.get("litellm_settings", nothing)
    for alias, node in router.children.get("model_group_alias", nothing).children.items():
        target = node.children.get("model", node)
        if isinstance(target.value, str):
            made.aliases[alias] = (target.value, node)
        else:
            report.problem(node, f"`model_group_alias`: {quoted(alias)} must be the name of a model")
    made.total_s = _seconds(router, "timeout", env, report) or _seconds(litellm, "request_timeout", env, report)
    made.first_byte_s = _seconds(router, "stream_timeout", env, report)
    made.balancing = _balancing(router.children.get("routing_strategy"), report)
    made.drop_params = litellm.children.get("drop_params", nothing).value is not False
    for key, node in root.children.get("general_settings", nothing).children.items():
        if key == "master_key":
            report.warning(node, "`master_key` is not used: this server asks nobody for a key")
        else:
            report.unused("general_settings", key, node)
    return made


def _balancing(node: Node | None, report: Report) -> Balancing | None:
    if node is None or node.value is None:
        return None
    found = _STRATEGIES.get(node.value) if isinstance(node.value, str) else None
    if found is None:
        known = ", ".join(map(quoted, _STRATEGIES))
        report.warning(node, f"`routing_strategy` is not used: Waypost knows {known} of LiteLLM's")
    return found


def _chains(settings: Node, name: str, into: dict[str, list[Named]], report: Report) -> None:
    node = settings.children.get(name)
    if node is None or node.value is None:
        return
    if not isinstance(node.value, list) or not all(isinstance(entry.value, dict) for entry in node.items):
        report.problem(node, f"{quoted(name)} must be a list of mappings, such as `- group: [other-group]`")
        return
    for entry in node.items:
        for group, targets in entry.children.items():
            into.setdefault(group, []).extend(_names(targets, report))


def _names(node: Node | None, report: Report) -> list[Named]:
    """A list of names. LiteLLM also takes mappings that hold a `model`; their other keys are settings that we do not use."""
    if node is None or node.value is None:
        return []
    if not isinstance(node.value, list):
        report.problem(node, "fallbacks must be a list of names")
        return []
    found: list[Named] = []
    for item in node.items:
        model = item.children.get("model", item)
        if not isinstance(model.value, str):
            report.problem(item, "a fallback must be the name of a model")
            continue
        for key in sorted(item.children.keys() - {"model"}):
            report.unused("fallbacks", key, item)
        found.append((model.value, item))
    return found


def _seconds(settings: Node, name: str, env: Mapping[str, str], report: Report) -> float | None:
    node = settings.children.get(name)
    if node is None or node.value is None:
        return None
    value: Any = expand_all(node.value, env, lambda missing: report.unset(missing, node))
    try:
        seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        seconds = 0.0
    if 0 < seconds < float("inf"):
        return seconds
    report.warning(node, f"{quoted(name)} must be a number of seconds; it is not used")
    return None
