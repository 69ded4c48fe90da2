"""The table of docs/reliability.md, from the JSON that `waypost bench faults --json` prints for each gateway.

    python benchmarks/faults_table.py Waypost=one.json,two.json 'LiteLLM 1.105.3=litellm.json' [--into docs/reliability.md]

Several files are several runs of one gateway: what failed in any of them is a failure, with how often.
With --into the table replaces the one between the two marks in that file. A line is for both modes where all gateways do the
same in both.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

MARKED = re.compile(r"(<!-- table of faults -->\n).*?(<!-- end of the table -->)", re.DOTALL)


def told(runs: tuple[dict[str, Any], ...]) -> str:
    """One cell: the verdict over all runs, and why where it is no pass."""
    missed = [finding for finding in runs if finding["verdict"] != "pass"]
    if not missed:
        return "pass"
    often = "" if len(missed) == len(runs) else f" in {len(missed)} of {len(runs)} runs"
    return f"**{missed[0]['verdict']}**{often}: {missed[0]['reason']}"


def table(columns: dict[str, list[list[dict[str, Any]]]]) -> str:
    """The table in Markdown, with the counts as its last line. Of each column the cases of every run."""
    lines: dict[tuple[str, ...], list[str]] = {}
    cases = {name: [tuple(findings) for findings in zip(*runs, strict=True)] for name, runs in columns.items()}
    for findings in zip(*cases.values(), strict=True):
        first = findings[0][0]
        cells = (str(first["row"]), f"`{first['fault']}`", first["expected"], *map(told, findings))
        lines.setdefault(cells, []).append(first["mode"])
    head = ["row", "fault", "mode", "expected", *columns]
    rows = [[row, fault, ", ".join(dict.fromkeys(modes)), *rest] for (row, fault, *rest), modes in lines.items()]
    counts = [f"{[told(one) for one in column].count('pass')} of {len(column)} pass" for column in cases.values()]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *rows, ["", "", "", "", *counts]))


def main() -> None:
    """Prints the table, or puts it into a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("columns", nargs="+", metavar="NAME=FILE[,FILE…]")
    parser.add_argument("--into", type=Path)
    arguments = parser.parse_args()
    columns = {}
    for name, _, files in (one.partition("=") for one in arguments.columns):
        columns[name] = [json.loads(Path(file).read_text())["cases"] for file in files.split(",")]
    made = table(columns)
    if arguments.into is None:
        print(made, end="")
        return
    page = arguments.into.read_text()
    arguments.into.write_text(MARKED.sub(lambda match: match[1] + made + match[2], page))


if __name__ == "__main__":
    main()
