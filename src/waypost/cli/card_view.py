"""The decision card for people: what `waypost route` and `waypost log show` print."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_card(out: Console, card: dict[str, Any]) -> None:
    """A card that nothing has become of yet."""
    print_pairs(out, {"asked for": card["requested"], **card_facts(card)})
    print_candidates(out, card)


def card_facts(card: dict[str, Any]) -> dict[str, str]:
    """What the decision saw and concluded, a line each."""
    return {
        "task": _task(card["task"]),
        "evidence": "; ".join(card["task"]["evidence"]) or "none",
        "route": f"{card['route'] or 'none'}: {card['reason']}",
        "tokens": f"estimated {card['prompt_tokens']} for the prompt, {card['answer_tokens']} kept free for the answer",
        "versions": f"policy {card['policy_version']}, artefacts {card['artefact_version']}",
    }


def print_candidates(out: Console, card: dict[str, Any]) -> None:
    """Who may answer, and who may not and why."""
    if card["refusal"]:
        out.print(Text(f"\nrefused: {card['refusal']['message']}", style="red"))
    print_table(out, "Candidates, in order", ("deployment", "why", "expected cost"), map(_candidate, card["candidates"]))
    print_table(out, "Removed", ("deployment", "guard", "why"), (list(removal.values()) for removal in card["removed"]))


def print_pairs(out: Console, pairs: dict[str, str]) -> None:
    """Names and values, in two columns."""
    grid = Table.grid(padding=(0, 2))
    for name, value in pairs.items():
        grid.add_row(Text(f"  {name}", style="dim"), Text(value))
    out.print(grid)


def print_table(out: Console, title: str, columns: Iterable[str], rows: Iterable[list[str]]) -> None:
    """A titled table; nothing at all without rows."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns:
        table.add_column(name)
    for row in rows:
        table.add_row(*map(Text, row))
    if table.row_count:
        out.print(Text(f"\n{title}", style="bold"))
        out.print(table)


def shown(value: Any) -> str:
    """A value, or "unknown"."""
    return "unknown" if value is None else str(value)


def dollars(value: float | None) -> str:
    """A cost in US dollars, or "unknown"."""
    return "unknown" if value is None else f"${value:.6f}"


def _candidate(candidate: dict[str, Any]) -> list[str]:
    why = f"{candidate['reason']} (fallback)" if candidate["fallback"] else candidate["reason"]
    return [candidate["deployment"], why, dollars(candidate["expected_cost_usd"])]


def _task(task: dict[str, Any]) -> str:
    ranked = sorted(task["probabilities"].items(), key=lambda item: -item[1])
    return f"{task['task'] or 'abstained'} ({', '.join(f'{name} {p:.2f}' for name, p in ranked)})"
