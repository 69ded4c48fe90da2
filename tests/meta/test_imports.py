"""Who may import whom: a request goes one way, left to right, and what it passes through cannot look ahead."""

from __future__ import annotations

import pytest

from meta.source import Module, imports, modules, parse

# What every room may import, and what knows nobody itself.
GROUND = (
    *("waypost.turn", "waypost.errors", "waypost.secret", "waypost.tokens", "waypost.addresses", "waypost._version"),
    *("waypost.known_settings", "waypost.value", "waypost.kernel"),
)

# Each room: what of ours it may import besides itself and the ground. A room that is not here wires others together.
ROOMS = {
    "decide": ("waypost.fleet.view",),
    "fleet": ("waypost.http",),
    "http": (),
    "dispatch": ("waypost.fleet", "waypost.http", "waypost.decide.card"),
    "dialects": (),
    "ledger": ("waypost.decide.card", "waypost.decide.correction", "waypost.dispatch.attempt", "waypost.dispatch.events"),
    "config": (
        *("waypost.fleet.deployment", "waypost.fleet.places", "waypost.fleet.report"),
        *("waypost.decide.correction", "waypost.decide.policy", "waypost.decide.labels"),
    ),
    "learn": ("waypost.decide", "waypost.fleet.view", "waypost.ledger"),
    "artefacts": (),
    "faults": ("waypost.http",),
    "simulate": ("waypost.decide", "waypost.fleet.view", "waypost.config"),
}

# Slow to import or large: only these modules may have them, and only when a function runs.
HEAVY = {
    "litellm": ("dispatch.lanes.litellm", "config.", "learn.baselines."),
    "jsonschema_rs": ("dispatch.json_schema.",),
    "sklearn": ("learn.",),
    "scipy": ("learn.",),
    "pyarrow": ("learn.",),
    "torch": ("learn.",),
    "routellm": ("routellm.",),
    "matplotlib": ("simulate.plot.", "learn.quality_plot."),
}


def within(target: str, allowed: tuple[str, ...]) -> bool:
    return any(target == name or target.startswith(f"{name}.") for name in allowed)


def violations(module: Module) -> list[str]:
    """What the module imports of ours and must not."""
    ours = [found for found in imports(module) if within(found.target, ("waypost",))]
    if f"waypost.{module.room}" in GROUND:
        allowed: tuple[str, ...] = GROUND
    elif module.room in ROOMS:
        allowed = (*GROUND, f"waypost.{module.room}", *ROOMS[module.room])
    else:
        return []
    return [f"{module.name}:{found.line} imports {found.target}" for found in ours if not within(found.target, allowed)]


def test_a_room_imports_only_what_is_before_it() -> None:
    assert [violation for module in modules() for violation in violations(module)] == []


@pytest.mark.parametrize("line", ["from waypost.server import app", "import waypost.server", "from waypost import dispatch"])
def test_an_import_that_looks_ahead_is_seen(line: str) -> None:
    assert violations(parse("decide.guards", f"def late():\n    {line}"))


def test_only_the_command_line_imports_learning() -> None:
    users = {module.room for module in modules() for found in imports(module) if within(found.target, ("waypost.learn",))}
    assert users <= {"learn", "cli"}


def test_only_the_command_line_imports_faults() -> None:
    users = {module.room for module in modules() for found in imports(module) if within(found.target, ("waypost.faults",))}
    assert users <= {"faults", "cli"}


def test_only_the_command_line_imports_probing() -> None:
    users = {module.room for module in modules() for found in imports(module) if within(found.target, ("waypost.probing",))}
    assert users <= {"probing", "cli"}


def test_only_the_command_line_imports_the_simulation() -> None:
    users = {module.room for module in modules() for found in imports(module) if within(found.target, ("waypost.simulate",))}
    assert users <= {"simulate", "cli"}


def test_only_the_command_line_and_the_entry_point_import_the_command_line() -> None:
    users = {module.room for module in modules() for found in imports(module) if within(found.target, ("waypost.cli",))}
    assert users <= {"cli", "__main__"}


@pytest.mark.parametrize("package", HEAVY)
def test_a_heavy_package_is_imported_late_and_in_its_place_only(package: str) -> None:
    found = [(module.name, one) for module in modules() for one in imports(module) if within(one.target, (package,))]
    outside = [f"{name}:{one.line}" for name, one in found if not f"{name}.".startswith(HEAVY[package])]
    early = [f"{name}:{one.line}" for name, one in found if not one.lazy]
    assert outside == []
    assert early == []
