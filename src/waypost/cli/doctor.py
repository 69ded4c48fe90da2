"""`waypost doctor`."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from waypost.cli.output import json_option, print_json
from waypost.defaults import CONFIG_FILE

if TYPE_CHECKING:
    from waypost.config import Config
    from waypost.config.doctor import Finding
    from waypost.fleet.report import Examined

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
# A look is never longer than this, whatever `discovery.timeout_s` allows a server.
_LONGEST_LOOK_S = 10.0


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=CONFIG_FILE)
@click.option("--offline", is_flag=True, help="Ask no engine; judge only what the file says.")
@json_option
def command(file: Path, offline: bool, as_json: bool) -> None:
    """Find the traps in a config: what is valid, and still cuts answers, reloads models or leads nowhere.

    FILE is waypost.yaml unless another is named: a config of Waypost or of LiteLLM's proxy, or a Python file with a
    `model_list` or `MODEL_CONFIGS`, which is read and not run. Engines on this machine and near it are asked what they have;
    nothing is generated, and nothing is loaded.

    Exit code 0: nothing found, or notes only; 1: errors or warnings; 2: the file cannot be read, or has a problem that
    `waypost check` names too.

    JSON keys: file, ok, problems, errors, warnings, notes, engines, findings.
    """
    from waypost.config.doctor import diagnose
    from waypost.config.loader import try_load

    loaded = try_load(file)
    if loaded.config is None:
        if as_json:
            print_json(_as_json(file, loaded.problems, {}, ()))
        for problem in () if as_json else loaded.problems:
            click.echo(click.style("problem: ", fg="red") + problem, err=True)
        raise SystemExit(2)
    looks = {} if offline else asyncio.run(_examine(loaded.config))
    findings = diagnose(loaded, looks)
    if as_json:
        print_json(_as_json(file, (), looks, findings))
    else:
        # What is left out of a program is not judged, and may be what it is about.
        for warning in loaded.config.warnings if file.suffix == ".py" else ():
            click.echo(click.style("warning: ", fg="yellow") + warning)
        print_findings(file, findings, looks)
    if any(finding.severity != "note" for finding in findings):
        raise SystemExit(1)


def print_findings(file: Path, findings: tuple[Finding, ...], looks: Mapping[str, Examined]) -> None:
    """Each finding with its line and its mend, how many there are, and which engines were asked."""
    for finding in findings:
        severity = click.style(finding.severity, fg=_COLOURS[finding.severity])
        click.echo(f"{finding.file}:{finding.line}: {severity}: {finding.message} [{finding.rule}]")
        click.echo(click.style(f"    {finding.mend}", dim=True))
    counts = Counter[str](finding.severity for finding in findings)
    told = [f"{counts[severity]} {severity}{'' if counts[severity] == 1 else 's'}" for severity in _COLOURS if counts[severity]]
    asked = f"(asked: {', '.join(look.place for look in looks.values())})" if looks else "(no engine was asked)"
    if told:
        click.echo(f"{file}: {', '.join(told)} {asked}. Each rule is explained in docs/doctor.md.")
    else:
        click.echo(f"{file} is well: nothing found {asked}")


async def _examine(config: Config) -> Mapping[str, Examined]:
    from waypost.fleet.examine import examine
    from waypost.http.session import HttpSession

    targets = config.discovery.targets if config.discovery.enabled else ()
    timeout_s = min(config.discovery.timeout_s, _LONGEST_LOOK_S)
    async with HttpSession() as session:
        return await examine(session, config.setup.deployments, targets, timeout_s=timeout_s)


def _as_json(
    file: Path, problems: tuple[str, ...], looks: Mapping[str, Examined], findings: tuple[Finding, ...]
) -> dict[str, object]:
    counts = Counter(finding.severity for finding in findings)
    return {
        "file": str(file),
        "ok": not problems and not counts["error"] and not counts["warning"],
        "problems": problems,
        "errors": counts["error"],
        "warnings": counts["warning"],
        "notes": counts["note"],
        "engines": [
            {
                "place": look.place,
                "kind": look.report.kind if look.report else None,
                "version": look.report.version if look.report else None,
                "silence": look.silence,
            }
            for look in looks.values()
        ],
        "findings": [{**dataclasses.asdict(finding), "docs": finding.docs} for finding in findings],
    }
