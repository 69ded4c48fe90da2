"""The file with what probes found, one for each user of this machine."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from waypost.decide.probed import ProbeResult, Tally
from waypost.decide.quality import QualityEstimate
from waypost.errors import LedgerError
from waypost.ledger.location import default_ledger_path

FORMAT = 1
_MOST_BYTES = 8 << 20
_log = logging.getLogger("waypost")


def default_probes_path(env: Mapping[str, str]) -> Path:
    """``probes.json``, beside the ledger's default place."""
    return default_ledger_path(env).with_name("probes.json")


def load_probes(path: Path) -> Mapping[str, ProbeResult]:
    """What is known, by `probe_key`; empty where there is no file. A file that cannot be used is a warning, and empty too."""
    try:
        found = _read(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        _log.warning(
            "%s cannot be used (%s): probes count for nothing until it is removed and `waypost probe` has run again",
            path.name,
            reason,
        )
        return {}
    return {one.key: one for one in found}


def keep_probe(path: Path, result: ProbeResult) -> None:
    """Stores a result in place of an earlier one with its key. Raises `LedgerError` where that fails."""
    _write(path, {**load_probes(path), result.key: result})


def forget_probes(path: Path, name: str) -> int:
    """Removes the results of a deployment, by its name or key; how many there were. Raises `LedgerError`."""
    known = load_probes(path)
    kept = {key: one for key, one in known.items() if name not in (key, one.deployment)}
    if len(kept) < len(known):
        _write(path, kept)
    return len(known) - len(kept)


def probe_to_dict(result: ProbeResult) -> dict[str, Any]:
    """Stable keys, for JSON."""
    expected = result.expected
    return {
        "key": result.key,
        "deployment": result.deployment,
        "prompts": result.prompts,
        "probed_at": result.probed_at,
        "errors": result.errors,
        "groups": [{"name": one.name, "task": one.task, "passed": one.passed, "asked": one.asked} for one in result.groups],
        "expected": None
        if expected is None
        else {"mean": expected.mean, "lower": expected.lower, "upper": expected.upper, "n": expected.n},
    }


def _read(path: Path) -> list[ProbeResult]:
    """Raises OSError, KeyError, TypeError or ValueError for what `_write` has not written."""
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("it is too large")
    document = orjson.loads(path.read_bytes())
    if document["format"] != FORMAT:
        raise ValueError(f"its format is {document['format']!r}, and this Waypost reads {FORMAT}")
    return [_result(entry) for entry in document["probes"]]


def _write(path: Path, results: Mapping[str, ProbeResult]) -> None:
    """At once or not at all: a server may be reading."""
    document = {"format": FORMAT, "probes": [probe_to_dict(one) for one in results.values()]}
    made = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, made = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        Path(made).replace(path)
    except OSError as error:
        if made is not None:
            Path(made).unlink(missing_ok=True)
        raise LedgerError(f"{path.name} cannot be written ({error.strerror}): make room, or its folder writable") from None


def _result(entry: Mapping[str, Any]) -> ProbeResult:
    expected = entry["expected"]
    return ProbeResult(
        key=_text(entry["key"]),
        deployment=_text(entry["deployment"]),
        prompts=_text(entry["prompts"]),
        probed_at=_text(entry["probed_at"]),
        groups=tuple(_tally(one) for one in entry["groups"]),
        errors=_count(entry["errors"]),
        expected=None if expected is None else _estimate(expected),
    )


def _tally(entry: Mapping[str, Any]) -> Tally:
    found = Tally(_text(entry["name"]), _text(entry["task"]), _count(entry["passed"]), _count(entry["asked"]))
    if found.passed > found.asked:
        raise ValueError(f"{found.passed} of {found.asked} prompts passed")
    return found


def _estimate(entry: Mapping[str, Any]) -> QualityEstimate:
    mean, lower, upper = (float(entry[name]) for name in ("mean", "lower", "upper"))
    if not 0 <= lower <= mean <= upper <= 1:
        raise ValueError("an estimate lies outside of its bounds")
    return QualityEstimate(mean, lower, upper, _count(entry["n"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r:.40} is no count")
    return value
