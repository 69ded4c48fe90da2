"""The headers of a request, as dialects read them."""

from __future__ import annotations

from collections.abc import Iterable

from waypost.errors import InvalidRequest


def hints(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by their name in lower case. One that comes twice has both values, as HTTP says: none wins in silence.

    Raises `InvalidRequest` for a name or value that is no text.
    """
    found: dict[str, str] = {}
    for given_name, value in pairs:
        if not isinstance(given_name, str) or not isinstance(value, str):
            raise InvalidRequest("headers must be text", param="headers")
        name = given_name.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
