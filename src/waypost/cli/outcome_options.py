"""Which outcomes a command is about, and how what is learned from and what is judged are parted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from waypost.errors import ArtefactError

if TYPE_CHECKING:
    from waypost.learn.outcome_splits import Division
    from waypost.learn.outcomes import Outcomes
    from waypost.learn.quality_policies import Maker
    from waypost.routellm import RouteLLMRouter

_ROUTELLM = "routellm:"
_PATH = click.Path(path_type=Path)

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.argument("files", metavar="FILE...", nargs=-1, required=True, type=_PATH),
    click.option(
        "--policy",
        default="waypost",
        show_default=True,
        help="The router on trial: a built-in one, artefact:DIR that was trained before, routellm:NAME[=DIR], or MODULE:NAME "
        "of your own.",
    ),
    click.option("--train", multiple=True, type=_PATH, help="Learn from this file, and judge all of FILE. Repeatable."),
    click.option("--official", is_flag=True, help="Learn from the rows with the split train, and judge the others but extra."),
    click.option(
        "--folds",
        default=5,
        show_default=True,
        type=click.IntRange(2),
        help="Without these two: parts of the cross-validation.",
    ),
    click.option("--only", multiple=True, metavar="MODEL", help="Choose among these models only. Repeatable."),
    click.option("--priced", is_flag=True, help="Choose among the models only whose cost is known for every answer."),
    click.option("--prices", type=_PATH, help="Prices of models, for answers whose tokens are known and whose cost is not."),
    click.option(
        "--strong", metavar="MODEL", help="The strong one of two models. Default: the one with the higher mean score."
    ),
    click.option(
        "--drop-flag", "drop_flags", multiple=True, metavar="FLAG", help="Leave out prompts with this flag. Repeatable."
    ),
    click.option(
        "--mend", is_flag=True, help="Average repeated outcomes, and leave leaks out of the training, instead of refusing."
    ),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the outcomes is wanted, and how training and judged prompts are parted."""

    train: tuple[Path, ...]
    official: bool
    folds: int
    only: tuple[str, ...]
    priced: bool
    prices: Path | None
    drop_flags: tuple[str, ...]
    mend: bool
    seed: int


def outcome_options(command: Any) -> Any:
    """Adds the files, the policy, and what `Asked` holds but the seed."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def makers_with(policy: str, strong: str | None, seed: int, *, beside: bool = True) -> dict[str, Maker]:
    """What can be judged, by name: Waypost's own, the baselines, and ``policy``.

    Without ``beside``, LiteLLM's are among them only where ``policy`` is one: it takes seconds to load.
    Raises ArtefactError where there is none of that name.
    """
    from waypost.decide.task_model import load_task_model
    from waypost.learn.quality_learned import ARTEFACT, LEARNED, learned_policies, of_artefact
    from waypost.learn.quality_policies import baselines, litellm_baselines
    from waypost.learn.quality_subject import load_subject, maker_of

    task_model = load_task_model(None)
    own = learned_policies(task_model, seed, strong)
    makers = {LEARNED: own[LEARNED]} | baselines(task_model)
    if beside or policy.startswith("litellm_"):
        makers |= litellm_baselines()
    if policy in makers:
        return makers
    if policy in own:
        return makers | {policy: own[policy]}
    if policy.startswith(ARTEFACT):
        return makers | {policy: of_artefact(policy, task_model)}
    if policy.startswith(_ROUTELLM):
        return makers | {policy: maker_of(_of_routellm(policy), policy, strong, task_model)}
    if ":" not in policy:
        built_in = ", ".join(sorted(makers | own))
        raise ArtefactError(
            f"there is no policy {policy}: there are {built_in}, and artefact:DIR, routellm:NAME and MODULE:NAME of your own"
        )
    # As with `python -m`: modules of this folder are found.
    sys.path.insert(0, str(Path.cwd()))
    return makers | {policy: load_subject(policy, strong, task_model)}


def _of_routellm(policy: str) -> RouteLLMRouter:
    """``routellm:NAME``, or ``routellm:NAME=FOLDER`` with its checkpoint."""
    from waypost.routellm import load_router

    name, _, folder = policy.removeprefix(_ROUTELLM).partition("=")
    return load_router(name, Path(folder) if folder else None)


def read_outcomes(files: tuple[Path, ...], asked: Asked) -> tuple[Outcomes, Division, dict[str, Any]]:
    """The outcomes, how they are parted, and what is to be told of that. Raises ArtefactError where they cannot be used."""
    from waypost.learn.outcome_files import load_outcomes
    from waypost.learn.outcome_splits import cross_validated, official, trained_elsewhere
    from waypost.learn.price_list import load_prices

    if asked.train and asked.official:
        raise click.UsageError("--train and --official exclude each other")
    load = partial(load_outcomes, mend=asked.mend, prices={} if asked.prices is None else load_prices(asked.prices))
    outcomes = load(files).without(asked.drop_flags)
    if asked.only:
        outcomes = outcomes.among(asked.only)
    if asked.priced:
        outcomes = outcomes.among([model for model, known in zip(outcomes.models, outcomes.priced, strict=True) if known])
    if len(outcomes.models) < 2:
        left = ", ".join(outcomes.models) or "no model"
        raise ArtefactError(f"of {outcomes.name}, {left} is left to choose from: a router needs at least two models")
    folds = None
    if asked.train:
        others = [load([file]).without(asked.drop_flags) for file in asked.train]
        way, division = "elsewhere", trained_elsewhere(outcomes, others)
    elif asked.official:
        way, division = "official", official(outcomes, mend=asked.mend)
    else:
        way, division, folds = "cross-validated", cross_validated(outcomes, asked.folds, asked.seed), asked.folds
    told = {
        "way": way,
        "folds": folds,
        "train": [file.name for file in asked.train],
        "leaks": division.leaks,
        "repeated": outcomes.repeated,
        "unanswered": int((~outcomes.answered).sum()),
        "seed": asked.seed,
    }
    return outcomes, division, told


def require_model(outcomes: Outcomes, model: str | None) -> None:
    """Raises a ClickException where no outcome is about ``model``; ``None`` is always fine."""
    if model is not None and model not in outcomes.models:
        raise click.ClickException(f"no row is about the model {model}; there are {', '.join(outcomes.models)}")
