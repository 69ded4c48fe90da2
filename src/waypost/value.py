"""Value objects of which each request makes many: dataclasses that are quick to make."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from collections.abc import Callable
    from dataclasses import dataclass

    def value(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        """A dataclass that mypy takes for a frozen one, and that is compared, hashed and shown like it.

        Nothing stops a change when the program runs. A frozen one sets each field through a call when it is made, which takes
        six times as long, and the objects of one request have some two hundred fields.
        """
        return dataclass(slots=slots, unsafe_hash=frozen)
