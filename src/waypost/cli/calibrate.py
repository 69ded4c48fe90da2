"""`waypost calibrate`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waypost.cli.card_view import shown
from waypost.cli.number import Number
from waypost.cli.outcome_options import Asked, makers_with, outcome_options, read_outcomes, require_model
from waypost.cli.output import console, json_option, print_json
from waypost.cli.progress import bars, shown_on
from waypost.cli.table import print_pairs

if TYPE_CHECKING:
    from waypost.learn.quality_calibration import Rehearsal

_GUARANTEES = {
    "cross-validated": "about so: each fold was judged by what was learned from the others, and the router that serves is "
    "another one; with --train or --official, or for a router that learns nothing, it is exact",
    "official": "exact, for the router that learned from the split train",
    "elsewhere": "exact, for the router that learned from those files",
}
_GIVEN = "exact, if the router has learned from none of these questions"
_OWN = ("waypost", "artefact")
"""Policies that serve as they are judged here."""

_PASTED = {"model name": "model", "dial": "cost_quality", "config": "config"}
_SHARE = Number(0, 1, min_open=True, max_open=True)


@click.command()
@outcome_options
@click.option("--weak", metavar="MODEL", help="Choose between --strong and this one only.")
@click.option("--strong-share", type=_SHARE, help="Find the threshold at which this share of calls goes to the strong model.")
@click.option("--max-loss", type=_SHARE, help="Find the cheapest setting that provably loses less of the score than this.")
@click.option("--confidence", default=0.95, show_default=True, type=_SHARE, help="How sure that proof has to be.")
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="Chooses folds, and the order in which losses are looked at.",
)
@json_option
def command(
    files: tuple[Path, ...],
    policy: str,
    strong: str | None,
    weak: str | None,
    strong_share: float | None,
    max_loss: float | None,
    confidence: float,
    as_json: bool,
    **asked: Any,
) -> None:
    """Where to set a router: for a share of strong calls, or for answers that are provably hardly worse.

    FILE is what `waypost eval quality` reads. Of two models the setting is a threshold, as RouteLLM's; of more it is the dial
    `cost_quality`. The prompts must be others than those that the router has learned from. docs/calibrate.md explains what is
    proven.

    JSON keys: n, questions, policy, pair, best_model, strong_share, max_loss, guarantee, protocol, files.
    """
    from waypost.learn.outcome_splits import question_of
    from waypost.learn.quality_calibration import best_of, cheapest_within, rehearse, threshold_for

    if strong_share is None and max_loss is None:
        raise click.UsageError("say what to find: --strong-share, --max-loss, or both")
    if weak is not None:
        if strong is None:
            raise click.UsageError("--weak needs --strong")
        asked["only"] = (*asked["only"], strong, weak)
    outcomes, division, protocol = read_outcomes(files, Asked(**asked))
    require_model(outcomes, strong)
    if strong is None and len(outcomes.models) == 2:
        strong = outcomes.models[outcomes.best_model]
    maker = makers_with(policy, strong, asked["seed"], beside=False)[policy]
    with bars() as progress:
        show = shown_on(progress)
        rehearsal = rehearse(outcomes, division, maker, strong, show)
        share = None if strong_share is None else threshold_for(rehearsal, strong_share)
        loss = None if max_loss is None else cheapest_within(rehearsal, max_loss, confidence, asked["seed"], show)
    models, pair = rehearsal.outcomes.models, rehearsal.pair
    report = {
        "n": len(rehearsal.outcomes.prompts),
        "questions": len(set(question_of(rehearsal.outcomes.prompts))),
        "policy": policy,
        "pair": None if pair is None else {"strong": models[pair[0]], "weak": models[pair[1]]},
        "best_model": best_of(rehearsal),
        "strong_share": None if share is None else share | _to_paste(share["setting"], policy, rehearsal),
        "max_loss": None if loss is None else loss | _to_paste(loss["setting"], policy, rehearsal),
        "guarantee": _GIVEN if policy.startswith(("artefact:", "routellm:")) else _GUARANTEES[protocol["way"]],
        "protocol": protocol,
        "files": [file.name for file in files],
    }
    if as_json:
        print_json(report)
    else:
        _print(report)


def _to_paste(setting: float, policy: str, rehearsal: Rehearsal) -> dict[str, Any]:
    """The setting as a dial, where it is one, and for a router that Waypost serves, the name of a model and the config for it.

    Of two models the strong one is asked where its expected lead makes up for its cost: the dial `d` stands for the win rate
    `(1 + COST_WEIGHT (1 - d) / d) / 2`, and only for those from 0.5 on.
    """
    from waypost.decide.quality import COST_WEIGHT

    kind, _, folder = policy.partition(":")
    # What was learned from folds here serves as an artefact that learns from all of them.
    config: dict[str, Any] = {"quality": {"artefact": folder or "trained"}} if kind in _OWN else {}
    if rehearsal.pair is None:
        dial = _safer(setting)
        lines = _lines(config | {"policy": {"cost_quality": dial}}) if config else None
        return {"model": None, "cost_quality": dial, "config": lines}
    strong, weak = rehearsal.pair
    models, costs = rehearsal.outcomes.models, rehearsal.outcomes.mean_costs
    dialled = rehearsal.rated.expects and costs[strong] > costs[weak] and setting >= 0.5
    pair: dict[str, Any] = {"strong": models[strong], "weak": models[weak]}
    name = "own" if config else None
    if kind == "routellm":
        name, _, checkpoint = folder.partition("=")
        pair |= {"router": "routellm"} | ({"checkpoint": checkpoint} if checkpoint else {})
    return {
        "model": name and f"router-{name}-{setting:.5g}",
        "cost_quality": _safer(COST_WEIGHT / (COST_WEIGHT + 2 * setting - 1)) if dialled else None,
        "config": name and _lines(config | {"router_pairs": {name: pair}}),
    }


def _lines(config: Mapping[str, Any]) -> str:
    """A line of YAML for each block."""
    import yaml

    flows = {
        key: yaml.safe_dump(block, default_flow_style=True, sort_keys=False, width=10_000) for key, block in config.items()
    }
    return "\n".join(f"{key}: {flow.strip()}" for key, flow in flows.items())


def _safer(dial: float) -> float:
    """Rounded to the side of quality."""
    return min(1.0, math.ceil(dial * 1e6) / 1e6)


def _print(report: Mapping[str, Any]) -> None:
    out, pair, best = console(), report["pair"], report["best_model"]
    facts = {
        "files": ", ".join(report["files"]),
        "prompts": f"{report['n']}, which ask {report['questions']} questions",
        "policy": report["policy"],
    }
    if pair:
        facts["models"] = f"strong {pair['strong']}, weak {pair['weak']}"
    print_pairs(out, facts)
    share, loss = report["strong_share"], report["max_loss"]
    if share:
        out.print(f"\n{share['asked']:.4g} of the calls to the strong model", style="bold")
        print_pairs(out, _facts(share, best))
    if loss:
        out.print(
            f"\nLess than {loss['asked']:g} worse than always {best}, with confidence {loss['confidence']:g}", style="bold"
        )
        print_pairs(out, _facts(loss, best) | {"guarantee": report["guarantee"], "beyond it": _beyond(loss["next"])})


def _facts(found: Mapping[str, Any], best: str) -> dict[str, str]:
    facts = {"setting": f"{found['setting']:.6g}"}
    facts |= {name: str(found[key]) for name, key in _PASTED.items() if found[key] is not None}
    facts["calls"] = ", ".join(f"{name} {share:.1%}" for name, share in found["calls"].items())
    facts["quality"] = f"{found['quality']:.4f}, always {best} {found['best_quality']:.4f}: a loss of {found['loss']:.4f} here"
    facts["cost usd"] = f"{shown(found['cost_usd'])}, always {best} {shown(found['best_cost_usd'])}"
    return facts


def _beyond(following: Mapping[str, Any] | None) -> str:
    if following is None:
        return "nothing is cheaper"
    measured = f"{following['setting']:.6g} loses {following['loss']:.4f} here, which is not proven to be little enough"
    if following["more"] is None:
        return measured
    return f"{measured}: about {following['more']} more questions would tell"
