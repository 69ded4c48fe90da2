"""References to environment variables: how a config holds a secret without holding it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_LITELLM = "os.environ/"
_BRACES = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text with its references filled in. ``value`` is ``None`` where a variable in ``missing`` is not set."""

    value: str | None
    names: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def expand(text: str, env: Mapping[str, str]) -> Expanded:
    """``os.environ/NAME`` (the whole text) and ``${NAME}`` (anywhere in it) replaced by the variable's value.

    A variable that is empty counts as not set, as an empty key is none.
    """
    if text.startswith(_LITELLM):
        name = text.removeprefix(_LITELLM)
        return Expanded(env[name], (name,)) if env.get(name) else Expanded(None, (name,), (name,))
    names = tuple(_BRACES.findall(text))
    missing = tuple(name for name in names if not env.get(name))
    if missing:
        return Expanded(None, names, missing)
    return Expanded(_BRACES.sub(lambda match: env[match[1]], text) if names else text, names)


def expand_all(value: Any, env: Mapping[str, str], missed: Callable[[str], None]) -> Any:
    """``os.environ/NAME`` at any depth of ``value``, as LiteLLM does it; each variable that is not set goes to ``missed``."""
    if isinstance(value, dict):
        return {key: expand_all(child, env, missed) for key, child in value.items()}
    if isinstance(value, list):
        return [expand_all(child, env, missed) for child in value]
    if not isinstance(value, str) or not value.startswith(_LITELLM):
        return value
    found = expand(value, env)
    for name in found.missing:
        missed(name)
    return found.value
