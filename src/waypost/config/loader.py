"""Loads a config: files → tree → schema → deployments and policy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from waypost.config.adopted import adopt
from waypost.config.bundles import tell_dropped
from waypost.config.deployments import Surroundings, compile_fleet
from waypost.config.discovery import DiscoverySettings
from waypost.config.environment import expand_all
from waypost.config.files import Reading, read_files, read_text, shown_name
from waypost.config.load_options import with_load_options
from waypost.config.names import Names
from waypost.config.quality import QualitySettings
from waypost.config.report import Report
from waypost.config.rules import Checked, compile_policy
from waypost.config.schema import (
    CacheSettings,
    ConfigFile,
    FeedbackSettings,
    LedgerSettings,
    PolicySettings,
    ServerSettings,
    TimeoutSettings,
)
from waypost.config.show import version_of
from waypost.config.tree import Node
from waypost.config.validate import validated
from waypost.decide.policy import Policy
from waypost.errors import ConfigError
from waypost.fleet.deployment import Deployment, Timeouts


@dataclass(frozen=True, slots=True)
class Setup:
    """What a decision is made from: the deployments that the file names, and its rules."""

    deployments: tuple[Deployment, ...]
    policy: Policy


@dataclass(frozen=True, slots=True)
class Config:
    """A config that is complete and without a problem.

    ``source`` is the file's name, ``files`` every file that was read. ``version`` is a hash of all that takes effect, without
    the values of secrets. ``discovery.enabled`` is settled: it is never ``None`` here.
    """

    setup: Setup
    server: ServerSettings
    ledger: LedgerSettings
    feedback: FeedbackSettings
    cache: CacheSettings
    discovery: DiscoverySettings
    policy: PolicySettings
    quality: QualitySettings
    timeouts: Timeouts
    source: str
    version: str
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Loaded:
    """One try at loading: a config, or the problems that stood in its way. ``files`` are worth watching in both cases.

    ``root`` is the file as a tree, and ``entries`` the part of it that each deployment was made from, by id.
    """

    config: Config | None
    problems: tuple[str, ...]
    files: tuple[Path, ...]
    root: Node
    entries: Mapping[str, Node]


def load(path: Path | str, *, env: Mapping[str, str] | None = None) -> Config:
    """The config in the file at ``path``, with references taken from ``env`` (default: this process's environment).

    Raises ``ConfigError`` with every problem found, each as ``file:line: sentence``.
    """
    loaded = try_load(Path(path), env=env)
    if loaded.config is None:
        raise ConfigError(*loaded.problems)
    return loaded.config


def loads(text: str, *, name: str = "waypost.yaml", env: Mapping[str, str] | None = None) -> Config:
    """As ``load``, from a text; ``name`` is what messages call it. The empty text is a config of defaults."""
    loaded = try_loads(text, name=name, env=env)
    if loaded.config is None:
        raise ConfigError(*loaded.problems)
    return loaded.config


def try_load(path: Path, *, env: Mapping[str, str] | None = None) -> Loaded:
    """As ``load``, without raising."""
    report = Report()
    return _compiled(read_files(path, report), shown_name(path), env, report)


def try_loads(text: str, *, name: str = "waypost.yaml", env: Mapping[str, str] | None = None) -> Loaded:
    """As ``loads``, without raising."""
    report = Report()
    return _compiled(Reading(read_text(text, name, report), ()), name, env, report)


def _compiled(reading: Reading, source: str, env: Mapping[str, str] | None, report: Report) -> Loaded:
    outside = os.environ if env is None else env
    known = _environment(reading.root, outside, report)
    file, root = validated(reading.root, known, report)
    adopted = adopt(root, known, report)
    timeouts = _timeouts(file.policy.timeouts, adopted.total_s, adopted.first_byte_s)
    around = Surroundings(known, report, _credentials(file), timeouts, adopted.drop_params)
    fleet = compile_fleet(file.model_list or (), root.at(["model_list"]).items if file.model_list else (), around)
    params = {name: entry.at(["litellm_params"]) for name, entry in fleet.entries.items()}
    names = with_load_options(file, root, Names(fleet.deployments), params, report)
    discovery = file.discovery
    if discovery.enabled is None:
        discovery = discovery.model_copy(update={"enabled": not file.model_list})
    invalid = _names_in(reading.root) - {entry.model_name for entry in file.model_list or ()}
    checked = Checked(names, fleet.left_out | invalid, bool(discovery.enabled), report)
    policy = compile_policy(file, root, adopted, checked)
    tell_dropped(names.deployments, policy, params, root, report)
    if report.problems:
        return Loaded(None, report.problems, reading.files, root, fleet.entries)
    config = Config(
        setup=Setup(names.deployments, policy),
        server=file.server,
        ledger=file.ledger,
        feedback=file.feedback,
        cache=file.cache,
        discovery=discovery,
        policy=file.policy,
        quality=file.quality,
        timeouts=timeouts,
        source=source,
        version="",
        warnings=report.warnings,
        files=reading.files,
    )
    version = version_of(config)
    config = replace(config, version=version, setup=Setup(names.deployments, replace(policy, version=version)))
    return Loaded(config, (), reading.files, root, fleet.entries)


def _environment(root: Node, outside: Mapping[str, str], report: Report) -> Mapping[str, str]:
    """The environment with `environment_variables` over it, as LiteLLM has it."""
    block = root.children.get("environment_variables")
    if block is None or not block.children:
        return outside
    made = dict(outside)
    for name, node in block.children.items():
        value: Any = expand_all(node.plain(), outside, partial(report.unset, where=node))
        if isinstance(value, str | int | float):
            made[name] = str(value)
    report.warning(block, "`environment_variables` fill references in this file; they are not exported to the process")
    return made


def _credentials(file: ConfigFile) -> dict[str, Mapping[str, Any]]:
    return {entry.credential_name: entry.credential_values or {} for entry in file.credential_list or ()}


def _timeouts(stated: TimeoutSettings, total_s: float | None, first_byte_s: float | None) -> Timeouts:
    """Our own block first, then LiteLLM's, then the defaults."""
    adopted = {"total_s": total_s, "first_byte_s": first_byte_s}
    values = stated.model_dump()
    for name, value in adopted.items():
        if value is not None and name not in stated.model_fields_set:
            values[name] = value
    return Timeouts(**values)


def _names_in(root: Node) -> set[str]:
    """Every `model_name` of the file, also of entries that did not pass: who refers to one of those made no second mistake."""
    names = (entry.at(["model_name"]).value for entry in root.at(["model_list"]).items if "model_name" in entry.children)
    return {name for name in names if isinstance(name, str)}
