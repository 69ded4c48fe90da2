"""Wheels: for one platform where a kernel could be compiled, for all where not; never none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from meta.source import ROOT, SOURCE

pytest.importorskip("Cython", reason="Cython is not installed: `make test` installs it")
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """As much of the repository as a wheel with a kernel needs."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    package = tmp_path / "src" / "waypost"
    shutil.copytree(SOURCE / "kernel", package / "kernel", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    for name in ("__init__.py", "_version.py"):
        shutil.copy(SOURCE / name, package)
    return tmp_path


def built(tree: Path, **environment: str) -> tuple[str, bool, str]:
    """The name of the wheel that is built with these variables, whether it holds a compiled kernel, and what was said."""
    shutil.rmtree(tree / "dist", ignore_errors=True)
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    kept = {name: value for name, value in os.environ.items() if name not in ("WAYPOST_PURE", "CC")}
    done = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, check=False, timeout=100, env={**kept, **environment}
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (tree / "dist").glob("*.whl")
    return wheel.name, any(name.endswith((".so", ".pyd")) for name in ZipFile(wheel).namelist()), done.stdout + done.stderr


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here")
def test_a_compiler_gives_a_wheel_for_its_platform_and_a_later_build_without_one_leaves_nothing_of_it(tree: Path) -> None:
    name, compiled, _ = built(tree)
    assert compiled
    assert not name.endswith("-none-any.whl")
    built_in_place = sorted((tree / "src").rglob("native.*.*"))
    assert len(built_in_place) == 1
    name, compiled, said = built(tree, WAYPOST_PURE="1")
    assert (name.endswith("-py3-none-any.whl"), compiled, "kernel" in said) == (True, False, False)
    assert not built_in_place[0].exists()


@pytest.mark.skipif(sys.platform == "win32", reason="CC chooses the compiler on other systems")
def test_a_build_that_fails_gives_a_wheel_for_all_and_says_so(tree: Path) -> None:
    name, compiled, said = built(tree, CC=shutil.which("false") or "false")
    assert name.endswith("-py3-none-any.whl")
    assert not compiled
    assert said.count("no compiled kernel, numpy is used instead") == 1


FULL_DISK = """
import shutil, sys
from pathlib import Path

import hatch_build


def copy(source, target):
    if Path(target).parent != module.parent:
        return copied(source, target)
    Path(target).write_bytes(Path(source).read_bytes()[:4000])
    raise OSError("No space left on device")


module, copied, shutil.copy = Path("src/waypost/kernel/native.so").absolute(), shutil.copy, copy
try:
    hatch_build.compile_to(module, Path.cwd())
except OSError:
    print(sorted(file.name for file in module.parent.glob("native.*")))
"""


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here")
def test_no_part_of_a_kernel_stays_where_the_disk_is_full(tree: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL_DISK], cwd=tree, capture_output=True, text=True, check=False, timeout=100)
    assert done.stdout == "['native.pyi', 'native.pyx']\n", done.stderr
