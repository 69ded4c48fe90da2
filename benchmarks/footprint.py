"""What Waypost costs before it does anything: the time of `import waypost`, and the memory of an idle server.

    python benchmarks/footprint.py [--runs 21] [--json]

The server is the real one with a config of one OpenAI-compatible deployment, so that LiteLLM is not in use. Its memory is read
from the kernel (`/proc`, Linux only) when it has been ready for a moment. Exit code 1: a number is over its limit.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORT_LIMIT_S = 0.3
MEMORY_LIMIT_MB = 120.0
READY_S = 60.0
IDLE_S = 2.0

# Nobody answers at this address: the deployment is listed as down, and the server is ready all the same.
CONFIG = """
model_list:
  - model_name: absent
    litellm_params: {{model: openai/absent, api_base: "http://127.0.0.1:9/v1"}}
ledger: {{path: "{ledger}"}}
"""
TIMED_IMPORT = "import time; t = time.perf_counter(); import waypost; print(time.perf_counter() - t)"


def import_seconds(runs: int) -> list[float]:
    """The import alone, each time in a new interpreter; the first fills the file cache and is left out."""
    command = [sys.executable, "-c", TIMED_IMPORT]
    return [float(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(runs + 1)][1:]


def idle_server_mb() -> float:
    """Resident memory of a server that has answered nothing but its health check."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "waypost.yaml")
        config.write_text(CONFIG.format(ledger=Path(folder, "ledger.db")))
        command = [sys.executable, "-m", "waypost", "serve", "-c", str(config), "--host", "127.0.0.1", "--port", str(port)]
        log = Path(folder, "log")
        with log.open("wb") as output:
            server = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, "HOME": folder}
            )
        try:
            if not answers(server, port):
                raise SystemExit(f"the server did not start:\n{log.read_text()}")
            time.sleep(IDLE_S)
            return resident_mb(server.pid)
        finally:
            server.terminate()
            server.wait(30)


def answers(server: subprocess.Popen[bytes], port: int) -> bool:
    """Whether the server answers its liveness check before the time is over."""
    deadline = time.monotonic() + READY_S
    while server.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/live")
            if connection.getresponse().status == 200:
                return True
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    return False


def resident_mb(pid: int) -> float:
    """Resident memory of a process, in units of a million bytes."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit("this system does not tell the memory of a process: run it on Linux")
    return int(found.group(1)) * 1024 / 1e6


def main() -> int:
    """Measures, prints, and compares with the limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=21, help="imports to time")
    parser.add_argument("--json", action="store_true", help="print JSON with stable keys")
    options = parser.parse_args()
    times = import_seconds(options.runs)
    measured = {
        "import_s": {"median": statistics.median(times), "max": max(times), "runs": len(times), "limit": IMPORT_LIMIT_S},
        "idle_rss_mb": {"value": idle_server_mb(), "limit": MEMORY_LIMIT_MB},
    }
    seconds, memory = measured["import_s"]["median"], measured["idle_rss_mb"]["value"]
    if options.json:
        print(json.dumps(measured, indent=2))
    else:
        print(
            f"import waypost       {seconds:8.3f} s    limit {IMPORT_LIMIT_S} s, median of {len(times)}, max {max(times):.3f} s"
        )
        print(f"idle server, memory  {memory:8.1f} MB   limit {MEMORY_LIMIT_MB:.0f} MB, resident")
    return 0 if seconds < IMPORT_LIMIT_S and memory < MEMORY_LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
