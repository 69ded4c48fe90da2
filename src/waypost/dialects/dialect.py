"""What a dialect is to the server: how its requests are read, and how answers are written in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from waypost.errors import WaypostError
from waypost.turn import Turn

Card = Mapping[str, Any]


class Timings(Protocol):
    """What an engine measured of an answer, in seconds; ``None``: it does not say."""

    @property
    def load_s(self) -> float | None:
        """How long the model took to load."""
        ...

    @property
    def prompt_s(self) -> float | None:
        """How long the prompt took to read."""
        ...

    @property
    def answer_s(self) -> float | None:
        """How long the answer took to write."""
        ...


class Piece(Protocol):
    """A piece of an answer, in OpenAI's form: an `Event` of dispatch, of which a dialect sees no more than this."""

    @property
    def payload(self) -> bytes:
        """A chunk of a stream."""
        ...

    @property
    def usage_only(self) -> bool:
        """It holds the usage and no choices."""
        ...

    @property
    def timings(self) -> Timings | None:
        """What the engine measured; with the usage, if at all."""
        ...


class Rendering(Protocol):
    """One answer on its way to the client. It remembers what it has written, so each answer has one of its own.

    ``piece`` and ``whole`` raise `ProviderError` for an answer that the dialect has no form for.
    """

    def ping(self, note: str) -> bytes:
        """What keeps a connection alive and is no part of the answer; ``note`` is for who reads the stream as it comes."""
        ...

    def piece(self, piece: Piece) -> bytes:
        """A piece of a stream; empty where it is nothing to this client."""
        ...

    def chunk(self, payload: bytes) -> bytes:
        """A piece that is known to do no more than add text."""
        ...

    def end(self, card: Card | None) -> bytes:
        """The end of a stream that is complete, with the decision card if it was asked for."""
        ...

    def broken(self, error: WaypostError) -> bytes:
        """The end of a stream that is not."""
        ...

    def whole(self, payload: bytes, timings: Timings | None, card: Card | None) -> bytes:
        """An answer that is not streamed; ``payload`` is a chat completion."""
        ...


class Parse(Protocol):
    """From bytes to a turn."""

    def __call__(self, raw: bytes, *, turn_id: str, headers: Mapping[str, str]) -> Turn:
        """Raises `CallerError` with the path of the first field that is wrong; never repeats what the caller wrote."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API for chats. ``stream_type`` is the content type of its streams.

    ``loaded`` answers a turn without messages, where the dialect has such: the wish to have a model loaded or unloaded.
    """

    stream_type: str
    parse: Parse
    rendering: Callable[[Turn], Rendering]
    error_body: Callable[[WaypostError], bytes]
    loaded: Callable[[Turn], bytes] | None = None
