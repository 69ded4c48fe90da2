"""The headers of a request, as dialects read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from waypost.errors import InvalidRequest
from waypost.turn import share_of

SESSION_HEADERS = ("x-waypost-session", "x-openwebui-chat-id")
PRIVATE_HEADER = "x-waypost-private"
MEMORY_HEADER = "x-waypost-known-to-memory"
CHANNEL_HEADER = "x-waypost-channel"
COST_QUALITY_HEADER = "x-waypost-cost-quality"
TENANT_HEADERS = ("authorization", "x-api-key", "x-openwebui-user-id")

# A chat id is a UUID or a short name; what is longer is cut, so that the ledger's index stays small.
_SESSION_CHARS = 256


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


def session(headers: Mapping[str, str]) -> str | None:
    """The conversation's name, if the caller gives one."""
    for name in SESSION_HEADERS:
        if given := headers.get(name):
            return given[:_SESSION_CHARS]
    return None


def flag(headers: Mapping[str, str], name: str) -> bool:
    """A hint that cannot be read is refused: taking it for a no would send a private prompt away."""
    given = headers.get(name)
    if given is None:
        return False
    given = given.strip().lower()
    if given not in ("0", "1", "false", "true"):
        raise InvalidRequest(f"The header {name} must be true or false.", param=name)
    return given in ("1", "true")


def share(headers: Mapping[str, str], name: str) -> float | None:
    """A number from 0 to 1; ``None`` where the caller says none. One that cannot be read is refused."""
    given = headers.get(name)
    if given is None:
        return None
    found = share_of(given.strip())
    if found is None:
        raise InvalidRequest(f"The header {name} must be a number from 0 to 1.", param=name)
    return found
