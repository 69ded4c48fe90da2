"""What `import waypost` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import waypost

PUBLIC = ["Decision", "Router", "Turn", "WaypostError", "__version__"]
HEAVY = ["aiohttp", "litellm", "numpy", "openai", "pyarrow", "sklearn", "sqlite3", "starlette", "torch", "uvicorn"]


def test_the_public_names_are_these() -> None:
    assert sorted(waypost.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(waypost, name)


def test_importing_waypost_loads_nothing_heavy() -> None:
    program = f"import sys, waypost; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert files("waypost").joinpath("py.typed").is_file()
