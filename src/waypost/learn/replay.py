"""Deciding again on what the ledger kept of a decision, under other rules.

Prompts are not kept unless that is switched on, and need not be: the task is the one that was read then, and what was to be
expected of each deployment is on the card. Who was down then is down again; how busy and how warm the others were is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from waypost.decide.card import Candidate, Decision
from waypost.decide.decision import Artefacts, decide
from waypost.decide.explanation import Explanation
from waypost.decide.policy import Policy
from waypost.decide.quality import AnswerLengths, QualityEstimate, QualityEstimator, WinRates
from waypost.decide.task import Known, OwnMatch, TaskModel, TaskScores
from waypost.fleet.view import Deployment, FleetView, Status
from waypost.turn import EMPTY, Audio, File, Image, Message, Part, Text, Tool, Turn

Entry = Mapping[str, Any]

VECTORS = "they ask for vectors, which a name makes with one model only"
TOO_OLD = "an older Waypost wrote them, without what they needed"
NO_ESTIMATE = "the new rules weigh what was not estimated then, and their text is not stored"

_NOT_TEXT: Mapping[str, Part] = {"audio": Audio(None), "file": File(None)}
_DOWN = Status(up=False, reason="it was down or cooled then")


@dataclass(frozen=True, slots=True)
class Rules:
    """What to decide by: rules, the deployments that there would be, and what is learned, for prompts whose text is stored.

    Chance puts nobody first here: what is looked at is what the rules choose without it.
    """

    policy: Policy
    deployments: tuple[Deployment, ...]
    artefacts: Artefacts

    def without_chance(self) -> Rules:
        """The same, exploring nothing."""
        routes = {name: replace(route, explore=0.0) for name, route in self.policy.routes.items()}
        return replace(self, policy=replace(self.policy, routes=routes))


def why_not(entry: Entry) -> str | None:
    """Why an entry cannot be decided on again, whatever the rules; ``None`` if it can."""
    needs = entry["prompt"]["needs"]
    if needs is None:
        return TOO_OLD
    return VECTORS if "vectors" in needs else None


def replay(entry: Entry, rules: Rules, answered_last: tuple[str, ...] = ()) -> Decision | None:
    """The decision under ``rules``, which are ``without_chance``; ``None`` where it takes an estimate that nobody can make.

    ``answered_last`` are those who answered its conversation last, the latest first.
    """
    card, text, given = entry["card"], entry["prompt"]["text"], rules.artefacts
    turn, scores, recorded = _turn_of(entry), _scores_of(card["task"]), candidates_of(card)
    if text is not None:
        scores = replace(scores, grounds=given.task_model.predict(turn).grounds)
    by_name = {one.deployment: one for one in recorded}
    estimates = None
    if given.quality is not None:
        judged = card["quality_version"] is not None
        estimates = _Estimates(by_name, judged, given.quality, has_text=text is not None)
    rates = {name: _WinRate(None if text is None else rate) for name, rate in given.win_rates.items()}
    lengths = _Lengths(by_name, None if text is None else given.lengths)
    learned = Artefacts(_Task(given.task_model, scores), estimates, lengths, rates)
    decision = decide(turn, _fleet_of(card, turn, recorded, rules, answered_last), rules.policy, learned)
    lacking = (estimates is not None and estimates.lacking) or any(rate.lacking for rate in rates.values())
    return None if lacking else decision


def candidates_of(card: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """The candidates of a card, without their settings."""
    return tuple(
        Candidate(
            **{name: one[name] for name in ("deployment", "group", "provider", "model", "reason", "fallback", "last_resort")},
            loads=one["loads"],
            expected_quality=one["expected_quality"] and QualityEstimate(**one["expected_quality"]),
            expected_answer_tokens=one["expected_answer_tokens"],
        )
        for one in card["candidates"]
    )


def _turn_of(entry: Entry) -> Turn:
    """A turn that needs what the request needed."""
    card, prompt = entry["card"], entry["prompt"]
    needs = set(prompt["needs"])
    said: list[Part] = [Text(prompt["text"] or "")]
    image = [Message("user", (Image(inline=True),))] if "image" in needs else []
    if "image_asked" in needs:
        said, image = [*said, Image(inline=True)], []
    said += [part for name, part in _NOT_TEXT.items() if name in needs]
    result = [Message("tool", (Text(""),))] if "tool_result" in needs else []
    return Turn(
        id=entry["id"],
        model=entry["requested"],
        messages=(*image, Message("user", tuple(said)), *result),
        body=EMPTY,
        tools=(Tool("tool"),) if "tools" in needs else (),
        response_format="json_schema" if "json_schema" in needs else "text",
        stream=entry["stream"],
        prompt_tokens=card["prompt_tokens"],
        answer_tokens=prompt["answer_cap"],
        session=entry["session"],
        private="private" in needs,
        channel=prompt["channel"],
        background=prompt["background"],
        cost_quality=prompt["cost_quality"],
    )


def _scores_of(task: Mapping[str, Any]) -> TaskScores:
    """What the task model said then."""
    own = task["own_task"]
    return TaskScores(
        task["probabilities"],
        task["task"],
        Known(labels=task["labels"]),
        task["act"],
        tuple(task["needs"]),
        task["difficulty"],
        own and OwnMatch(own["name"], own["probability"]),
    )


def _fleet_of(
    card: Mapping[str, Any], turn: Turn, recorded: Sequence[Candidate], rules: Rules, answered_last: tuple[str, ...]
) -> FleetView:
    """The deployments that there would be, as far as the card tells how they were.

    A tool loop of a conversation that nobody named stays with who was asked.
    """
    statuses = {one.deployment: Status(loaded=not one.loads) for one in recorded if one.loads is not None}
    statuses |= {one.deployment: _DOWN for one in recorded if one.last_resort}
    statuses |= {one["deployment"]: _DOWN for one in card["removed"] if one["guard"] == "health"}
    if not answered_last and turn.tool_loop_open and recorded:
        answered_last = (recorded[0].deployment,)
    return FleetView(rules.deployments, statuses, answered_last)


@dataclass(frozen=True, slots=True)
class _Task:
    """A task model that says what was said."""

    model: TaskModel
    scores: TaskScores

    @property
    def version(self) -> str:
        """That of the model in force."""
        return self.model.version

    def predict(self, turn: Turn) -> TaskScores:
        """The scores of the card."""
        del turn
        return self.scores

    def explain(self, turn: Turn) -> Explanation:
        """What the model in force says."""
        return self.model.explain(turn)


@dataclass(slots=True)
class _Estimates:
    """What was estimated then; or what ``live`` says, where the text is there for it, if any of them was not.

    Never some of both: estimates are on one scale within a decision only. ``lacking``: one was wanted that takes the text. Of
    whom ``live`` knows nothing, nothing was known.
    """

    recorded: Mapping[str, Candidate]
    judged: bool
    live: QualityEstimator
    has_text: bool
    lacking: bool = False

    @property
    def version(self) -> str:
        """That of ``live``, which may be read when it is first asked."""
        return self.live.version

    def estimate(self, turn: Turn, deployments: Sequence[Deployment], task: TaskScores) -> Sequence[QualityEstimate | None]:
        """One for each. A deployment that nobody knew anything of then stays unknown."""
        known = [self.recorded.get(deployment.id) for deployment in deployments]
        if all(one is not None and (one.expected_quality or (self.judged and not one.fallback)) for one in known):
            return [None if one is None else one.expected_quality for one in known]
        told = self.live.estimate(turn, deployments, task)
        self.lacking = self.lacking or (any(told) and not self.has_text)
        return told


@dataclass(slots=True)
class _WinRate:
    """A router of RouteLLM, which reads the text. ``lacking``: it was asked, and there is none."""

    live: WinRates | None
    lacking: bool = False

    def calculate_strong_win_rate(self, prompt: str) -> float:
        """What it says now: nothing of that is kept."""
        if self.live is not None:
            return self.live.calculate_strong_win_rate(prompt)
        self.lacking = True
        return 1.0


@dataclass(frozen=True, slots=True)
class _Lengths:
    """The lengths that were forecast then; or, if none was of one of them, those that ``live`` forecasts of all."""

    recorded: Mapping[str, Candidate]
    live: AnswerLengths | None

    def tokens(self, task: TaskScores, deployments: Sequence[Deployment], caps: Sequence[int | None]) -> Sequence[int | None]:
        """One for each; ``None`` where nobody knows."""
        known = [self.recorded.get(deployment.id) for deployment in deployments]
        told = [None if one is None else one.expected_answer_tokens for one in known]
        return told if self.live is None or None not in told else self.live.tokens(task, deployments, caps)
