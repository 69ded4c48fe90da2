"""Everything that answers to labelled rows say about a task model, as plain values with stable keys."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from waypost.decide.labels import ACTION, TASKS
from waypost.learn.baselines import NO_LITELLM, kindest_mapping, most_frequent, note_rules, tasks_of_tiers
from waypost.learn.clopper_pearson import upper_bound
from waypost.learn.datasets import Row
from waypost.learn.task_answers import Answer, Flip
from waypost.learn.task_judging import calibration_bins, expected_calibration_error, judge

COVERAGES = tuple(step / 20 for step in range(1, 21))
MOST_MISSES = 50
MISS_CHARS = 200
GROUP_KEYS = ("n", "accuracy", "macro_f1", "false_action_rate", "action_recall")
BASELINE_KEYS = ("accuracy", "macro_f1", "per_class", "false_action_rate", "false_action_upper95", "action_recall")


@dataclass(frozen=True, slots=True)
class Judged:
    """All that was measured on some rows. Two of them make a third, of the rows of both.

    ``tiers`` holds LiteLLM's tier of each row for each of its classifiers, ``None`` where it is not installed; without
    baselines the whole is ``None``.
    """

    answers: Sequence[Answer]
    flips: Sequence[Flip] = ()
    tiers: Mapping[str, tuple[str, ...] | None] | None = None

    def __add__(self, other: Judged) -> Judged:
        """The rows of both."""
        tiers = None
        if self.tiers is not None and other.tiers is not None:
            both = ((name, found, other.tiers[name]) for name, found in self.tiers.items())
            tiers = {name: None if one is None or two is None else one + two for name, one, two in both}
        return Judged([*self.answers, *other.answers], [*self.flips, *other.flips], tiers)


def report_on(judged: Judged, *, misses: bool = False) -> dict[str, Any]:
    """The report on a file. A rate over no row is ``None``, and so is what was not asked for."""
    answers = judged.answers
    scores = _scores([answer.scores.task for answer in answers], [answer.row for answer in answers])
    return {
        "n": scores["n"],
        "accuracy": scores["accuracy"],
        "macro_f1": scores["macro_f1"],
        "per_class": scores["per_class"],
        "per_language": _groups(answers, lambda answer: answer.row.lang),
        "per_source": _groups(answers, lambda answer: answer.row.source),
        "confusion": confusion(answers),
        "false_action_rate": scores["false_action_rate"],
        "false_action_upper95": scores["false_action_upper95"],
        "action_recall": scores["action_recall"],
        **_unfit_tools(answers),
        "abstain_rate": scores["abstain_rate"],
        "coverage": coverage(answers),
        "ece": _ece(answers),
        "ece_per_task": {task: _ece(found) for task, found in _grouped(answers, lambda answer: answer.best).items()},
        "ece_per_language": {lang: _ece(found) for lang, found in _grouped(answers, lambda answer: answer.row.lang).items()},
        "reliability": [
            {name: round(value, 4) for name, value in asdict(found).items()} for found in calibration_bins(*_sureness(answers))
        ],
        **flip_rates(judged.flips),
        **pair_flip_rates(answers),
        "latency_us": {"p50": _percentile(answers, 0.50), "p99": _percentile(answers, 0.99)},
        "baselines": _baselines(judged),
        "misses": _misses(answers) if misses else None,
    }


def confusion(answers: Iterable[Answer]) -> dict[str, dict[str, int]]:
    """For each label, how often each task was answered. An accepted answer counts as the label."""
    counts = Counter((a.row.task, a.row.task if a.task in a.row.accept else a.task) for a in answers)
    labels = [task for task in TASKS if any(label == task for label, _ in counts)]
    return {label: {task: counts[label, task] for task in TASKS} for label in labels}


def coverage(answers: Sequence[Answer]) -> list[dict[str, float]]:
    """The accuracy of the likeliest task on the surest share of the rows, and the confidence down to which that share goes."""
    surest = sorted(answers, key=lambda answer: -answer.scores.confidence)
    curve = []
    for share in COVERAGES if surest else ():
        taken = surest[: math.ceil(share * len(surest))]
        right = sum(answer.best_is_right for answer in taken)
        confidence = round(taken[-1].scores.confidence, 4)
        curve.append({"coverage": share, "accuracy": round(right / len(taken), 4), "confidence": confidence})
    return curve


def flip_rates(flips: Sequence[Flip]) -> dict[str, Any]:
    """The share of other ways to say a row that changed the answer, altogether and of each kind; ``None`` without any."""
    by_kind: dict[str, Any] = {}
    for kind in dict.fromkeys(flip.kind for flip in flips):
        of_kind = [flip for flip in flips if flip.kind == kind]
        ways = dict.fromkeys(flip.way for flip in of_kind)
        by_kind[kind] = {
            "n": len(of_kind),
            "flip_rate": _share(flip.flipped for flip in of_kind),
            "ways": {way: _share(flip.flipped for flip in of_kind if flip.way == way) for way in ways},
        }
    return {"flip_rate": _share(flip.flipped for flip in flips), "flip_rates": by_kind or None}


def pair_flip_rates(answers: Iterable[Answer]) -> dict[str, float | None]:
    """The share of differing answers among all twos of rows of the same ``pair``: in one language, and across languages."""
    groups: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for answer in answers:
        if answer.row.pair:
            groups[answer.row.pair].append((answer.row.lang, answer.task))
    twos, same, twos_within, same_within = 0, 0, 0, 0
    for members in groups.values():
        twos += math.comb(len(members), 2)
        same += _twos(task for _, task in members)
        twos_within += _twos(lang for lang, _ in members)
        same_within += _twos(members)
    return {
        "paraphrase_flip_rate": _ratio(twos_within - same_within, twos_within),
        "language_flip_rate": _ratio((twos - twos_within) - (same - same_within), twos - twos_within),
    }


def _baselines(judged: Judged) -> dict[str, Any] | None:
    """What needs no model, judged on the same rows. Each has its ``scores``, or ``None``, and a ``note``."""
    if judged.tiers is None:
        return None
    rows = [answer.row for answer in judged.answers]
    found: dict[str, Any] = {
        "majority": {"scores": _baseline(most_frequent(rows), rows), "note": "the most frequent label of these rows, always"},
        "note_rules": {
            "scores": _baseline([note_rules(row) for row in rows], rows),
            "note": "images, then action words, then memory words, else chat",
        },
    }
    for classifier, tiers in judged.tiers.items():
        if tiers is None:
            found[f"litellm_{classifier}"] = {"scores": None, "note": NO_LITELLM}
            continue
        mapping = kindest_mapping(rows, tiers)
        said = tasks_of_tiers(rows, tiers, mapping)
        told = ", ".join(f"{tier} is {task}" for tier, task in mapping.items())
        found[f"litellm_{classifier}"] = {
            "scores": _baseline(said, rows),
            "note": f"images go to vision; each tier to the task that fits these rows best: {told}",
        }
    return found


def _baseline(said: Sequence[str], rows: Sequence[Row]) -> dict[str, Any]:
    scores = _scores(said, rows)
    return {key: scores[key] for key in BASELINE_KEYS}


def _scores(said: Sequence[str | None], rows: Sequence[Row]) -> dict[str, Any]:
    found = judge(said, [{"task": row.task, "accept": row.accept} for row in rows])
    bound = upper_bound(found["false_actions"], sum(ACTION not in row.accept for row in rows))
    return found | {"false_action_upper95": None if bound is None else round(bound, 4)}


def _groups(answers: Sequence[Answer], name_of: Callable[[Answer], str]) -> dict[str, dict[str, Any]]:
    found = {}
    for name, group in _grouped(answers, name_of).items():
        scores = _scores([answer.scores.task for answer in group], [answer.row for answer in group])
        found[name] = {key: scores[key] for key in GROUP_KEYS}
    return found


def _grouped(answers: Sequence[Answer], name_of: Callable[[Answer], str]) -> dict[str, list[Answer]]:
    """The answers by a name of theirs, the largest group first; those without a name are in none."""
    groups: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        groups[name_of(answer)].append(answer)
    groups.pop("", None)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


def _unfit_tools(answers: Sequence[Answer]) -> dict[str, Any]:
    """How often tools that do not fit the request made an action of it."""
    unfit = [answer for answer in answers if answer.row.has_tools and ACTION not in answer.row.accept]
    others = [answer for answer in answers if ACTION not in answer.row.accept]
    actions = [answer for answer in answers if answer.row.task == ACTION]
    return {
        "unfit_tools": len(unfit),
        "unfit_tools_action_rate": _share(answer.task == ACTION for answer in unfit),
        "false_action_rate_with_tools": _share(answer.with_tools == ACTION for answer in others),
        "action_recall_with_tools": _share(answer.with_tools == ACTION for answer in actions),
    }


def _sureness(answers: Sequence[Answer]) -> tuple[list[float], list[bool]]:
    return [answer.scores.confidence for answer in answers], [answer.best_is_right for answer in answers]


def _ece(answers: Sequence[Answer]) -> float | None:
    error = expected_calibration_error(*_sureness(answers))
    return None if error is None else round(error, 4)


def _misses(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """The first rows whose answer is wrong, in the order of the file."""
    wrong = [answer for answer in answers if answer.task not in answer.row.accept]
    return [
        {
            "text": answer.row.text[:MISS_CHARS],
            "label": answer.row.task,
            "answer": answer.task,
            "confidence": round(answer.scores.confidence, 4),
            "lang": answer.row.lang,
            "source": answer.row.source,
        }
        for answer in wrong[:MOST_MISSES]
    ]


def _percentile(answers: Sequence[Answer], share: float) -> float | None:
    """The least time that this share of the predictions did not exceed."""
    times = sorted(answer.took_us for answer in answers)
    return round(times[math.ceil(share * len(times)) - 1], 1) if times else None


def _twos(values: Iterable[Any]) -> int:
    """How many twos of these values are equal."""
    return sum(math.comb(count, 2) for count in Counter(values).values())


def _share(values: Iterable[bool]) -> float | None:
    listed = list(values)
    return _ratio(sum(listed), len(listed))


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
