"""The decision card for people: what `waypost route` and `waypost log show` print."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from waypost.cli.table import print_pairs, print_table
from waypost.decide.explanation import Explanation

MOST_INFLUENCES = 12


def print_card(out: Console, card: dict[str, Any]) -> None:
    """A card that nothing has become of yet."""
    print_pairs(out, {"asked for": card["requested"], **card_facts(card)})
    print_candidates(out, card)


def card_facts(card: dict[str, Any]) -> dict[str, str]:
    """What the decision saw and concluded, a line each."""
    ignored = card.get("ignored")  # a card of an older version has none
    return {
        "task": _task(card["task"]),
        "kind": _kind(card["task"]),
        "evidence": _evidence(card["task"]["evidence"]),
        "route": f"{card['route'] or 'none'}: {card['reason']}",
        "tokens": f"estimated {card['prompt_tokens']} for the prompt, {card['answer_tokens']} kept free for the answer",
        "versions": ", ".join(
            f"{name} {version}"
            for name, version in (
                ("policy", card["policy_version"]),
                ("artefacts", card["artefact_version"]),
                ("quality", card.get("quality_version")),
            )
            if version
        ),
        **({"ignored": "; ".join(ignored)} if ignored else {}),
        **({"chance": f"drawn with a probability of {card['propensity']:.4f}"} if card.get("explored") else {}),
    }


def print_candidates(out: Console, card: dict[str, Any]) -> None:
    """Who may answer, and who may not and why."""
    if card["refusal"]:
        out.print(Text(f"\nrefused: {card['refusal']['message']}", style="red"))
    # A card of an older version has no quality, and most have none that anybody had to estimate.
    judged = any(candidate.get("expected_quality") for candidate in card["candidates"])
    columns = ("deployment", "why", *(("expected quality", "outcomes") if judged else ()), "expected cost")
    candidates = [_candidate(candidate, judged=judged) for candidate in card["candidates"]]
    print_table(out, columns, candidates, title="Candidates, in order")
    removed = (list(removal.values()) for removal in card["removed"])
    print_table(out, ("deployment", "guard", "why"), removed, title="Removed")


def print_explanation(out: Console, explanation: Explanation) -> None:
    """What each word and fact did: how far the best task's log odds against the next fall without it."""
    influences = explanation.influences[:MOST_INFLUENCES]
    title = f"What spoke for {explanation.best} (+) and for {explanation.rival} (-)"
    rows = [[f"{one.kind} {one.what}", f"{one.log_odds:+.2f}"] for one in influences]
    if explanation.rival is None:
        title = f"What decided for {explanation.best}"
        rows = [[f"{one.kind} {one.what}", "decided"] for one in influences]
    print_table(out, ("what", "log odds"), rows, title=title, right=("log odds",))


def shown(value: Any) -> str:
    """A value, or "unknown"."""
    return "unknown" if value is None else str(value)


def dollars(value: float | None) -> str:
    """A cost in US dollars, or "unknown"."""
    return "unknown" if value is None else f"${value:.6f}"


def _candidate(candidate: dict[str, Any], *, judged: bool) -> list[str]:
    why = f"{candidate['reason']} (fallback)" if candidate["fallback"] else candidate["reason"]
    quality = _quality(candidate.get("expected_quality")) if judged else []
    return [candidate["deployment"], why, *quality, dollars(candidate["expected_cost_usd"])]


def _quality(expected: dict[str, Any] | None) -> list[str]:
    """An estimate with its interval, and how many outcomes it rests on."""
    if expected is None:
        return ["unknown", ""]
    return [f"{expected['mean']:.2f} ({expected['lower']:.2f} to {expected['upper']:.2f})", str(expected["n"])]


def _evidence(found: list[str] | None) -> str:
    return "not looked for: the server was busy" if found is None else "; ".join(found) or "none"


def _kind(task: dict[str, Any]) -> str:
    """The finer label and the facts beside the task. A card of an older version has none of them."""
    several = ", ".join((task.get("tasks") or ())[1:])
    told = (
        task.get("label") or "unknown",
        f"also {several}" if several else "",
        f"act {task.get('act') or 'unknown'}",
        f"needs {', '.join(task.get('needs', ())) or 'nothing special'}",
        f"difficulty {shown(task.get('difficulty'))}",
    )
    return "; ".join(filter(None, told)).replace("_", " ")


def _task(task: dict[str, Any]) -> str:
    ranked = sorted(task["probabilities"].items(), key=lambda item: -item[1])
    return f"{task['task'] or 'abstained'} ({', '.join(f'{name} {p:.2f}' for name, p in ranked)})"
