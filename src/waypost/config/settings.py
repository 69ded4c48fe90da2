"""Settings as a config states them, held to the table of those that are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waypost.config.report import did_you_mean, quoted
from waypost.known_settings import KNOWN, LOAD_TIME

_DURATION = KNOWN["keep_alive"].type
_FLAGS = ("true or false", KNOWN["think"].type)


def wrong_type(name: str, value: Any) -> str | None:
    """What a known setting must be, if ``value`` is not that."""
    setting = KNOWN.get(name)
    if setting is None:
        return f"{quoted(name)} must be anything" if value is None else None
    return None if setting.accepts(value) else f"{quoted(name)} must be {setting.expected}"


def near_miss(name: str) -> str | None:
    """For a name that is not known but close to one: what it may have been. It is passed on as it is."""
    hint = "" if name in KNOWN else did_you_mean(name, KNOWN)
    return f"unknown setting {quoted(name)} is passed on as it is{hint}" if hint else None


def from_text(name: str, text: str) -> Any:
    """A known number or flag that came as text, from a variable or with an exponent that YAML takes for text."""
    kind = KNOWN[name].type if name in KNOWN else None
    try:
        if kind == "a whole number":
            return int(text)
        if kind == "a number" or (kind == _DURATION and text.strip("+-").isdigit()):
            return float(text)
    except ValueError:
        return text
    return {"true": True, "false": False}.get(text.lower(), text) if kind in _FLAGS else text


def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Ollama's ``num_predict`` and llama.cpp's ``n_predict`` as ``max_tokens``: one rule holds for all caps, the smaller wins.

    LiteLLM lets a deployment's ``num_predict`` beat the caller's ``max_tokens``. A negative one means no cap, and is none.
    """
    made = dict(settings)
    for name in ("num_predict", "n_predict"):
        cap = made.pop(name, None)
        if isinstance(cap, int) and not isinstance(cap, bool) and cap >= 0:
            have = made.get("max_tokens")
            made["max_tokens"] = min(cap, have) if isinstance(have, int) else cap
    return made


def for_a_route(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a route lays over requests: without load-time options, which its models have for all routes."""
    return {name: value for name, value in canonical(settings).items() if name not in LOAD_TIME}
