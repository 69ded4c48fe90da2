"""Chunks that differ from one another in their text alone, as most of a stream do: read without being parsed."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

EVENT, EVENT_END = b"data: ", b"\n\n"


class ChunkShape(NamedTuple):
    """What stands ``before`` the text of a chunk and ``behind`` it, quotes included.

    Whatever plain text is put between the two, the chunk parses to the same but for its text: see `shape_of`.
    """

    before: bytes
    behind: bytes

    def as_event(self) -> ChunkShape:
        """The shape of the same chunks as server-sent events, as engines write them."""
        return ChunkShape(EVENT + self.before, self.behind + EVENT_END)

    def text_of(self, data: bytes) -> str | None:
        """The text of a chunk in this shape; ``None`` if it is in another one, or its text has to be parsed."""
        before, behind = self
        if not (data.startswith(before) and data.endswith(behind)):
            return None
        try:
            text = data[len(before) : -len(behind)].decode()
        except UnicodeDecodeError:
            return None
        # Between the quotes of a JSON string, all that can be printed means itself, but for these two.
        return text if text and '"' not in text and "\\" not in text and text.isprintable() else None


def shape_of(data: bytes, parsed: dict[str, Any]) -> ChunkShape | None:
    """The shape of a chunk of one choice that only adds text; ``parsed`` is ``data`` read. ``None`` for all others.

    It is proved: another text in the place of its own changes the text of what is read, and nothing else.
    """
    choices = parsed["choices"]
    if len(choices) != 1 or choices[0].get("finish_reason", "") is not None or choices[0]["delta"].keys() != {"content"}:
        return None
    text = choices[0]["delta"]["content"]
    if type(text) is not str or not text:
        return None
    before, found, behind = data.partition(b'"%s"' % text.encode())
    if not found:
        return None
    shape, other = ChunkShape(before + b'"', b'"' + behind), "?" if text != "?" else "!"
    try:
        again = orjson.loads(shape.before + other.encode() + shape.behind)
        swapped, again["choices"][0]["delta"]["content"] = again["choices"][0]["delta"]["content"], text
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None
    return shape if swapped == other and again == parsed else None
