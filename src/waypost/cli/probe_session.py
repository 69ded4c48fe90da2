"""One probe from the command line: what it will take, whether it may, and what it found."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
import numpy as np
import orjson
from rich.progress import Progress

from waypost.cli.output import console, require_folder
from waypost.cli.probe_view import found_to_dict, print_first, print_plan
from waypost.cli.progress import bars
from waypost.cli.running_server import address_of, deployments_of
from waypost.config import Config
from waypost.decide.probed import ProbeResult, probe_key
from waypost.errors import ArtefactError, InvalidRequest, LedgerError, StartError, UnknownModel
from waypost.fleet.deployment import Deployment
from waypost.fleet.view import FleetView
from waypost.http.session import HttpSession
from waypost.learn.outcomes import Prompt
from waypost.learn.own_probe import OwnProbe
from waypost.learn.probe_prediction import Prediction, predict
from waypost.probe_results import keep_probe, load_probes
from waypost.probing.asking import Asked, Asker
from waypost.probing.grading import grader_of, reference_of
from waypost.probing.planning import Plan, plan_of
from waypost.probing.prompts import ProbePrompt, ProbeSet, shipped_prompts
from waypost.probing.run import ProbeRun, tallies
from waypost.router import Router
from waypost.startup import put_in_force, read_config

_OWN_COUNT = 100
_DIGEST_CHARS = 10


@dataclass(frozen=True, slots=True)
class ProbeSession:
    """A probe of the deployment ``name``, whose result goes into ``store``."""

    name: str
    config: Path | None
    file: Path | None
    count: int | None
    max_tokens: int
    store: Path

    def run(self, *, yes: bool) -> dict[str, Any]:
        """Plans, asks for leave, makes the calls and keeps the result. Interrupted, it goes on with what there is.

        Raises what a wrong name, file or config raises, and click's errors where nobody gives leave. Then nothing was sent.
        """
        require_folder(self.store.parent)
        own = None if self.file is None else OwnProbe.choose(self.file, self.count or _OWN_COUNT)
        prompts = shipped_prompts().mixed(self.count) if own is None else _own_set(own).mixed()
        config = read_config(self.config)
        with Router(config) as router:
            learned = asyncio.run(_look(router, config))
            deployment = _deployment(router.view(), self.name)
            asker = Asker(router, deployment, self.max_tokens)
            plan = plan_of(asker, prompts, learned.get(deployment.id) or {})
            print_plan(console(stderr=True), deployment, prompts.name, plan)
            _require_leave(yes=yes)
            run, took_s = _make_calls(asker, plan)
        return self._found(deployment, prompts.name, plan, run, own, took_s)

    def _found(
        self, deployment: Deployment, prompts: str, plan: Plan, run: ProbeRun, own: OwnProbe | None, took_s: float
    ) -> dict[str, Any]:
        prediction = None if own is None else _prediction(own, run.asked)
        result = ProbeResult(
            probe_key(deployment),
            deployment.id,
            prompts,
            datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            tallies(run.asked),
            sum(one.passed is None for one in run.asked),
            None if prediction is None else prediction.expected,
        )
        complete = len(run.asked) == len(plan.prompts)
        before = load_probes(self.store).get(result.key)
        fuller = not complete and before is not None and before.prompts == prompts and before.asked > result.asked
        kept = result.asked > 0 and not fuller and self._keep(result)
        return found_to_dict(result, run.asked, plan, prediction, took_s) | {"complete": complete, "kept": kept}

    def _keep(self, result: ProbeResult) -> bool:
        """Whether that went well. What was paid for is shown in any case."""
        try:
            keep_probe(self.store, result)
        except LedgerError as error:
            console(stderr=True).print(error.message, style="yellow")
            return False
        return True


async def _look(router: Router, config: Config) -> dict[str, Any]:
    """Puts the fleet in force that `waypost serve` would; and what a running server has learned of each local deployment."""
    async with HttpSession() as session:
        assembly = await put_in_force(router, config, session)
    if assembly.simulated:
        raise StartError("no engine was found, so there is nothing to probe: start one, or name one in the config")
    return {row["id"]: row["waypost"].get("residency") for row in await deployments_of(address_of(config)) or ()}


def _deployment(fleet: FleetView, name: str) -> Deployment:
    """The one deployment of that name, or the first of several that answer alike."""
    found = fleet.exactly(name) or fleet.loosely(name)
    if pattern := next((one for one in fleet if not found and one.meant_by(name)), None):
        raise InvalidRequest(f"{name} is there by the pattern {pattern.group} only: to probe it, list it under model_list")
    if not found:
        known = ", ".join(one.id for one in fleet if not one.is_pattern)
        raise UnknownModel(f"there is no deployment {name!r}; there are: {known or 'none'}")
    if len({probe_key(one) for one in found}) > 1:
        raise InvalidRequest(
            f"{name} stands for several that may answer in other ways: name one of {', '.join(one.id for one in found)}"
        )
    if found[0].mode != "chat":
        raise InvalidRequest(f"{name} answers no chats: only what does can be probed")
    return found[0]


def _own_set(own: OwnProbe) -> ProbeSet:
    prompts = tuple(_own_prompt(prompt) for prompt in own.prompts)
    digest = hashlib.sha256("\n".join(prompt.id for prompt in prompts).encode("utf-8", "surrogatepass")).hexdigest()
    return ProbeSet(f"{own.outcomes.name}@{digest[:_DIGEST_CHARS]}", prompts)


def _own_prompt(prompt: Prompt) -> ProbePrompt:
    """Its task is read when it is asked. Raises ArtefactError for an answer or tools that cannot be used."""
    grader = prompt.grader or grader_of(prompt.answer)
    reference = reference_of(grader, prompt.answer, prompt.where)
    tools: Any = ()
    if prompt.tools:
        with suppress(ValueError):
            tools = orjson.loads(prompt.tools)
        if not isinstance(tools, list):
            raise ArtefactError(f"{prompt.where} has `tools` that are no JSON list of OpenAI's functions")
    return ProbePrompt(_id_of(prompt), prompt.category or "all", "", prompt.text, grader, reference, tools=tuple(tools))


def _id_of(prompt: Prompt) -> str:
    """Two splits may have the same id."""
    return f"{prompt.split}/{prompt.id}" if prompt.split else prompt.id


def _require_leave(*, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException("nothing was sent: nobody can be asked here, so say that it may, with --yes")
    if not click.confirm("Make these calls?", err=True):
        raise click.ClickException("nothing was sent")


def _make_calls(asker: Asker, plan: Plan) -> tuple[ProbeRun, float]:
    """All calls of the plan, or those until somebody interrupts; and how many seconds they took."""
    clock = asker.router.clock
    started = clock()
    with bars() as progress:
        run = _run(asker, plan, progress)
        try:
            asyncio.run(run.run(plan.prompts))
        except KeyboardInterrupt:
            console(stderr=True).print("Interrupted: the result is of what was answered until now.", style="yellow")
    if run.gave_up and len(run.asked) < len(plan.prompts):
        last = run.asked[-1].error
        console(stderr=True).print(f"The deployment fails call after call, so the rest was left out: {last}", style="yellow")
    return run, clock() - started


def _run(asker: Asker, plan: Plan, progress: Progress) -> ProbeRun:
    task = progress.add_task("asking", total=len(plan.prompts))

    def first(one: Asked) -> None:
        print_first(progress.console, one, plan)

    return ProbeRun(asker.ask, plan.at_once, lambda _: progress.advance(task), first)


def _prediction(own: OwnProbe, asked: list[Asked]) -> Prediction | None:
    """From the answers alone: calls that failed say nothing. ``None`` where there is no answer."""
    places = {_id_of(prompt): row for prompt, row in zip(own.prompts, own.rows.tolist(), strict=True)}
    answered = [one for one in asked if one.passed is not None]
    if not answered:
        return None
    rows = np.array([places[one.prompt.id] for one in answered])
    return predict(own.outcomes, own.curves, rows, [float(bool(one.passed)) for one in answered])
