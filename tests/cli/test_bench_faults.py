"""`waypost bench faults` and `waypost bench faultd`."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import CliRunner, Result

from cli.documented import DOCS, keys_of
from engines.process import free_port
from waypost.cli import bench_faults, group
from waypost.faults.cases import CASES
from waypost.faults.gateway_config import FAULTD_PORT


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(group, ["bench", *arguments])


def test_the_config_for_waypost_is_one_that_waypost_takes(tmp_path: Path) -> None:
    file = tmp_path / "waypost.yaml"
    file.write_text(bench("faults", "--print-config", "waypost").stdout)
    checked = json.loads(CliRunner().invoke(group, ["check", str(file), "--json"]).stdout)
    assert (checked["problems"], checked["warnings"]) == ([], [])
    assert checked["deployments"] > len(CASES)


def test_without_a_gateway_it_says_what_it_needs() -> None:
    assert bench("faults").exit_code == 2
    assert bench("faults", "--url", "http://127.0.0.1:9/v1", "--row", "99").exit_code == 2


def test_a_port_in_use_and_a_key_that_is_not_set_are_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for command in (["faultd", "--port", port], ["faults", "--url", "http://127.0.0.1:9/v1", "--faultd-port", port]):
            result = bench(*command)
            assert result.exit_code == 1
            assert "in use" in str(result.exception)
    assert "NOT_SET is not set" in str(bench("faults", "--url", "http://127.0.0.1:9/v1", "--key-env", "NOT_SET").exception)


def test_faultd_serves_until_it_is_interrupted() -> None:
    command = [sys.executable, "-m", "waypost", "bench", "faultd", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        root = process.stdout.readline().split()[3]
        with urlopen(f"{root}/_faultd/hits", timeout=10) as answer:
            assert json.load(answer) == {"hits": []}
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_the_port_in_help_is_the_one_of_the_config() -> None:
    assert bench_faults._PORT == FAULTD_PORT


@pytest.mark.parametrize("strict", [True, False])
def test_json_has_the_documented_keys_and_strict_fails_on_a_failure(monkeypatch: pytest.MonkeyPatch, strict: bool) -> None:
    from waypost.faults import bench as module

    async def run(*_: object, **__: object) -> list[module.Finding]:
        return [module.Finding(1, "refused", "stream", "answered", "502", "fail", "no answer", "row-01")]

    monkeypatch.setattr(module, "run", run)
    arguments = ["faults", "--url", f"http://127.0.0.1:{free_port()}/v1", *(["--strict"] if strict else [])]
    result = bench(*arguments, "--json")
    assert result.exit_code == (1 if strict else 0)
    found = json.loads(result.stdout)
    assert list(found) == keys_of("bench faults")
    assert (found["passed"], found["failed"], found["not_applicable"]) == (0, 1, 0)
    assert "no answer (502)" in bench(*arguments).stdout


def test_the_page_on_reliability_has_a_line_for_every_case() -> None:
    lines = [line for line in (DOCS / "reliability.md").read_text().splitlines() if line.startswith("| ")]
    rows = {tuple(cell.strip(" `") for cell in line.split("|")[1:5]) for line in lines}
    wanted = {(str(case.row), case.fault, case.mode, case.expected) for case in CASES}
    both = {(row, fault, mode, expected) for row, fault, modes, expected in rows for mode in modes.split(", ")}
    assert wanted - both == set()
