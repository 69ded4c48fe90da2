"""The Turn: one request, free of any dialect, and immutable.

A dialect parses a client's body into a Turn; everything behind it (deciding, calling, recording) reads only this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, Literal

from waypost.value import value

Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
TurnMode = Literal["chat", "embedding"]
ResponseFormat = Literal["text", "json_object", "json_schema"]

EMPTY: Mapping[str, Any] = MappingProxyType({})
CHANNEL_CHARS = 64
SHARE_CHARS = 32
_SHARE = re.compile(r"[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?")


def empty() -> Mapping[str, Any]:
    """The empty mapping, as a default of fields (dataclasses want a factory)."""
    return EMPTY


def channel_of(name: str) -> str:
    """The channel of that name: case does not count, and what is longer than ``CHANNEL_CHARS`` is cut."""
    return name.strip().casefold()[:CHANNEL_CHARS]


def share_of(text: str) -> float | None:
    """The number from 0 to 1 that a text is, in at most ``SHARE_CHARS`` characters; ``None`` where it is none.

    Reading a longer one could take seconds, in which nobody is answered.
    """
    share = float(text) if len(text) <= SHARE_CHARS and _SHARE.fullmatch(text) else 2.0
    return share if share <= 1 else None


@value(frozen=True, slots=True)
class Text:
    """A piece of text."""

    text: str = field(repr=False)


@value(frozen=True, slots=True)
class Image:
    """An image, by address or inline (a data URI)."""

    inline: bool


@value(frozen=True, slots=True)
class Audio:
    """Sound, inline. ``format`` is the caller's word for it, such as ``wav``."""

    format: str | None


@value(frozen=True, slots=True)
class File:
    """A document, inline or by the id of an upload."""

    filename: str | None = field(repr=False)


@value(frozen=True, slots=True)
class Refusal:
    """What an assistant said when it declined."""

    text: str = field(repr=False)


Part = Text | Image | Audio | File | Refusal
_NOT_TEXT: frozenset[type[Part]] = frozenset({Image, Audio, File})


@value(frozen=True, slots=True)
class ToolCall:
    """A call that an assistant made. ``arguments`` is the JSON text as the model wrote it."""

    id: str | None
    name: str
    arguments: str = field(repr=False)


@value(frozen=True, slots=True)
class Message:
    """One message of the conversation."""

    role: Role
    parts: tuple[Part, ...] = ()
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The text parts, joined by a line break."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Text):
            return self.parts[0].text
        return "\n".join(part.text for part in self.parts if isinstance(part, Text))


@value(frozen=True, slots=True)
class Tool:
    """A tool that the caller offers. ``parameters`` is its JSON schema, if it gave one."""

    name: str
    description: str = field(default="", repr=False)
    parameters: Mapping[str, Any] | None = field(default=None, repr=False)


@value(frozen=True, slots=True)
class Turn:
    """One request: what was said, what was offered, what the caller set.

    ``body`` is the request in OpenAI's chat form: what a lane sends on, with what the decision changes laid over it. Nobody
    writes to it. ``prompt_tokens`` is an estimate over everything the model will read (tools included), built to err upwards;
    ``answer_tokens`` is the caller's cap, or ``None`` where the caller set none. ``known_to_memory``: the caller found what the
    last message speaks of in the user's own memory or contacts. ``channel`` is the way it came, such as ``voice``, as
    `channel_of` gives it. ``tenant`` is what else tells one client from another (its credentials, as it sent them): it is never
    sent on, shown or stored. ``cache_control`` is HTTP's header of that name. ``background`` says in words which work of the
    client's own this is, such as ``title``; ``None`` for what a person asked. In the ``mode`` ``embedding``, vectors are
    wanted and no answer: then ``body`` is in the form of OpenAI's embeddings, and the inputs are the one message.
    ``cost_quality`` is how the caller weighs quality against cost, from 0 (the cheapest) to 1 (the best); ``None``: not said.
    """

    id: str
    model: str
    messages: tuple[Message, ...]
    body: Mapping[str, Any] = field(repr=False, compare=False)
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None
    response_format: ResponseFormat = "text"
    stream: bool = False
    prompt_tokens: int = 0
    answer_tokens: int | None = None
    session: str | None = None
    caller: str | None = None
    private: bool = False
    known_to_memory: bool = False
    channel: str | None = None
    tenant: tuple[str | None, ...] = field(default=(), repr=False, compare=False)
    cache_control: str = ""
    dialect: str = "openai"
    background: str | None = None
    mode: TurnMode = "chat"
    cost_quality: float | None = None

    @property
    def user_texts(self) -> tuple[str, ...]:
        """The text of every user message, oldest first."""
        return tuple(message.text for message in self.messages if message.role == "user")

    @property
    def inputs(self) -> frozenset[type[Part]]:
        """What besides text is anywhere in the live context: `Image`, `Audio`, `File`. Reads every message each time."""
        found: frozenset[type[Part]] = frozenset()
        for message in self.messages:
            for part in message.parts:
                if type(part) in _NOT_TEXT:
                    found |= {type(part)}
        return found

    @property
    def has_image(self) -> bool:
        """An image is anywhere in the live context, not only in the last message."""
        return Image in self.inputs

    @property
    def asks_about_image(self) -> bool:
        """The last user message holds an image."""
        last = next((message for message in reversed(self.messages) if message.role == "user"), None)
        return last is not None and any(isinstance(part, Image) for part in last.parts)

    @property
    def has_audio(self) -> bool:
        """Sound is anywhere in the live context."""
        return Audio in self.inputs

    @property
    def has_file(self) -> bool:
        """A document is anywhere in the live context."""
        return File in self.inputs

    @property
    def needs_tools(self) -> bool:
        """The deployment must understand tools: some are offered, or the history holds calls and results."""
        if self.tools and self.tool_choice != "none":
            return True
        for message in self.messages:  # noqa: SIM110 - in every decision: a generator takes twice as long
            if message.tool_calls or message.role in ("tool", "function"):
                return True
        return False

    @property
    def exchange(self) -> str | None:
        """Names the calls and results that one message of a user leads to, for clients that name no conversation.

        ``None`` where no tools are offered. The same words of the same client are the same exchange.
        """
        said = next((message.text for message in reversed(self.messages) if message.role == "user"), "") if self.tools else ""
        # The end of what was said tells it from others; all of it may be megabytes.
        return f"\n{hash((said[-1000:], self.tenant))}" if said else None

    @property
    def tool_loop_open(self) -> bool:
        """The last word is a tool's: the model that called it must be the one to read it."""
        return bool(self.messages) and self.messages[-1].role in ("tool", "function")
