"""The documents are held to the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from meta.source import ROOT
from waypost import errors

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
# A block of Python under this comment is run as it stands, from the root of the repository.
RUNS = re.compile(r"^<!-- runs -->\s*^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

SNIPPETS = [
    pytest.param(match.group(1), id=f"{page.relative_to(ROOT)}-{number}")
    for page in PAGES
    for number, match in enumerate(RUNS.finditer(page.read_text()), 1)
]


def tree(root: type[errors.WaypostError]) -> list[type[errors.WaypostError]]:
    return [root, *(below for child in root.__subclasses__() for below in tree(child))]


def anchor(heading: str) -> str:
    """The address that a heading gets, by GitHub's rule."""
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_runs_as_it_stands(code: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, fragment = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not fragment or fragment in map(anchor, HEADING.findall(target.read_text())))


def test_links_inside_the_repository_lead_somewhere() -> None:
    links = [(page, link) for page in PAGES for link in LINK.findall(page.read_text()) if not re.match(r"[a-z]+:", link)]
    assert [(page.name, link) for page, link in links if not leads_somewhere(page, link)] == []


def test_every_error_is_documented_with_its_status_type_and_code() -> None:
    rows = (ROOT / "docs" / "errors.md").read_text().splitlines()
    documented = {tuple(cell.strip(" `") for cell in row.split("|")[1:5]) for row in rows if row.startswith("| `")}
    assert documented == {(error.__name__, str(error.status), error.type, error.code) for error in tree(errors.WaypostError)}
