"""Graders: is an answer a good one? Each is exact, and asks no other model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from waypost.dispatch.json_schema import fits
from waypost.errors import ArtefactError
from waypost.probing.final_answer import final_choice, final_number, final_text, number_of, plain, spoken

# A call that was written into the text, in the form of a model's template, is one that was meant.
_WRITTEN_CALL = ("<tool_call", "<|tool", "<function", '"arguments"', '"parameters"')
CHOICES = "ABCDEFGHIJ"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool. ``arguments`` are the JSON text as the model wrote it."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered: what it said, without reasoning that its engine has parted from it, and the tools it called."""

    text: str
    calls: tuple[Call, ...] = ()

    @classmethod
    def of(cls, completion: Mapping[str, Any]) -> Answer:
        """The first choice of a chat completion, as OpenAI gives it."""
        message = completion["choices"][0]["message"]
        functions = [call["function"] for call in message.get("tool_calls") or ()]
        calls = tuple(Call(str(one.get("name")), str(one.get("arguments") or "{}")) for one in functions)
        return cls(message.get("content") or "", calls)


@dataclass(frozen=True, slots=True)
class Grader:
    """How to tell good answers: ``passes`` takes an answer and the reference.

    ``takes`` says whether a reference is a valid one, and ``needs`` in words what it must be.
    """

    passes: Callable[[Answer, Any], bool]
    takes: Callable[[Any], bool]
    needs: str


def grader_of(reference: str) -> str:
    """The grader for a reference of a user's own file that names none: `choice`, `number` or `exact`."""
    if reference.strip().upper() in CHOICES and len(reference.strip()) == 1:
        return "choice"
    return "exact" if number_of(reference) is None else "number"


def reference_of(grader: str, given: str, where: str) -> Any:
    """The reference that a text in a file gives; ``where`` says in which row.

    Raises ArtefactError for one that its grader cannot use, and for a grader that there is not.
    """
    if grader not in GRADERS:
        raise ArtefactError(f"{where} has the grader {grader!r:.40}; there are {', '.join(GRADERS)}")
    reference: Any = given.strip()
    if grader in _AS_JSON:
        try:
            reference = orjson.loads(given)
        except ValueError:
            reference = None
    if not GRADERS[grader].takes(reference):
        raise ArtefactError(f"{where} has an `answer` that {grader} cannot grade: it must be {GRADERS[grader].needs}")
    return reference


def _number(answer: Answer, reference: Any) -> bool:
    said = final_number(answer.text)
    return said is not None and said == number_of(str(reference))


def _choice(answer: Answer, reference: Any) -> bool:
    return final_choice(answer.text) == str(reference).strip().upper()


def _exact(answer: Answer, reference: Any) -> bool:
    accepted = {plain(one) for one in _listed(reference)}
    return final_text(answer.text) in accepted or plain(spoken(answer.text)) in accepted


def _contains(answer: Answer, reference: Any) -> bool:
    said = plain(spoken(answer.text))
    return all(plain(one) in said for one in _listed(reference))


def _json(answer: Answer, reference: Any) -> bool:
    """The whole answer, but for a fence around it, is JSON that fits the schema."""
    said = spoken(answer.text)
    if said.startswith("```") and said.endswith("```"):
        said = said.strip("`").removeprefix("json")
    try:
        value = orjson.loads(said)
    except ValueError:
        return False
    return fits(reference, value) is True


def _tool_calls(answer: Answer, reference: Any) -> bool:
    """Just the calls that are wanted, in any order; of each argument, one of the values that are accepted."""
    wanted = list(reference)
    for call in answer.calls:
        found = next((one for one in wanted if call.name == one["name"] and _fit(call.arguments, one["arguments"])), None)
        if found is None:
            return False
        wanted.remove(found)
    said = spoken(answer.text)
    return not wanted and (bool(answer.calls) or (bool(said) and not any(sign in said for sign in _WRITTEN_CALL)))


def _fit(written: str, wanted: Mapping[str, Any]) -> bool:
    try:
        arguments = orjson.loads(written)
    except ValueError:
        return False
    if not isinstance(arguments, dict):
        return False
    given = {name: value for name, value in arguments.items() if value not in (None, "", [], {})}
    return given.keys() == wanted.keys() and all(_is_one_of(given[name], wanted[name]) for name in wanted)


def _is_one_of(value: Any, accepted: Any) -> bool:
    return any(_alike(value, one) for one in (accepted if isinstance(accepted, list) else [accepted]))


def _alike(value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return plain(value) == plain(wanted)
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(_alike, value, wanted))
    if isinstance(value, dict) and isinstance(wanted, dict):
        return value.keys() == wanted.keys() and all(_alike(value[name], wanted[name]) for name in wanted)
    return isinstance(value, bool) == isinstance(wanted, bool) and value == wanted  # true is no 1


def _form(answer: Answer, reference: Any) -> bool:
    """What can be counted and compared of a text."""
    said = spoken(answer.text)
    return bool(said) and all(_FORMS[name](said, wanted) for name, wanted in reference.items())


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


_FORMS: Mapping[str, Callable[[str, Any], bool]] = MappingProxyType(
    {
        "lines": lambda text, count: len(_lines(text)) == count,
        "words": lambda text, count: len(text.split()) == count,
        "each_begins": lambda text, begin: all(line.startswith(begin) for line in _lines(text)),
        "begins": lambda text, begin: text.startswith(begin),
        "ends": lambda text, end: text.endswith(end),
        "holds": lambda text, words: all(word.casefold() in text.casefold() for word in words),
        "lacks": lambda text, words: not any(word.casefold() in text.casefold() for word in words),
        "lower": lambda text, wanted: (text == text.lower()) is wanted,
        "upper": lambda text, wanted: (text == text.upper()) is wanted,
        "is": lambda text, accepted: text in accepted,
        "items": lambda text, items: [part.strip() for part in text.split(",")] == items,
    }
)


def _listed(reference: Any) -> Sequence[str]:
    return reference if isinstance(reference, list) else [reference]


def _is_text(reference: Any) -> bool:
    return all(isinstance(one, str) and plain(one) for one in _listed(reference)) and bool(_listed(reference))


def _is_calls(reference: Any) -> bool:
    return isinstance(reference, list) and all(
        isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("arguments"), dict)
        for one in reference
    )


GRADERS: Mapping[str, Grader] = MappingProxyType(
    {
        "number": Grader(_number, lambda given: number_of(str(given)) is not None, "a number"),
        "choice": Grader(_choice, lambda given: str(given).strip().upper() in tuple(CHOICES), "a letter from A to J"),
        "exact": Grader(_exact, _is_text, "a text"),
        "contains": Grader(_contains, _is_text, "a text"),
        "json": Grader(_json, lambda given: isinstance(given, dict) and fits(given, None) is not None, "a JSON schema"),
        "tool_calls": Grader(
            _tool_calls,
            _is_calls,
            'a JSON list of calls, each with "name" and "arguments"; an empty one where nothing may be called',
        ),
        "form": Grader(_form, lambda given: isinstance(given, dict) and given.keys() <= _FORMS.keys(), "an object of forms"),
    }
)
_AS_JSON = frozenset({"json", "tool_calls", "form"})
