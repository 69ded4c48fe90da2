"""Where the ledger lies if nobody says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def default_ledger_path(env: Mapping[str, str]) -> Path:
    """``WAYPOST_LEDGER``; else ``waypost/ledger.db`` under ``XDG_STATE_HOME``, or under ``~/.local/state``.

    An empty variable counts as unset, and so does a relative ``XDG_STATE_HOME``, as its specification asks.
    """
    if env.get("WAYPOST_LEDGER"):
        return Path(env["WAYPOST_LEDGER"]).expanduser()
    state = Path(env.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        home = Path(env["HOME"]) if env.get("HOME") else Path.home()
        state = home / ".local" / "state"
    return state / "waypost" / "ledger.db"
