"""Where the ledger lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from waypost.ledger import MemoryLedger, SqliteLedger, default_ledger_path, open_ledger


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"HOME": "/home/ada"}, "/home/ada/.local/state/waypost/ledger.db"),
        ({"HOME": "/home/ada", "XDG_STATE_HOME": "/state"}, "/state/waypost/ledger.db"),
        ({"HOME": "/home/ada", "XDG_STATE_HOME": "relative"}, "/home/ada/.local/state/waypost/ledger.db"),
        ({"HOME": "/home/ada", "XDG_STATE_HOME": "", "WAYPOST_LEDGER": ""}, "/home/ada/.local/state/waypost/ledger.db"),
        ({"HOME": "/home/ada", "XDG_STATE_HOME": "/state", "WAYPOST_LEDGER": "/data/l.db"}, "/data/l.db"),
    ],
)
def test_the_default_follows_the_environment(env: dict[str, str], path: str) -> None:
    assert default_ledger_path(env) == Path(path)


@dataclass
class Settings:
    enabled: bool = True
    path: str | None = None
    queue_size: int = 10


async def test_settings_choose_the_file(tmp_path: Path) -> None:
    ledger = open_ledger(Settings(path=str(tmp_path / "chosen.db")), {})
    ledger.start()
    await ledger.close()
    assert (tmp_path / "chosen.db").exists()


async def test_without_a_path_the_default_file_is_used(tmp_path: Path) -> None:
    ledger = open_ledger(Settings(), {"WAYPOST_LEDGER": str(tmp_path / "default.db")})
    assert isinstance(ledger, SqliteLedger)
    ledger.start()
    await ledger.close()
    assert (tmp_path / "default.db").exists()


def test_a_disabled_ledger_keeps_recent_outcomes_in_memory() -> None:
    assert isinstance(open_ledger(Settings(enabled=False), {}), MemoryLedger)
