"""`waypost fleet plan`: which models should stay in memory, from what is known of them and how often each is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from waypost.cli.ledger_file import ledger_path
from waypost.cli.table import print_table
from waypost.decide.pin_set import Model, PinSet, pin_set
from waypost.errors import LedgerError
from waypost.ledger.entry import iso_time
from waypost.ledger.reader import SqliteReader

GIB = 1 << 30
# Ollama's own, for each GPU.
_MAX_LOADED_MODELS = 3
# A shorter time says little of an hour.
_LEAST_HOURS = 1.0
_PINNED, _ON_DEMAND, _TOO_LARGE = "stays", "on demand", "too large"

Answered = Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Weights:
    """One model of an engine, with all deployments that answer from it."""

    name: str
    deployments: tuple[str, ...]
    asked_as: str
    size_bytes: int | None
    measured: bool
    load_s: float | None
    loads_seen: int
    demand: float


@dataclass(frozen=True, slots=True)
class Demand:
    """The share of an engine's requests that each of its weights has, and where that is from."""

    shares: Mapping[str, float]
    source: str
    requests_per_hour: float | None = None


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """What to pin on one engine; ``problem`` says why there is no plan."""

    engine: str
    memory: Mapping[str, Any]
    weights: tuple[Weights, ...]
    demand: Demand
    problem: str | None = None
    plan: PinSet | None = None

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON."""
        return {
            "engine": self.engine,
            "capacity_bytes": self.memory.get("capacity_bytes"),
            "max_models": self.memory.get("max_models"),
            "demand_from": self.demand.source,
            "requests_per_hour": self.demand.requests_per_hour,
            "problem": self.problem,
            "wait_s": self.plan and self.plan.wait_s,
            "models": [self._model(one) for one in self.weights],
            "config": self.config(),
        }

    def config(self) -> list[str]:
        """The lines that make it so: what stays is kept for ever, and the rest by what it is worth, which needs no line."""
        if self.plan is None or not self.plan.on_demand:
            return []
        stay = [one for one in self.weights if one.name in self.plan.pinned]
        return [
            line
            for one in stay
            if one.asked_as.startswith("ollama")
            for line in (
                f"  - model_name: {one.deployments[0]}",
                f"    litellm_params: {{model: {one.asked_as}, keep_alive: -1}}",
            )
        ]

    def at_once(self) -> int:
        """How many models are in memory at once, at most."""
        return 0 if self.plan is None else len(self.plan.pinned) + bool(self.plan.on_demand)

    def fate(self, name: str) -> str | None:
        """What becomes of some weights."""
        if self.plan is None:
            return None
        return _PINNED if name in self.plan.pinned else _ON_DEMAND if name in self.plan.on_demand else _TOO_LARGE

    def _model(self, one: Weights) -> dict[str, Any]:
        return {
            "weights": one.name,
            "deployments": list(one.deployments),
            "size_bytes": one.size_bytes,
            "measured": one.measured,
            "load_s": one.load_s,
            "loads_seen": one.loads_seen,
            "demand": self.demand.shares[one.name],
            "plan": self.fate(one.name),
            "absent": self.plan.absent.get(one.name, 0.0) if self.plan else None,
        }


def plan_of(rows: Sequence[Mapping[str, Any]], answered: Answered, days: float, now_s: float) -> list[EnginePlan]:
    """A plan for each engine that loads and unloads models, from the rows of ``GET /v1/models``."""
    engines: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        known = row["waypost"]["residency"]
        if known is not None and known["load_s"] is not None and "*" not in row["id"]:
            engines.setdefault(known["engine"], []).append(row)
    return [_plan(engine, members, answered, days, now_s) for engine, members in engines.items()]


def answered_lately(config: Path | None, days: float, now_s: float) -> Answered:
    """What the ledger says of the last days; nothing where there is none."""
    with suppress(LedgerError):
        return SqliteReader(ledger_path(config, None)).answered_since(iso_time(now_s - days * 86_400))
    return {}


def _plan(engine: str, rows: Sequence[Mapping[str, Any]], answered: Answered, days: float, now_s: float) -> EnginePlan:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["waypost"]["residency"]["weights"], []).append(row)
    weights = tuple(_weights(name, members) for name, members in groups.items())
    memory = rows[0]["waypost"]["residency"]["memory"] or {}
    demand = _demand(weights, answered, days, now_s)
    unmeasured = [one.name for one in weights if one.size_bytes is None]
    if memory.get("capacity_bytes") is None and memory.get("max_models") is None:
        problem = (
            f"how much memory {engine} has for models is not known yet: state it as `memory_gib` of this engine "
            "under discovery.engines, or let it swap models once while Waypost runs"
        )
    elif unmeasured and memory.get("capacity_bytes") is not None:
        problem = f"the size of {', '.join(unmeasured)} is not known: ask it something while Waypost runs, and it is measured"
    else:
        models = [Model(one.name, one.size_bytes or 0, one.load_s or 0.0, demand.shares[one.name]) for one in weights]
        found = pin_set(models, memory.get("capacity_bytes"), memory.get("max_models"))
        return EnginePlan(engine, memory, weights, demand, plan=found)
    return EnginePlan(engine, memory, weights, demand, problem)


def _weights(name: str, rows: Sequence[Mapping[str, Any]]) -> Weights:
    facts = rows[0]["waypost"]
    known = facts["residency"]
    return Weights(
        name=name,
        deployments=tuple(row["id"] for row in rows),
        asked_as=f"{facts['provider']}/{facts['model']}",
        size_bytes=known["size_bytes"],
        measured=known["gpu_share"] is not None,
        load_s=known["load_s"],
        loads_seen=known["loads_seen"],
        demand=known["demand"],
    )


def _demand(weights: Sequence[Weights], answered: Answered, days: float, now_s: float) -> Demand:
    """From the ledger, else from what the running server has seen, else the same for all."""
    counts = {one.name: sum(answered.get(name, (0, ""))[0] for name in one.deployments) for one in weights}
    total = sum(counts.values())
    if total:
        first = min(answered[name][1] for one in weights for name in one.deployments if name in answered)
        hours = max(_LEAST_HOURS, (now_s - datetime.fromisoformat(first.replace("Z", "+00:00")).timestamp()) / 3600)
        shares = {name: count / total for name, count in counts.items()}
        return Demand(shares, f"{total:,} requests of the last {days:g} days in the ledger", total / hours)
    seen = sum(one.demand for one in weights)
    if seen:
        return Demand({one.name: one.demand / seen for one in weights}, "the server's latest requests")
    return Demand({one.name: 1 / len(weights) for one in weights}, "nothing: each is taken to be asked for equally often")


def print_plans(out: Console, plans: Sequence[EnginePlan]) -> None:
    """Each plan as a table, in words, and as the lines of a config."""
    for at, one in enumerate(plans):
        if at:
            out.print()
        out.print(f"{one.engine}: {_memory(one.memory)}")
        out.print(f"How often each is asked for is from {one.demand.source}.\n")
        rows = [_row(one, weights) for weights in one.weights]
        print_table(out, ("model", "size", "load", "requests", "plan"), rows, right=("size", "requests"))
        out.print()
        for line in _words(one):
            out.print(line)


def _memory(memory: Mapping[str, Any]) -> str:
    capacity, most = memory.get("capacity_bytes"), memory.get("max_models")
    told = [f"{capacity / GIB:.1f} GiB for models"] if capacity else []
    told += [f"{most} models at once"] if most else []
    return ", ".join(told) or "unknown memory"


def _row(plan: EnginePlan, one: Weights) -> list[str]:
    size = "?" if one.size_bytes is None else f"{one.size_bytes / GIB:.1f} GiB{'' if one.measured else ', guessed'}"
    fate = plan.fate(one.name) or "?"
    if plan.plan is not None and fate == _ON_DEMAND:
        fate += f": loaded for {plan.plan.absent[one.name]:.0%} of its requests"
    load = "?" if one.load_s is None else f"{one.load_s:.1f} s{'' if one.loads_seen else ', guessed'}"
    return [one.name, size, load, f"{plan.demand.shares[one.name]:.0%}", fate]


def _words(one: EnginePlan) -> list[str]:
    if one.plan is None:
        return [f"No plan: {one.problem}."]
    if not one.plan.on_demand:
        return ["Everything fits: nothing has to be pinned."]
    per_hour = one.demand.requests_per_hour
    rate = "" if per_hour is None else f", or {per_hour * one.plan.wait_s:.0f} s an hour at {per_hour:.1f} requests an hour"
    lines = [f"A request waits {one.plan.wait_s:.1f} s for loads on average, at most{rate}."]
    if not one.plan.pinned:
        return [*lines, "Nothing can stay for good, as the others need the room. What is worth most stays for longest."]
    config = one.config()
    if not config:
        return [*lines, "Keep those loaded that are to stay, by their engine's own settings."]
    said = "Say so in the config, and of the others nothing, as Waypost sets their keep_alive:"
    lines += [said, "", "model_list:", *config]
    if one.at_once() > _MAX_LOADED_MODELS:
        lines += ["", f"Ollama needs OLLAMA_MAX_LOADED_MODELS={one.at_once()}, as it holds 3 models for each GPU without it."]
    return lines
