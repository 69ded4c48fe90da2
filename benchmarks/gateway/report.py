"""The tables: medians over the runs, ratios within each run, and the targets."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

HELD = 0.99  # the share of an open loop that must have been answered, or its latency says nothing
Run = Mapping[str, float]  # what one gateway showed in one run, by name

_RATES = (
    ("c=1 p50 / p99 µs", ("c1_p50_us", "c1_p99_us")),
    ("req/s c=1", ("c1_rps",)),
    ("c=8", ("c8_rps",)),
    ("c=64", ("c64_rps",)),
    ("c=256", ("c256_rps",)),
    ("p99 ms c=64", ("c64_p99_ms",)),
    ("CPU ms/req c=64", ("c64_cpu_ms",)),
    ("200 req/s p50 / p99 ms", ("open_p50_ms", "open_p99_ms")),
)
_STREAMS = (
    ("paced: first words p50 / p95 ms", ("paced_first_p50_ms", "paced_first_p95_ms")),
    ("CPU µs/chunk", ("paced_cpu_us",)),
    ("burst: first words p50 / p95 ms", ("burst_first_p50_ms", "burst_first_p95_ms")),
    ("CPU µs/chunk", ("burst_cpu_us",)),
    ("500 streams: complete %", ("many_complete_percent",)),
    ("first words p50 / p95 ms", ("many_first_p50_ms", "many_first_p95_ms")),
    ("most memory MB", ("many_mb",)),
)
_MEMORY = (
    ("ready s", ("ready_s",)),
    ("idle MB", ("idle_mb",)),
    ("warm MB", ("warm_mb",)),
    ("in the end MB", ("after_mb",)),
    ("requests since", ("memory_requests",)),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that was measured: the runs of each gateway, in its order, and what only Waypost has."""

    runs: Mapping[str, Sequence[Run]]
    titles: Mapping[str, str]
    own: Run

    def median(self, name: str, key: str) -> float | None:
        """Over the runs that have it."""
        values = [run[key] for run in self.runs.get(name, ()) if key in run]
        return statistics.median(values) if values else None

    def paired(self, key: str, name: str, other: str, combine: Callable[[float, float], float]) -> float | None:
        """The median of what each run says about the two of them: only numbers of one run are compared."""
        pairs = zip(self.runs.get(name, ()), self.runs.get(other, ()), strict=False)
        values = [combine(ours[key], theirs[key]) for ours, theirs in pairs if key in ours and theirs.get(key)]
        return statistics.median(values) if values else None

    def ratio(self, key: str, other: str) -> float | None:
        """Waypost's number over the other's."""
        return self.paired(key, "waypost", other, lambda ours, theirs: ours / theirs)


@dataclass(frozen=True, slots=True)
class Target:
    """What should be reached, what was, and whether that is enough; ``None`` where it was not measured."""

    what: str
    target: str
    measured: str | None
    met: bool | None


def tables(measured: Measured) -> str:
    """All tables, in Markdown."""
    parts = [
        ("Answers in one piece", _table(measured, _RATES)),
        ("Streams of 200 chunks", _table(measured, _STREAMS)),
        ("Start and memory", _table(measured, _MEMORY)),
        ("Waypost against each, in the same run", _ratios(measured)),
        ("Targets", _targets(measured)),
    ]
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in parts if table)


def _table(measured: Measured, columns: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    shown = [
        column
        for column in columns
        if any(measured.median(name, key) is not None for name in measured.runs for key in column[1])
    ]
    rows = []
    for name in measured.runs:
        cells = [_cell(measured, name, keys) for _, keys in shown]
        if any(cell.strip("- /") for cell in cells):
            rows.append([measured.titles[name], *cells])
    return _markdown(["gateway", *(title for title, _ in shown)], rows)


def _cell(measured: Measured, name: str, keys: tuple[str, ...]) -> str:
    held = measured.median(name, "open_held")
    if keys[0].startswith("open_") and held is not None and held < HELD:
        return "cannot hold the rate"
    return " / ".join(_number(measured.median(name, key)) for key in keys)


def _ratios(measured: Measured) -> str:
    columns = (
        ("req/s c=8", "c8_rps", True),
        ("req/s c=64", "c64_rps", True),
        ("p99 c=64", "c64_p99_us", False),
        ("CPU/req", "c64_cpu_ms", False),
        ("first words, paced", "paced_first_p50_ms", False),
        ("CPU/chunk, paced", "paced_cpu_us", False),
        ("CPU/chunk, burst", "burst_cpu_us", False),
        ("idle memory", "idle_mb", False),
    )
    others = [name for name in measured.runs if name != "waypost"]
    found = {(name, key): measured.ratio(key, name) for name in others for _, key, _ in columns}
    shown = [column for column in columns if any(found[name, column[1]] is not None for name in others)]
    rows = []
    for name in others:
        values = [found[name, key] for _, key, _ in shown]
        if any(value is not None for value in values):
            rows.append([measured.titles[name], *("-" if value is None else f"{_number(value)}×" for value in values)])
    return _markdown(["Waypost / …", *(title + (" ↑" if more else " ↓") for title, _, more in shown)], rows)


def _targets(measured: Measured) -> str:
    rows = [
        [target.what, target.target, target.measured, "yes" if target.met else "**no**"]
        for target in targets(measured)
        if target.measured is not None
    ]
    return _markdown(["what", "target", "measured", "met"], rows)


def targets(measured: Measured) -> list[Target]:
    """Each target with what was measured for it."""

    def added_ms(key: str) -> float | None:
        return measured.paired(key, "waypost", "direct", lambda ours, theirs: (ours - theirs) / 1000)

    def ours(key: str, factor: float = 1.0) -> float | None:
        found = measured.median("waypost", key)
        return None if found is None else found * factor

    def own(key: str, factor: float = 1.0) -> float | None:
        return measured.own[key] * factor if key in measured.own else None

    def grown(since: str) -> float | None:
        before, after = ours(since), ours("after_mb")
        return None if before is None or after is None else (after / before - 1) * 100

    return [
        _least("requests/s at c=64 against LiteLLM's proxy", measured.ratio("c64_rps", "litellm"), 40, "×"),
        _least("requests/s at c=64 against TensorZero, served from Python", measured.ratio("c64_rps", "tensorzero"), 1.0, "×"),
        _least("requests/s of two processes against one", ours("two_processes"), 1.8, "×"),
        _most("added latency at c=1, p50", added_ms("c1_p50_us"), 0.35, " ms"),
        _most("added latency at c=1, p99", added_ms("c1_p99_us"), 1.5, " ms"),
        _most("p99 at c=64 over the floor with aiohttp", measured.ratio("c64_p99_us", "floor"), 1.5, "×"),
        _most("p99 at c=64 over the floor with httptools", measured.ratio("c64_p99_us", "floor-httptools"), 1.5, "×"),
        _most("paced streams, first words p50", ours("paced_first_p50_ms"), 1.2, " ms"),
        _most("paced streams, CPU of a chunk", ours("paced_cpu_us"), 60, " µs"),
        _most("burst of streams, CPU of a chunk", ours("burst_cpu_us"), 15, " µs"),
        _least("500 streams at once: complete", ours("many_complete_percent"), 100, " %"),
        _most("500 streams at once: most memory", ours("many_mb"), 200, " MB"),
        _most("decision, 100 tokens, 10 deployments, p50", own("decide_100_p50_us", 1e-3), 0.2, " ms"),
        _most("decision, 100 tokens, 10 deployments, p99", own("decide_100_p99_us", 1e-3), 0.6, " ms"),
        _most("decision, 8,000 tokens, p50", own("decide_8000_p50_us", 1e-3), 2, " ms"),
        _most("`import waypost`", own("import_s"), 0.3, " s"),
        _most('`waypost route "…"`, cold', own("route_s"), 0.6, " s"),
        _most("server ready", ours("ready_s"), 1.0, " s"),
        _most("idle memory", ours("idle_mb"), 100, " MB"),
        _most("memory growth over all requests, from idle", grown("idle_mb"), 5, " %"),
        _most("memory growth over all requests, once warm", grown("warm_mb"), 5, " %"),
    ]


def _least(what: str, measured: float | None, bound: float, unit: str) -> Target:
    return Target(what, f"≥ {bound:g}{unit}", *_judged(measured, unit, measured is not None and measured >= bound))


def _most(what: str, measured: float | None, bound: float, unit: str) -> Target:
    return Target(what, f"≤ {bound:g}{unit}", *_judged(measured, unit, measured is not None and measured <= bound))


def _judged(measured: float | None, unit: str, met: bool) -> tuple[str | None, bool | None]:
    return (None, None) if measured is None else (f"{_number(measured)}{unit}", met)


def _number(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _markdown(head: list[str], rows: Iterable[Iterable[str | None]]) -> str:
    lines = [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines]) if lines else ""
