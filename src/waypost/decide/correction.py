"""A user's word on a text: "this should have been memory"."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from waypost.decide.labels import TASKS
from waypost.errors import InvalidRequest

SKETCH_BYTES = 512
PER_CALLER, MOST = 200, 5_000
"""How many are kept of one caller, and in all, where the config says nothing."""

_KEYS = ("id", "task", "caller", "created_at", "features", "sketch")


@dataclass(frozen=True, slots=True)
class Correction:
    """A text that was taken for another task than ``task``.

    The text itself is not here: ``sketch`` holds ``SKETCH_BYTES`` signed bytes that only tell whether another text is similar,
    under the reading of texts that ``features`` names. ``caller`` is who said so, ``None`` if nobody in particular;
    ``created_at`` is ISO 8601 in UTC, so that it sorts by age.
    """

    id: str
    task: str
    sketch: bytes = field(repr=False)
    caller: str | None
    created_at: str
    features: str

    @property
    def age(self) -> tuple[str, str]:
        """Sorts corrections, the oldest first, alike on every machine."""
        return self.created_at, self.id

    def to_dict(self) -> dict[str, Any]:
        """Stable keys, for JSON; the sketch is in base 64."""
        return {key: getattr(self, key) for key in _KEYS[:-1]} | {"sketch": base64.b64encode(self.sketch).decode()}

    @classmethod
    def from_dict(cls, value: Any, *, now: float) -> Correction:
        """What ``to_dict`` made. A time after ``now`` (Unix seconds) becomes ``now``: nothing stays the newest for ever.

        Raises `InvalidRequest` with the key that is wrong.
        """
        if not isinstance(value, Mapping) or set(value) != set(_KEYS):
            raise InvalidRequest(f"a correction is an object with exactly the keys {', '.join(_KEYS)}")
        for key in _KEYS:
            if not isinstance(value[key], str) and not (key == "caller" and value[key] is None):
                raise InvalidRequest(f"{key} must be a text", param=key)
        require_task(value["task"])
        try:
            sketch = base64.b64decode(value["sketch"], validate=True)
        except (binascii.Error, ValueError):
            sketch = b""
        if len(sketch) != SKETCH_BYTES:
            raise InvalidRequest(f"sketch must be {SKETCH_BYTES} bytes in base 64", param="sketch")
        return cls(**{**value, "sketch": sketch, "created_at": stamp(min(_seconds(value["created_at"]), now))})


def stamp(unix_s: float) -> str:
    """ISO 8601 in UTC, to the microsecond, so that of two corrections of one text the later counts."""
    return datetime.fromtimestamp(unix_s, tz=timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def require_task(task: Any) -> str:
    """``task``, if it is one. Raises `InvalidRequest` with a list of them otherwise."""
    if not isinstance(task, str) or task not in TASKS:
        raise InvalidRequest(f"there is no such task: it must be one of {', '.join(TASKS)}", param="task")
    return task


def _seconds(text: str) -> float:
    """A time in ISO 8601 as Unix seconds; without an offset it is taken for UTC. No correction is older than 1970."""
    try:
        # Python 3.10 does not know the Z.
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise InvalidRequest("created_at must be a time in ISO 8601", param="created_at") from None
    return max(0.0, (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp())
