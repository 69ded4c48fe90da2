"""YAML as a tree that remembers where everything stands.

Only plain data is read: no tags, no dates, no duplicate keys, a bounded depth and a bounded size *after* aliases are followed,
so that a small file cannot grow into a large one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 40
MAX_NODES = 100_000
_LARGEST_INTEGER = 2**63 - 1  # what JSON writers and engines take

_MERGE = "tag:yaml.org,2002:merge"
_SCALARS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str"))
_QUOTED = re.compile(r"'[^'<][^']+'")


@dataclass(frozen=True, slots=True)
class Node:
    """A value of the file and the line of its key or of itself. Children of mappings and lists are nodes again."""

    value: Any = field(repr=False)
    file: str
    line: int

    def plain(self) -> Any:
        """The value as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    @property
    def children(self) -> Mapping[str, Node]:
        """The entries of a mapping; none for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """The entries of a list; none for anything else."""
        return self.value if isinstance(self.value, list) else []

    def at(self, path: Iterable[str | int]) -> Node:
        """The node at ``path``; steps that the file does not have are skipped, so that an error always has a line."""
        node = self
        for step in path:
            if isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            elif isinstance(step, str) and step in node.children:
                node = node.children[step]
        return node

    def without(self, paths: set[tuple[str | int, ...]]) -> Node:
        """The tree without the nodes at ``paths``."""
        if isinstance(self.value, dict):
            entries = {key: child.without(_below(paths, key)) for key, child in self.value.items() if (key,) not in paths}
            return Node(entries, self.file, self.line)
        if isinstance(self.value, list):
            kept = [child.without(_below(paths, i)) for i, child in enumerate(self.value) if (i,) not in paths]
            return Node(kept, self.file, self.line)
        return self

    def replaced(self, change: Callable[[Node, str], Any]) -> Node:
        """The tree with every string run through ``change``."""
        if isinstance(self.value, dict):
            return Node({key: child.replaced(change) for key, child in self.value.items()}, self.file, self.line)
        if isinstance(self.value, list):
            return Node([child.replaced(change) for child in self.value], self.file, self.line)
        return Node(change(self, self.value), self.file, self.line) if isinstance(self.value, str) else self


def _below(paths: set[tuple[str | int, ...]], step: str | int) -> set[tuple[str | int, ...]]:
    return {path[1:] for path in paths if len(path) > 1 and path[0] == step}


class Unreadable(Exception):
    """The text is not YAML that we read; nothing can be made of the rest."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line
        self.sentence = sentence


def parse(text: str, file: str, problem: Callable[[Node, str], None]) -> Node:
    """The tree of ``text``. What can be read past (a duplicate key, a tag) goes to ``problem``; the rest is ``Unreadable``."""
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        return Node({}, file, 1) if root is None else _Builder(loader, file, problem).build(root, _line(root), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # The parser quotes the text around an error; a key may be part of it.
        sentence = _QUOTED.sub("that", error.problem or "it cannot be parsed")
        raise Unreadable(mark.line + 1 if mark else 1, f"not YAML: {sentence}") from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        raise Unreadable(text.count("\n", 0, position) + 1, "not YAML: it holds a character that YAML does not allow") from None
    finally:
        if loader is not None:
            loader.dispose()


def is_plain_number(value: float) -> bool:
    """It is finite, and fits 64 bits."""
    return abs(value) <= _LARGEST_INTEGER if isinstance(value, int) else math.isfinite(value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


class _Loader(yaml.SafeLoader):
    """Composes nodes to a bounded depth. Dates stay text: an API version such as 2024-02-01 is one."""

    yaml_implicit_resolvers = {  # noqa: RUF012 -- PyYAML's own way to say what a bare word means
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable(int(self.line) + 1, f"it is nested more than {MAX_DEPTH} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Builder:
    """Turns composed nodes into ours, following aliases, and counts what that makes."""

    def __init__(self, loader: _Loader, file: str, problem: Callable[[Node, str], None]) -> None:
        self._loader = loader
        self._file = file
        self._problem = problem
        self._count = 0

    def build(self, node: yaml.Node, line: int, depth: int) -> Node:
        self._count += 1
        if self._count > MAX_NODES:
            raise Unreadable(line, f"it has more than {MAX_NODES} values once its aliases are followed")
        if depth > MAX_DEPTH:
            raise Unreadable(line, f"it is nested more than {MAX_DEPTH} deep, or an alias holds itself")
        made = Node(None, self._file, line)
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return Node(self._mapping(node, made, depth), self._file, line)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return Node([self.build(child, _line(child), depth + 1) for child in node.value], self._file, line)
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return Node(self._scalar(node, made), self._file, line)
        self._problem(made, "it has a YAML tag; only plain values are read")
        return made

    def _scalar(self, node: yaml.ScalarNode, made: Node) -> Any:
        try:
            value: Any = self._loader.construct_object(node)
        except (ValueError, KeyError, OverflowError):
            self._problem(made, "its YAML tag says a type that it is not")
            return None
        if isinstance(value, int | float) and not is_plain_number(value):
            self._problem(made, "a number must be finite, and fit 64 bits")
            return None
        return value

    def _mapping(self, node: yaml.MappingNode, made: Node, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.value:
            line = _line(key)
            if key.tag == _MERGE:
                sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in sources:
                    built = self.build(source, line, depth + 1)
                    if not isinstance(built.value, dict):
                        self._problem(built, "`<<` takes a mapping, or a list of mappings")
                    merged = {**built.children, **merged}
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._problem(Node(None, made.file, line), "a key must be a name")
                continue
            child = self.build(value, line, depth + 1)
            if key.value in found:
                self._problem(child, f"the same key stands in line {found[key.value].line} already")
                continue
            found[key.value] = child
        return {**found, **{name: child for name, child in merged.items() if name not in found}}
