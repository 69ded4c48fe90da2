"""Asks the advisory source about every pin of a lock file: exit code 1 for a known weakness, 0 otherwise.

Where the source cannot be asked, the script says so and exits with 0: a machine without it must be able to build. An index
mirror may answer without any advisory, and pip-audit then reports success; that is told apart here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

DEADLINE_S = 90


def audited(lock: str) -> list[dict[str, Any]] | None:
    """One record a package; ``None`` where the source did not answer."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--require-hashes", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        records: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None
    return records


def main() -> int:
    """Prints what is known about the lock, in one line or one line a weakness."""
    lock = sys.argv[1]
    records = audited(lock)
    answered = [record for record in records or [] if "vulns" in record]
    if records is None or not answered:
        print(f"audit: NOT DONE, the advisory source cannot be reached from here ({lock})")
        return 0
    weak = [(record, weakness) for record in answered for weakness in record["vulns"]]
    for record, weakness in weak:
        fixed = ", ".join(weakness["fix_versions"]) or "no release yet"
        print(f"audit: {record['name']} {record['version']}: {weakness['id']}, fixed in {fixed}")
    unknown = len(records) - len(answered)
    print(f"audit: {len(answered)} packages asked, {len(weak)} weaknesses, {unknown} unknown to the source ({lock})")
    return 1 if weak else 0


if __name__ == "__main__":
    sys.exit(main())
