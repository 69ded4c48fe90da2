"""The command line on a terminal of a given width."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(columns: int, *arguments: str, home: Path) -> tuple[str, list[str]]:
    """Runs a command on a terminal; what it wrote there, as it is, and in lines without its colours."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "waypost", *arguments]
    env = {"COLUMNS": str(columns), "TERM": "xterm-256color", "HOME": str(home), "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    process = subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=env)
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:  # how Linux says that nobody holds the other end any more
        pass
    finally:
        os.close(ours)
        process.wait(timeout=60)
    text = written.decode().replace("\r\n", "\n")
    return text, _CODES.sub("", text).splitlines()
