"""The gateway benchmark: what it sends, and what it makes of its numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from meta.source import ROOT

SCRIPTS = ROOT / "benchmarks" / "gateway"


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The modules of the benchmark, which lie beside each other and are no package."""
    known = set(sys.modules)
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import prompts
    import report

    yield {"prompts": prompts, "report": report}
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_no_two_prompts_are_alike_and_each_has_about_a_hundred_tokens(scripts: dict[str, ModuleType]) -> None:
    texts = scripts["prompts"].prompts()
    assert len(set(texts)) == len(texts) >= 200
    assert all(320 <= len(text) <= 520 for text in texts)


def test_the_number_of_a_request_changes_its_text_and_not_its_length(scripts: dict[str, ModuleType]) -> None:
    request = scripts["prompts"].requests("host", "/v1/chat/completions", "auto", "X-Key: k\r\n")[7]
    first, second = request.numbered(1), request.numbered(10**9 + 2)
    assert first != second
    for raw in (first, second):
        head, _, body = raw.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
        assert json.loads(body)["model"] == "auto"


def test_ratios_compare_only_what_was_measured_in_the_same_run(scripts: dict[str, ModuleType]) -> None:
    # The machine is ten times slower in the second run; in the third, the other gateway could not be measured.
    runs = {"waypost": [{"rps": 4000.0}, {"rps": 400.0}, {"rps": 9.0}], "litellm": [{"rps": 100.0}, {"rps": 10.0}, {}]}
    measured = scripts["report"].Measured(runs, {}, {})
    assert measured.ratio("rps", "litellm") == 40
    assert measured.ratio("rps", "direct") is None


def test_a_target_that_was_not_measured_is_neither_met_nor_missed(scripts: dict[str, ModuleType]) -> None:
    measured = scripts["report"].Measured({"waypost": [{"idle_mb": 130.0}]}, {"waypost": "Waypost"}, {"import_s": 0.01})
    judged = {target.what: target.met for target in scripts["report"].targets(measured)}
    assert judged.pop("idle memory") is False
    assert judged.pop("`import waypost`") is True
    assert set(judged.values()) == {None}


@pytest.mark.parametrize("script", ["gateway", "soak.py"])
def test_it_says_how_to_use_it(script: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / script), "--help"], capture_output=True, text=True, check=True
    )
    assert f"python benchmarks/{script}" in done.stdout
