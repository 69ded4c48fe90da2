"""What a request asks of the form of its answer, and whether the answer keeps to it.

Some engines take ``tool_choice``, ``parallel_tool_calls``, ``n``, ``stop``, ``logprobs`` or ``response_format`` and ignore it.
An answer that shows it is a failure (`ProviderIgnoredRequest`): another candidate is asked, or the caller learns of it. Where
what was asked for can be had by leaving out the rest, it is left out: calls after the first, and text after a stop sequence.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

import orjson

from waypost.dispatch.events import Call, Event, Events
from waypost.dispatch.reading import read_event
from waypost.errors import ProviderIgnoredRequest
from waypost.turn import Turn

# With these an answer says that it is complete; one that was cut or filtered owes nothing.
_COMPLETE = ("stop", "tool_calls", "function_call")
_ASKING = frozenset({"parallel_tool_calls", "n", "logprobs", "response_format", "stop"})
_BLANK = " \t\r\n"


@dataclass(frozen=True, slots=True)
class Demands:
    """What the answer must be. ``tool`` is the tool that must be called; ``json_object`` is the form of its text."""

    tool: str | None = None
    must_call: bool = False
    may_call: bool = True
    one_call: bool = False
    choices: int = 1
    logprobs: bool = False
    json_object: bool = False
    stops: tuple[str, ...] = ()

    @classmethod
    def of(cls, turn: Turn, body: Mapping[str, Any]) -> Demands | None:
        """The demands of a turn, sent as ``body``; ``None`` where there are none, as with most."""
        if turn.tool_choice is None and _ASKING.isdisjoint(body):
            return None
        choice = turn.tool_choice if turn.tools else None
        stops = body.get("stop") if not body.get("include_stop_str_in_output") else None
        found = cls(
            tool=None if choice in (None, "none", "auto", "required") else choice,
            must_call=choice not in (None, "none", "auto"),
            may_call=choice != "none",
            one_call=body.get("parallel_tool_calls") is False,
            choices=body["n"] if type(body.get("n")) is int else 1,
            logprobs=body.get("logprobs") is True,
            json_object=_wants_object(body.get("response_format")),
            stops=tuple(
                stop for stop in ([stops] if isinstance(stops, str) else stops or ()) if stop and isinstance(stop, str)
            ),
        )
        return None if found == _NOTHING else found


_NOTHING = Demands()


def held_to(demands: Demands | None, call: Call, events: Events) -> Events:
    """The events of the answer to ``call``, held to what was asked of it; the same object where nothing was.

    It raises `ProviderIgnoredRequest` at the first event that shows it. Of a stream, nothing counts as output before what was
    demanded has begun, so that it shows before the commit point wherever that is possible.
    """
    return events if demands is None else _held(demands, call, events)


async def _held(demands: Demands, call: Call, events: Events) -> AsyncGenerator[Event, None]:
    choices: dict[int, _Choice] = {}
    last: Event | None = None
    async with aclosing(events):
        async for event in events:
            if event.usage_only:
                yield event
                continue
            last = _kept(event, demands, call, choices)
            yield last
    for index, choice in choices.items():
        held = choice.end()
        if held and last is not None:
            rest = {"index": index, "delta": {"content": held}, "finish_reason": None}
            chunk = {**orjson.loads(last.payload), "choices": [rest]}
            yield read_event(orjson.dumps(chunk), chunk)
    if len(choices) < demands.choices:
        raise _ignored(call, "n", f"it gave {len(choices)} of {demands.choices} choices")


def _kept(event: Event, demands: Demands, call: Call, choices: dict[int, _Choice]) -> Event:
    """The event with what was asked for, and no more."""
    parsed = orjson.loads(event.payload)
    changed, begun = False, False
    for given in parsed["choices"]:
        choice = choices.setdefault(given["index"], _Choice(demands, call))
        changed |= choice.read(given)
        begun |= choice.begun
    if changed:
        mended = read_event(orjson.dumps(parsed), parsed)
        event = replace(
            event, payload=mended.payload, output=mended.output, finish_reason=mended.finish_reason, text=mended.text
        )
    return event if begun or not event.output else replace(event, output=False)


class _Choice:
    """One choice of the answer. ``begun``: what was demanded is under way, so that its output may be shown."""

    __slots__ = ("_call", "_calls", "_demands", "_finished", "_has_text", "_held", "_refused", "_stopped", "_text", "begun")

    def __init__(self, demands: Demands, call: Call) -> None:
        self._demands = demands
        self._call = call
        self._calls: dict[int, bool] = {}
        self._finished = self._has_text = self._refused = self._stopped = False
        self._held = ""
        self._text: list[str] = []
        self.begun = not (demands.must_call or demands.json_object or demands.logprobs)

    def read(self, choice: dict[str, Any]) -> bool:
        """Takes in the choice of one event, and leaves out what was not wanted; whether anything was."""
        said = choice["delta" if self._call.stream else "message"]
        if said.get("refusal"):
            self._refused = self.begun = True
        changed = self._read_calls(said)
        text = said.get("content")
        if isinstance(text, str) and text:
            self._read_text(text, choice)
        if self._demands.stops:
            changed |= self._cut(said, choice)
        if choice["finish_reason"] is not None:
            self._finished = True
            if choice["finish_reason"] in _COMPLETE:
                self._check_complete()
        return changed

    def end(self) -> str:
        """What is held back when the answer is over; some engines give no finish reason."""
        if not self._finished:
            self._check_complete()
        held, self._held = self._held, ""
        return held

    def _read_calls(self, said: dict[str, Any]) -> bool:
        if said.get("function_call"):
            self._keeps(said["function_call"].get("name"), 0)
        calls = said.get("tool_calls")
        if not calls:
            return False
        kept = [call for place, call in enumerate(calls) if self._keeps(_name(call), call.get("index", place))]
        if len(kept) == len(calls):
            return False
        said["tool_calls"] = kept
        return True

    def _keeps(self, name: str | None, index: int) -> bool:
        """Whether the call with this index is wanted. Only the first piece of a call has its name."""
        if index in self._calls:
            return self._calls[index]
        if not self._demands.may_call:
            raise _ignored(self._call, "tool_choice", "it called a tool although that says none")
        wanted = name is None or self._demands.tool in (None, name)
        if not self._calls and not wanted:
            raise _ignored(self._call, "tool_choice", "it called another tool than the one named there")
        self._calls[index] = wanted and not (self._demands.one_call and self._calls)
        self.begun = True
        return self._calls[index]

    def _read_text(self, text: str, choice: Mapping[str, Any]) -> None:
        demands = self._demands
        if demands.json_object:
            self._text.append(text)
        text = text.lstrip(_BLANK)
        if not text or self._has_text:
            return
        self._has_text = True
        if demands.logprobs and not (choice.get("logprobs") or {}).get("content"):
            raise _ignored(self._call, "logprobs", "it gave none")
        if demands.json_object and text[0] != "{":
            raise _ignored(self._call, "response_format", "its answer is not a JSON object")
        self.begun = self.begun or not demands.must_call

    def _cut(self, said: dict[str, Any], choice: dict[str, Any]) -> bool:
        """Leaves out the stop sequence and what follows. What may be the beginning of one is held back for the next event."""
        given = said.get("content")
        if given is not None and not isinstance(given, str):
            return False
        text = "" if self._stopped else self._held + (given or "")
        found = [text.find(stop) for stop in self._demands.stops if stop in text]
        is_last = not self._call.stream or choice["finish_reason"] is not None
        if found:
            self._stopped, text = True, text[: min(found)]
        held = 0 if self._stopped or is_last else _begun_stop(text, self._demands.stops)
        self._held, text = text[len(text) - held :], text[: len(text) - held]
        changed = text != (given or "")
        if changed:
            said["content"] = text
        if self._stopped and choice["finish_reason"] == "length":
            choice["finish_reason"] = "stop"
            changed = True
        return changed

    def _check_complete(self) -> None:
        self.begun = True
        if self._refused:
            return
        if self._demands.must_call and not self._calls:
            raise _ignored(self._call, "tool_choice", "it called no tool")
        if self._demands.json_object and not self._calls and not self._stopped and not _is_json_object("".join(self._text)):
            raise _ignored(self._call, "response_format", "its answer is not a JSON object")


def _name(call: Mapping[str, Any]) -> str | None:
    described = call.get("function") or call.get("custom") or {}
    name = described.get("name")
    return name if isinstance(name, str) else None


def _begun_stop(text: str, stops: tuple[str, ...]) -> int:
    """How many of the last characters may be the beginning of a stop sequence."""
    longest = min(len(text), max(map(len, stops)) - 1)
    return next((size for size in range(longest, 0, -1) if any(stop.startswith(text[-size:]) for stop in stops)), 0)


def _wants_object(response_format: Any) -> bool:
    """The text must be a JSON object. The root of a schema may be something else, though OpenAI does not allow it."""
    if not isinstance(response_format, Mapping):
        return False
    if response_format.get("type") != "json_schema":
        return response_format.get("type") == "json_object"
    described = response_format.get("json_schema")
    schema = described.get("schema") if isinstance(described, Mapping) else None
    return isinstance(schema, Mapping) and (schema.get("type") == "object" or "properties" in schema)


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _ignored(call: Call, parameter: str, how: str) -> ProviderIgnoredRequest:
    name = call.deployment.id
    return ProviderIgnoredRequest(f"{name} ignored {parameter}: {how}", deployment=name)
