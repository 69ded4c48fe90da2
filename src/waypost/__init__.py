"""Waypost sends every prompt to the right model.

``Router`` decides, calls and records; ``Decision`` is the card that says why. Names are loaded when they are first used, so
that ``import waypost`` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from waypost._version import __version__
from waypost.errors import WaypostError

if TYPE_CHECKING:
    from waypost.decide.card import Decision
    from waypost.router import Router
    from waypost.turn import Turn

__all__ = ["Decision", "Router", "Turn", "WaypostError", "__version__"]

_LAZY = {"Decision": "waypost.decide.card", "Router": "waypost.router", "Turn": "waypost.turn"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'waypost' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
