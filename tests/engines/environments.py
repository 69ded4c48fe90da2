"""Environments of their own for what does not go into ours: Triton, `transformers serve`, clients with many dependencies.

    python tests/engines/environments.py           builds what is missing under .cache/environments (`make heavy`)
    python tests/engines/environments.py triton    builds that one, which is small enough for every run (`make test`)

One that is already somewhere is named by a variable: ``WAYPOST_TEST_TRANSFORMERS=/path/to/environment``. The tests that need
one skip where there is none. On x86-64 Linux the package index gives torch with CUDA, gigabytes of it, unless pip is told where
the CPU builds are (``PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu``).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".cache"
# The behaviour of exactly these versions is what the tests describe.
ENVIRONMENTS = {
    # The program is in the wheel: 370 MB with all that it needs. For Linux on x86-64 and arm64 only.
    "triton": ("nvidia-pytriton==0.7.0",),
    "transformers": ("torch==2.13.0", "transformers[serving]==5.23.0", "accelerate"),
    # LiteLLM imports mcp without asking for it.
    "litellm": ("litellm==1.110.2", "mcp==2.3.0"),
    "llamaindex": ("llama-index-llms-openai-like==0.8.1",),
}


def python_of(name: str) -> Path | None:
    """The interpreter of an environment; ``None`` if it is not installed here."""
    given = os.environ.get(f"WAYPOST_TEST_{name.upper()}")
    folder = Path(given) if given else FOLDER / "environments" / name
    complete = given or (folder / "complete").exists()
    return folder / "bin" / "python" if complete else None


def how_to_get(name: str) -> str:
    """Why a test skips, and what to do about it."""
    command = f"python {Path(__file__).relative_to(FOLDER.parent)} {name}"
    return f"{name} is not installed: `{command}` builds it, or WAYPOST_TEST_{name.upper()} names an environment with it"


def build(name: str) -> None:
    """Installs one environment; a second time does nothing."""
    if python_of(name) is not None:
        return
    folder = FOLDER / "environments" / name
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *ENVIRONMENTS[name]], check=True)
    (folder / "complete").touch()


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ENVIRONMENTS:
        build(wanted)
