"""Rules of the source that a review would forget."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meta.source import SOURCE, Module, modules

TESTS = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
VAGUE = ("utils", "helpers", "common", "manager")
MUTABLE_CALLS = ("list", "dict", "set", "defaultdict", "deque", "Counter", "OrderedDict", "bytearray")


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[Module, Any]]:
    """Every node of one of these kinds, with its module."""
    return ((module, node) for module in modules() for node in ast.walk(module.tree) if isinstance(node, kinds))


def called(node: ast.AST) -> str:
    """The last part of the name that a call calls; empty for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    return str(getattr(node.func, "attr", getattr(node.func, "id", "")))


def test_a_file_holds_one_concept() -> None:
    lengths = {module.name: len(module.text.splitlines()) for module in modules()}
    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_a_function_fits_a_screen() -> None:
    functions = nodes(ast.FunctionDef, ast.AsyncFunctionDef)
    lengths = {(module.name, node.name): node.end_lineno - node.lineno + 1 for module, node in functions}
    assert {name: length for name, length in lengths.items() if length > MAX_FUNCTION_LINES} == {}


def test_no_two_files_of_tests_have_one_name() -> None:
    """They are imported by name alone: of two, pytest collects one, and stops at the other."""
    names = Counter(file.name for file in TESTS.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_a_module_says_what_it_is_for() -> None:
    assert [module.name for module in modules() if module.tree.body and not ast.get_docstring(module.tree)] == []


def test_nothing_prints() -> None:
    prints = [(module.name, node.lineno) for module, node in nodes(ast.Name) if node.id == "print"]
    assert prints == []


def test_a_started_task_is_kept() -> None:
    # The event loop holds tasks weakly: one that nobody keeps may vanish in the middle, with its exception.
    starts = ("create_task", "ensure_future")
    dropped = [(module.name, node.lineno) for module, node in nodes(ast.Expr) if called(node.value) in starts]
    assert dropped == []


def test_a_module_has_no_state() -> None:
    variables = [
        (module.name, name)
        for module in modules()
        for statement in module.tree.body
        for name, value in assigned(statement)
        if name.islower() and not name.startswith("__") and is_mutable(value)
    ]
    assert variables == []
    assert [(module.name, node.lineno) for module, node in nodes(ast.Global)] == []


def assigned(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    """The names that a statement gives a value, with the value."""
    if isinstance(statement, ast.Assign):
        yield from ((target.id, statement.value) for target in statement.targets if isinstance(target, ast.Name))
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value is not None:
        yield statement.target.id, statement.value


def is_mutable(value: ast.expr) -> bool:
    displays = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
    return isinstance(value, displays) or called(value) in MUTABLE_CALLS


def test_a_file_is_named_for_its_concept() -> None:
    names = [path.stem for path in SOURCE.rglob("*") if path.suffix == ".py" or path.is_dir()]
    assert [name for name in names if any(part in VAGUE for part in name.lower().split("_"))] == []
