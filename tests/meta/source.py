"""The source of Waypost as the meta-tests read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "waypost"


@dataclass(frozen=True)
class Module:
    """A file of Waypost: its dotted name below the package, its text and its tree."""

    name: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The first part of the name: the folder, or the module itself."""
        return self.name.split(".")[0]


@dataclass(frozen=True)
class Import:
    """One imported module, by its full name. ``lazy`` imports run when a function is called."""

    target: str
    line: int
    lazy: bool


@cache
def modules() -> tuple[Module, ...]:
    """Every module of Waypost, in the order of its files."""
    return tuple(_read(path) for path in sorted(SOURCE.rglob("*.py")))


def _read(path: Path) -> Module:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return parse(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path.read_text())


def parse(name: str, text: str) -> Module:
    """The module of that name with that text."""
    return Module(name, text, ast.parse(text))


@cache
def imports(module: Module) -> tuple[Import, ...]:
    """Every import of the module. Of ``from a import b``, where ``a.b`` is a module of ours, that is ``a.b``."""
    return tuple(_imports(module))


def _imports(module: Module) -> Iterator[Import]:
    lazy = {
        child
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
        if isinstance(child, ast.Import | ast.ImportFrom)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, node in lazy)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(_target(node.module or "", alias.name), node.lineno, node in lazy)


def _target(package: str, name: str) -> str:
    whole = f"{package}.{name}"
    if not package.startswith("waypost"):
        return package
    file = SOURCE.joinpath(*whole.split(".")[1:])
    return whole if file.with_suffix(".py").exists() or file.is_dir() else package
