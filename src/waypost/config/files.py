"""Reads a config and the files that it includes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from waypost.config.python_file import parse_python
from waypost.config.report import Report, quoted
from waypost.config.tree import Node, Unreadable, parse

MAX_BYTES = 2**20
MAX_FILES = 32


@dataclass(frozen=True, slots=True)
class Reading:
    """The merged tree, and every file that it came from or would have come from: those are worth watching."""

    root: Node
    files: tuple[Path, ...]


def read_files(path: Path, report: Report) -> Reading:
    """The file at ``path`` with its includes merged in by LiteLLM's rule: lists are joined, any other key is replaced.

    Includes are relative to the file that names them. Each file is read once, however it is reached, so includes cannot loop.
    """
    merged: dict[str, Node] = {}
    waiting = [(path, shown_name(path), Node(None, shown_name(path), 1))]
    seen: dict[str, Path] = {}
    top: Node | None = None
    while waiting:
        current, name, named_at = waiting.pop(0)
        identity = _identity(current)
        if identity in seen:
            continue
        if len(seen) == MAX_FILES:
            report.problem(named_at, f"more than {MAX_FILES} files are included")
            break
        seen[identity] = current
        root = _read_one(current, name, named_at, report)
        if root is None:
            continue
        if top is not None and root.value is not None and not isinstance(root.value, dict):
            report.problem(named_at, f"{quoted(name)} is included, and is no config: it must hold keys and values")
            continue
        top = top or root
        entries = root.children["include"].items if "include" in root.children else []
        waiting += [
            (current.parent / entry.value, str(Path(name).parent / entry.value), entry)
            for entry in entries
            if isinstance(entry.value, str)
        ]
        _merge(merged, root.children, report)
    whole = Node(merged, top.file, top.line) if top is not None and isinstance(top.value, dict) else top
    return Reading(whole or Node({}, shown_name(path), 1), tuple(seen.values()))


def read_text(text: str, name: str, report: Report) -> Node:
    """The tree of a text that is no file; it includes nothing."""
    try:
        root = parse(text, name, report.problem)
    except Unreadable as error:
        report.problem(Node(None, name, error.line), error.sentence)
        return Node({}, name, 1)
    if "include" in root.children:
        report.problem(root.children["include"], "`include` needs a file to be relative to")
    return root


def _read_one(path: Path, name: str, named_at: Node, report: Report) -> Node | None:
    try:
        if not path.is_file():
            report.problem(named_at, f"{quoted(name)} is not a file")
            return None
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, RuntimeError, ValueError) as error:
        report.problem(named_at, f"{quoted(name)} cannot be read: {getattr(error, 'strerror', None) or 'not a path'}")
        return None
    if len(raw) > MAX_BYTES:
        report.problem(named_at, f"{quoted(name)} is larger than {MAX_BYTES} bytes")
        return None
    try:
        text = raw.decode("utf-8-sig")
        return parse_python(text, name, report.warning) if path.suffix == ".py" else parse(text, name, report.problem)
    except UnicodeDecodeError as error:
        report.problem(Node(None, name, raw.count(b"\n", 0, error.start) + 1), "the file is not UTF-8")
    except Unreadable as error:
        report.problem(Node(None, name, error.line), error.sentence)
    return None


def _merge(into: dict[str, Node], more: Mapping[str, Node], report: Report) -> None:
    for key, node in more.items():
        have = into.get(key)
        if have is not None and isinstance(have.value, list) and isinstance(node.value, list):
            into[key] = Node([*have.value, *node.value], have.file, have.line)
            continue
        if have is not None:
            report.warning(node, f"{quoted(key)} replaces the one in {have.file}:{have.line}")
        into[key] = node


def _identity(path: Path) -> str:
    try:
        return str(path.resolve())
    except (OSError, RuntimeError, ValueError):
        return str(path)  # a loop of links, or no path at all: reading it will say so


def shown_name(path: Path) -> str:
    """A name for messages, which never hold a path of this machine that the user did not write."""
    return path.name if path.is_absolute() else str(path)
