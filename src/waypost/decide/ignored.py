"""What a client sends and its engine does not get, for the card: load-time options, and settings that it does not have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waypost.decide.card import Candidate
from waypost.fleet.view import Deployment, FleetView
from waypost.known_settings import CHAT_FIELDS, KNOWN, LOAD_TIME, TITLES, fitted
from waypost.turn import EMPTY, Turn

# Names that most requests have none of: one look at those of a body is enough for them.
_OWN_NAMES = frozenset(KNOWN) - CHAT_FIELDS | {"options"}
_MOST_CHARS = 40


def load_options(turn: Turn) -> Mapping[str, Any]:
    """The load-time options that the client sent, as fields of their own or among Ollama's ``options``."""
    if _OWN_NAMES.isdisjoint(turn.body):
        return EMPTY
    options = turn.body.get("options")
    sources = (options if isinstance(options, Mapping) else EMPTY, turn.body)
    return {name: source[name] for source in sources for name in LOAD_TIME & source.keys() if source[name] is not None}


def allowed(wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of a client's load-time options that an engine could take, for a policy that lets clients have their way."""
    return {name: value for name, value in wanted.items() if KNOWN[name].accepts(value)}


def ignored(turn: Turn, fleet: FleetView, first: Candidate, wanted: Mapping[str, Any]) -> tuple[str, ...]:
    """A line for everything that the client set and the first candidate does not get; ``wanted`` are its load-time options."""
    if _OWN_NAMES.isdisjoint(turn.body):
        return ()
    deployment = next((known for known in fleet if known.id == first.deployment), None)
    if deployment is None:
        return ()
    loaded = {**deployment.settings, **first.settings}
    lines = [_load_option(name, wanted[name], loaded.get(name)) for name in sorted(wanted) if loaded.get(name) != wanted[name]]
    own = {name: value for name, value in turn.body.items() if name in _OWN_NAMES - LOAD_TIME and value is not None}
    return (*lines, *(_lacking(name, value, deployment) for name, value in own.items() if not _gets(deployment, name, value)))


def _gets(deployment: Deployment, name: str, value: Any) -> bool:
    """LiteLLM gets no names but OpenAI's from clients. Of ``options`` there may be nothing left to get."""
    if name == "options" and isinstance(value, Mapping) and LOAD_TIME.issuperset(value):
        return True
    return deployment.lane != "litellm" and bool(fitted({name: value}, deployment.reads))


def _load_option(name: str, value: Any, have: Any) -> str:
    if have is None:
        why = "how a model is loaded is for the config to say"
    else:
        why = f"this model is {'kept for' if name == 'keep_alive' else 'loaded with'} {have}"
    return f"{_shown(name, value)} ({why})"


def _lacking(name: str, value: Any, deployment: Deployment) -> str:
    title = TITLES[deployment.reads] if deployment.reads else "the engine"
    return f"{_shown(name, value)} ({title} does not get it)"


def _shown(name: str, value: Any) -> str:
    """The value only where it is a number or a duration: a schema is long, and a text may be private."""
    is_short = isinstance(value, bool | int | float) or (name == "keep_alive" and KNOWN[name].accepts(value))
    text = str(value)
    return f"{name}: {text}" if is_short and len(text) <= _MOST_CHARS and text.isprintable() else name
