"""What a probe will take and what it found, in words and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from waypost.cli.table import print_pairs, print_table
from waypost.decide.probed import ProbeResult
from waypost.fleet.deployment import Deployment
from waypost.learn.probe_prediction import Prediction
from waypost.probe_results import probe_to_dict
from waypost.probing.asking import Asked
from waypost.probing.planning import Plan
from waypost.probing.posterior import share_of


def found_to_dict(
    result: ProbeResult, asked: Sequence[Asked], plan: Plan, prediction: Prediction | None, took_s: float
) -> dict[str, Any]:
    """Stable keys, for JSON. A sum of which a part is unknown is ``null``."""
    groups = []
    for one in result.groups:
        share = share_of(one.passed, one.asked)
        groups.append(
            {"name": one.name, "task": one.task, "passed": one.passed, "asked": one.asked}
            | {"mean": round(share.mean, 4), "lower": round(share.lower, 4), "upper": round(share.upper, 4)}
        )
    nearest = () if prediction is None else prediction.nearest
    answered = [one for one in asked if one.passed is not None]
    return {
        **probe_to_dict(result),
        "groups": groups,
        "passed": result.passed,
        "asked": result.asked,
        "cut": sum(one.cut for one in asked),
        "nearest": [{"model": one.model, "agreement": one.agreement, "score": one.score} for one in nearest],
        "plan": plan.to_dict(),
        "prompt_tokens": _sum([one.prompt_tokens for one in answered]),
        "answer_tokens": _sum([one.answer_tokens for one in answered]),
        "cost_usd": _sum([one.cost_usd for one in answered]),
        "seconds": round(took_s, 2),
    }


def print_plan(screen: Console, deployment: Deployment, prompts: str, plan: Plan) -> None:
    """What the probe will take."""
    unfit = f"; {len(plan.unfit)} more cannot be asked: {next(iter(plan.unfit.values()))}" if plan.unfit else ""
    said = {
        "deployment": f"{deployment.id} ({deployment.provider}/{deployment.model})",
        "prompts": f"{len(plan.prompts)} of {prompts}{unfit}",
        "at once": str(plan.at_once),
        "tokens": f"about {plan.prompt_tokens:,} in and {plan.answer_tokens:,} out, at most {plan.most_answer_tokens:,} out",
        "cost": _or_unknown(plan.cost_usd, lambda usd: f"about ${usd:.4f}, at most ${plan.most_cost_usd or usd:.4f}"),
        "time": _or_unknown(plan.seconds, _duration, "unknown until the first answer"),
    }
    print_pairs(screen, said)


def print_first(screen: Console, first: Asked, plan: Plan) -> None:
    """How long all will take, by the first answer, where nobody knew before."""
    if plan.seconds is not None or first.passed is None:
        return
    left = (len(plan.prompts) - 1) / plan.at_once
    screen.print(f"The first answer took {first.seconds:.1f} s: the others take about {_duration(left * first.seconds)}.")


def print_found(screen: Console, found: Mapping[str, Any]) -> None:
    """The shares of good answers, by group."""
    rows = [
        [
            one["name"],
            one["task"],
            f"{one['passed']} of {one['asked']}",
            f"{one['mean']:.0%}",
            f"{one['lower']:.0%} to {one['upper']:.0%}",
        ]
        for one in found["groups"]
    ]
    print_table(screen, ("group", "task", "good", "expected", "9 in 10"), rows, right=("good", "expected"))
    screen.print(f"\n{found['passed']} of {found['asked']} answers were good.", style="bold")
    if found["errors"]:
        screen.print(f"{found['errors']} calls failed; they count as no answers.")
    if found["cut"]:
        screen.print(f"{found['cut']} answers were cut at --max-tokens.")
    expected = found["expected"]
    if expected is not None:
        bounds = f"{expected['lower']:.1%} to {expected['upper']:.1%}"
        screen.print(f"On the whole file it would score {expected['mean']:.1%} (9 in 10: {bounds}). Most like it answer:")
        near = [[one["model"], f"{one['agreement']:.0%}", f"{one['score']:.1%}"] for one in found["nearest"]]
        print_table(screen, ("model", "agrees", "score"), near, right=("agrees", "score"))
    cost = _or_unknown(found["cost_usd"], lambda usd: f"${usd:.4f}")
    screen.print(f"It took {_duration(found['seconds'])}; cost: {cost}.")
    screen.print("The result is kept." if found["kept"] else "The result is not kept.")


def print_listed(screen: Console, found: Sequence[Mapping[str, Any]]) -> None:
    """Every result in a line."""
    if not found:
        screen.print("nothing has been probed")
        return
    rows = [
        [
            one["deployment"],
            one["key"],
            one["prompts"],
            one["probed_at"],
            _by_name(one["groups"]),
        ]
        for one in found
    ]
    print_table(screen, ("deployment", "key", "prompts", "probed", "good"), rows)


def _by_name(groups: Sequence[Mapping[str, Any]]) -> str:
    counts: dict[str, list[int]] = {}
    for group in groups:
        passed, asked = counts.setdefault(group["name"], [0, 0])
        counts[group["name"]] = [passed + group["passed"], asked + group["asked"]]
    return ", ".join(f"{name} {passed}/{asked}" for name, (passed, asked) in counts.items())


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _or_unknown(value: float | None, said: Callable[[float], str], unknown: str = "unknown") -> str:
    return unknown if value is None else said(value)


def _sum(parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if known and len(known) == len(parts) else None
