"""Reading outcomes: one row for each prompt and model, one column for each model, or the judgements of MT-Bench."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from waypost.errors import ArtefactError
from waypost.learn.outcomes import Outcomes, Prompt
from waypost.learn.price_list import Price
from waypost.learn.records import records_of
from waypost.turn import EMPTY

COST_SUFFIX = "|total_cost"
"""RouterBench's table has the cost of a model in the column of its name and this."""

_ABOUT = (
    "prompt",
    "prompt_id",
    "sample_id",
    "group_id",
    "category",
    "eval_name",
    "split",
    "tools",
    "flags",
    "source",
    "answer",
    "grader",
)
_BESIDE = ("", "Unnamed: 0", "oracle_model_to_route_to")
_ANSWER = re.compile(r"(\||_)(model_)?response$")
"""Columns with what a model said: RouterBench's `M|model_response`, RouteLLM's `M_response`."""

_WORDS = {"true": 1.0, "false": 0.0}
_MTBENCH = {"question_id", "model", "score", "turn", "user_prompt"}
_FIRST_TURN = re.compile(r"\[Question\]\n(.*?)\n\n\[The Start of|### User:\n(.*?)\n\n### Assistant", re.DOTALL)
_MTBENCH_TOP = 10.0

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cell: how well a model answered a prompt, and in which row that stands. ``cost`` is ``None`` where unknown."""

    prompt: Prompt
    model: str
    score: float
    cost: float | None

    @property
    def key(self) -> tuple[str, str]:
        """A prompt may stand in several splits, and is another one in each."""
        return self.prompt.split, self.prompt.id


def load_outcomes(paths: Sequence[Path], *, mend: bool = False, prices: Mapping[str, Price] = EMPTY) -> Outcomes:
    """The outcomes in these files, as one table. The form of each is told by its columns (docs/quality.md).

    A prompt without an outcome of a model is legal; what else does not fit raises ArtefactError with the number of the row.
    With ``mend``, outcomes that tell twice of the same prompt and model are averaged instead. In several files, prompts
    without a category get the name of their file for one. ``prices`` of models stand in where a row has tokens and no cost.
    """
    cells = (one for path in paths for one in _outcomes(path, path.stem if len(paths) > 1 else "", prices))
    return collect(", ".join(path.name for path in paths), cells, mend=mend)


def _outcomes(path: Path, category: str, prices: Mapping[str, Price]) -> Iterator[Outcome]:
    records = records_of(path)
    first = next(records, None)
    if first is None:
        raise ArtefactError(f"{path.name} has no rows")
    return _Reading(path.name, category, prices).outcomes(first[1], itertools.chain([first], records))


def collect(name: str, outcomes: Iterable[Outcome], *, mend: bool = False) -> Outcomes:
    """A table of ``outcomes``. Raises ArtefactError where two of them do not go together, or there are too few."""
    prompts: dict[tuple[str, str], Prompt] = {}
    cells: defaultdict[tuple[tuple[str, str], str], list[Outcome]] = defaultdict(list)
    for one in outcomes:
        known = prompts.setdefault(one.key, one.prompt)
        for what in ("text", "group", "category", "tools", "answer", "grader"):
            if getattr(known, what) != getattr(one.prompt, what):
                raise ArtefactError(f"{known.where} and {one.prompt.where} give the same prompt another {what}")
        if not one.prompt.flags <= known.flags:
            prompts[one.key] = replace(known, flags=known.flags | one.prompt.flags)
        found = cells[one.key, one.model]
        if found and not mend:
            raise ArtefactError(
                f"{found[0].prompt.where} and {one.prompt.where} both tell how {one.model} answered the same prompt; "
                "to average such rows, use --mend"
            )
        found.append(one)
    models = sorted({model for _, model in cells})
    if len(models) < 2:
        raise ArtefactError(f"{name} has outcomes of {', '.join(models) or 'no model'}: a router needs at least two models")
    keys = sorted(prompts)
    table = np.full((2, len(keys), len(models)), np.nan)
    rows, columns = {key: row for row, key in enumerate(keys)}, {model: column for column, model in enumerate(models)}
    for (key, model), found in cells.items():
        costs = [one.cost for one in found if one.cost is not None]
        table[0, rows[key], columns[model]] = sum(one.score for one in found) / len(found)
        if costs:
            table[1, rows[key], columns[model]] = sum(costs) / len(costs)
    repeated = sum(len(found) - 1 for found in cells.values())
    return Outcomes(name, tuple(prompts[key] for key in keys), tuple(models), table[0], table[1], repeated)


@dataclass(frozen=True, slots=True)
class _Reading:
    """Reads rows of the file called ``name``. ``category`` is that of prompts that say none."""

    name: str
    category: str
    prices: Mapping[str, Price]

    def outcomes(self, first: Record, records: Iterable[tuple[int, Record]]) -> Iterator[Outcome]:
        """The cells of all rows, in the form that the first row has."""
        if first.keys() >= _MTBENCH:
            return self._judgements(records)
        if "prompt" not in first:
            raise ArtefactError(f"{self.name} has no column `prompt`")
        if "model" in first and "score" in first:
            return self._long(records)
        priced = [name.removesuffix(COST_SUFFIX) for name in first if name.endswith(COST_SUFFIX)]
        models = priced or [name for name in first if name not in (*_ABOUT, *_BESIDE) and not _ANSWER.search(name)]
        return self._wide(records, models)

    def _long(self, records: Iterable[tuple[int, Record]]) -> Iterator[Outcome]:
        for number, record in records:
            model = self._text(number, record, "model")
            cost = self._cost(number, record.get("cost_usd", record.get("cost")))
            if cost is None and model in self.prices:
                cost = self.prices[model].of(record, self._row(number))
            score = self._score(number, record.get("score"), "score")
            if score is None:
                raise ArtefactError(f"{self._row(number)} has no `score`; leave out what a model did not answer")
            yield Outcome(self._prompt(number, record), model, score, cost)

    def _wide(self, records: Iterable[tuple[int, Record]], models: Sequence[str]) -> Iterator[Outcome]:
        for number, record in records:
            prompt = self._prompt(number, record)
            scores = {model: self._score(number, record.get(model), model) for model in models}
            if all(score is None for score in scores.values()):
                raise ArtefactError(f"{self._row(number)} has no outcome of any model")
            for model, score in scores.items():
                if score is not None:
                    yield Outcome(prompt, model, score, self._cost(number, record.get(model + COST_SUFFIX)))

    def _judgements(self, records: Iterable[tuple[int, Record]]) -> Iterator[Outcome]:
        """MT-Bench's, from 1 to 10: the mean of the turns of a question, as a share of 10."""
        texts: dict[str, tuple[int, str]] = {}
        scores: defaultdict[tuple[str, str], list[tuple[Any, float]]] = defaultdict(list)
        for number, record in records:
            question, model = str(record.get("question_id")), self._text(number, record, "model")
            asked = _FIRST_TURN.search(self._text(number, record, "user_prompt"))
            if asked is None:
                raise ArtefactError(f"{self._row(number)} has no question in its `user_prompt`")
            texts.setdefault(question, (number, (asked[1] or asked[2]).strip()))
            score = self._score(number, record.get("score"), "score", top=_MTBENCH_TOP)
            if score is None:
                raise ArtefactError(f"{self._row(number)} has no `score`")
            turn = record.get("turn")
            if any(turn == known for known, _ in scores[question, model]):
                raise ArtefactError(f"{self._row(number)} judges turn {turn} of question {question} once more")
            scores[question, model].append((turn, score))
        for (question, model), found in scores.items():
            row, text = texts[question]
            yield Outcome(
                Prompt(question, question, text, self.category, where=self._row(row)),
                model,
                sum(score for _, score in found) / len(found),
                None,
            )

    def _prompt(self, number: int, record: Record) -> Prompt:
        text = self._text(number, record, "prompt")
        tools = _optional(record, "tools")
        identity = _optional(record, "prompt_id", "sample_id") or _digest(text, tools)
        category = _optional(record, "category", "eval_name") or self.category
        group = _optional(record, "group_id") or _digest(text, tools)
        flags = frozenset(filter(None, [_optional(record, "flags")]))
        split, answer, grader = (_optional(record, column) for column in ("split", "answer", "grader"))
        return Prompt(identity, group, text, category, split, tools, flags, self._row(number), answer, grader)

    def _row(self, number: int) -> str:
        return f"row {number} of {self.name}"

    def _text(self, number: int, record: Record, column: str) -> str:
        value = record.get(column)
        if not isinstance(value, str) or not value.strip():
            raise ArtefactError(f"{self._row(number)} has no `{column}`")
        return value

    def _score(self, number: int, value: Any, column: str, *, top: float = 1.0) -> float | None:
        if value is None:
            return None
        score = _number(value)
        if score is None:
            raise ArtefactError(f"{self._row(number)} has no valid number in the column `{column}`: {value!r:.40}")
        if not 0 <= score <= top:
            raise ArtefactError(f"{self._row(number)} has the score {score:g}; scores are from 0 to {top:g}")
        return score / top

    def _cost(self, number: int, value: Any) -> float | None:
        if value is None:
            return None
        cost = _number(value)
        if cost is None or not 0 <= cost < math.inf:
            raise ArtefactError(f"{self._row(number)} has no valid cost: {value!r:.40}; leave it empty if it is unknown")
        return cost


def _digest(text: str, tools: str) -> str:
    """The same text with other tools is another prompt."""
    return hashlib.sha256(f"{text}\0{tools}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _optional(record: Record, *columns: str) -> str:
    """The first of these columns that says something, as a text."""
    return next((str(record[column]) for column in columns if record.get(column) is not None), "")


def _number(value: Any) -> float | None:
    """``None`` for what is no number; true and false are 1 and 0."""
    if isinstance(value, str):
        value = _WORDS.get(value.strip().lower(), value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(number) else number
