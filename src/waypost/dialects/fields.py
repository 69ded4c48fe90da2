"""Reading one field of a request: its value, or an error that names its path and never its content.

A prompt may be anywhere in a request, also in the wrong field, so no message repeats what the caller sent.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Collection, Mapping
from typing import Any

from waypost.errors import InvalidRequest

Check = Callable[[Any, str], None]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,40}")
_BASE64 = (string.ascii_letters + string.digits + "+/").encode()
_PLAIN_ROLES = ("user", "assistant", "system", "developer")


def is_plain(message: Any) -> bool:
    """The message that nearly all are: such a role and a string, and nothing else."""
    return (
        type(message) is dict
        and len(message) == 2
        and type(message.get("content")) is str
        and message.get("role") in _PLAIN_ROLES
    )


def joined(path: str, key: str) -> str:
    """The path of ``key`` below ``path``. A key that is no plain word is shown as ``?``: it may be text."""
    shown = key if _PLAIN_KEY.fullmatch(key) else "?"
    return f"{path}.{shown}" if path else shown


def must_be(path: str, expected: str) -> InvalidRequest:
    """The error for a value of the wrong type or out of range."""
    return InvalidRequest(f"'{path}' must be {expected}.", param=path)


def text_at(source: Mapping[str, Any], key: str, path: str) -> str:
    """A string that must be there; it may be empty."""
    value = source.get(key)
    if type(value) is not str:
        raise must_be(joined(path, key), "a string")
    return value


def name_at(source: Mapping[str, Any], key: str, path: str) -> str:
    """A string that must be there and say something."""
    value = source.get(key)
    if type(value) is not str or not value:
        raise must_be(joined(path, key), "a non-empty string")
    return value


def optional_text_at(source: Mapping[str, Any], key: str, path: str) -> str | None:
    """A string, or nothing. ``null`` is nothing."""
    value = source.get(key)
    if value is not None and type(value) is not str:
        raise must_be(joined(path, key), "a string")
    return value


def object_at(source: Mapping[str, Any], key: str, path: str) -> Mapping[str, Any]:
    """An object that must be there."""
    value = source.get(key)
    if type(value) is not dict:
        raise must_be(joined(path, key), "an object")
    return value


def list_at(source: Mapping[str, Any], key: str, path: str) -> list[Any]:
    """An array, which may be left out or empty."""
    value = source.get(key)
    if value is None:
        return []
    if type(value) is not list:
        raise must_be(joined(path, key), "an array")
    return value


def as_object(value: Any, path: str) -> Mapping[str, Any]:
    """``value``, if it is an object."""
    if type(value) is not dict:
        raise must_be(path, "an object")
    return value


def flag(value: Any, path: str) -> None:
    """A check for true or false."""
    if type(value) is not bool:
        raise must_be(path, "true or false")


def an_object(value: Any, path: str) -> None:
    """A check for an object of any content."""
    as_object(value, path)


def is_base64(text: str) -> bool:
    """Whether something is there and is base64, with its padding; line ends do not count.

    It may be megabytes, for which this is much quicker than a regular expression.
    """
    data = text.encode(errors="replace").translate(None, b"\r\n")
    padding = data.translate(None, _BASE64)
    return bool(data) and len(data) % 4 == 0 and padding in (b"", b"=", b"==") and data.endswith(padding)


def text(max_length: int | None = None) -> Check:
    """A check for a string of at most ``max_length`` characters."""
    expected = "a string" if max_length is None else f"a string of at most {max_length} characters"

    def check(value: Any, path: str) -> None:
        if type(value) is not str or (max_length is not None and len(value) > max_length):
            raise must_be(path, expected)

    return check


def integer(low: int, high: int | None = None) -> Check:
    """A check for a whole number in a range, ends included. ``true`` is no number."""
    expected = f"an integer of at least {low}" if high is None else f"an integer between {low} and {high}"

    def check(value: Any, path: str) -> None:
        if type(value) is not int or value < low or (high is not None and value > high):
            raise must_be(path, expected)

    return check


def number(low: float, high: float) -> Check:
    """A check for a number in a range, ends included. ``true`` is no number, and NaN is in no range."""
    expected = f"a number between {low:g} and {high:g}"

    def check(value: Any, path: str) -> None:
        if type(value) not in (int, float) or not low <= value <= high:
            raise must_be(path, expected)

    return check


def one_of(*words: str) -> Check:
    """A check for one of a closed list of words."""
    expected = "one of " + ", ".join(words)

    def check(value: Any, path: str) -> None:
        if type(value) is not str or value not in words:
            raise must_be(path, expected)

    return check


def chosen(source: Mapping[str, Any], key: str, path: str, words: Collection[str]) -> str:
    """A word of a closed list that must be there."""
    value = source.get(key)
    if type(value) is not str or value not in words:
        raise must_be(joined(path, key), "one of " + ", ".join(words))
    return value
