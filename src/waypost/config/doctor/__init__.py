"""The doctor: will a config that is valid also behave?

`waypost check` says whether a file is valid. The doctor knows what valid files do to those who wait for an answer: replies that
are cut, models that are loaded again with every turn, routes that lead to the same place. ``RULES`` is the one table of what it
knows.
"""

from __future__ import annotations

from collections.abc import Mapping

from waypost.config.doctor import callers, engines, loading, routing, stops
from waypost.config.doctor.case import open_case
from waypost.config.doctor.finding import Finding, Rule, Severity
from waypost.config.loader import Loaded
from waypost.fleet.report import Examined
from waypost.turn import EMPTY

__all__ = ["RULES", "Finding", "Rule", "Severity", "diagnose"]

RULES: tuple[Rule, ...] = (*stops.RULES, *loading.RULES, *routing.RULES, *callers.RULES, *engines.RULES)


def diagnose(loaded: Loaded, looks: Mapping[str, Examined] = EMPTY) -> tuple[Finding, ...]:
    """What is wrong with a file that loads, in the order of its lines.

    ``looks`` is how its engines were found, by `Place.engine`; without them, only what the file itself says is judged. Raises
    ``ValueError`` for a file with problems.
    """
    case = open_case(loaded, looks)
    found = [
        Finding(rule.id, rule.severity, hit.where.file, hit.where.line, hit.message, hit.mend or rule.mend)
        for rule in RULES
        for hit in rule.check(case)
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda finding: (finding.file, finding.line)))
