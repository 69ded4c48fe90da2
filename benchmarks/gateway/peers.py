"""The gateways that are measured, and how each is started with the settings that its makers recommend for production."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import engine
from processes import GATEWAY_CORE, LOAD_CORE, Program, environment, free_port, start

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TASKS = ("tool_calling", "vision", "chat", "memory", "reasoning", "coding")
PLAIN = "/v1/chat/completions"

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx-{port}.pid; error_log stderr error; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_buffer_size 128k; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 100000000; keepalive_timeout 300; default_type application/json; {http}
  server {{ listen 127.0.0.1:{port} backlog=2048; {server} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A command line and its environment. A ``port`` of 0 is chosen by the program."""

    command: list[str]
    port: int
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """One gateway: how it is started in front of an engine, and what a client has to send."""

    name: str
    title: str
    call: Callable[[Path, int], Call]
    version: Callable[[], str]
    missing: Callable[[], str | None] = lambda: None
    path: str = PLAIN
    model: str = "bench-0"
    headers: str = ""
    ready: str = "/health/ready"

    def start(self, folder: Path, engine_port: int, core: int = GATEWAY_CORE) -> Program:
        """Starts it on the gateway's core, with ``folder`` for its files."""
        call = self.call(folder, engine_port)
        return start(call.command, port=call.port, folder=folder, core=core, env=call.env, ready=self.ready)


def start_nginx_engine(folder: Path) -> Program:
    """The engine for answers in one piece: nginx gives one of half a kilobyte."""
    port = free_port()
    server = (
        f"location = /v1/models {{ return 200 '{engine.LIST}'; }} location = {PLAIN} {{ return 200 '{engine.ANSWER}'; }}"
        " location / { return 404 '{}'; }"
    )
    return start(_nginx(folder, port, server), port=port, folder=folder, core=LOAD_CORE, env={}, ready="/v1/models")


def start_streaming_engine(folder: Path) -> Program:
    """The engine for streams."""
    port = free_port()
    command = [sys.executable, str(HERE / "engine.py"), str(port)]
    return start(command, port=port, folder=folder, core=LOAD_CORE, env={}, ready="/v1/models")


def _nginx(folder: Path, port: int, server: str, http: str = "") -> list[str]:
    config = folder / f"nginx-{port}.conf"
    config.write_text(NGINX.format(folder=folder, port=port, http=http, server=server))
    return ["nginx", "-c", str(config), "-p", str(folder), "-e", "stderr"]


def _waypost(folder: Path, engine_port: int) -> Call:
    """Ten deployments, all six routes, each in another order, and the ledger on."""
    names = [f"bench-{n}" for n in range(engine.MODELS)]
    api_base = f"http://127.0.0.1:{engine_port}/v1"
    config = {
        "model_list": [
            {
                "model_name": name,
                "litellm_params": {"model": f"openai/{name}", "api_base": api_base, "api_key": "none"},
                "model_info": {"supports_function_calling": True, "supports_vision": True, "max_input_tokens": 32768},
            }
            for name in names
        ],
        "routes": {task: names[n:] + names[:n] for n, task in enumerate(TASKS)},
        "ledger": {"path": str(folder / "ledger.db")},
    }
    port = free_port()
    file = _written(folder / "waypost.yaml", config)
    command = [sys.executable, "-m", "waypost", "serve", "-c", file, "--host", "127.0.0.1", "--port", str(port)]
    return Call(command, port, {"PYTHONPATH": str(ROOT / "src")})


def _floor(client: str) -> Callable[[Path, int], Call]:
    def call(_: Path, engine_port: int) -> Call:
        port = free_port()
        return Call([sys.executable, str(HERE / "floor.py"), str(port), str(engine_port), client], port)

    return call


def _nginx_proxy(folder: Path, engine_port: int) -> Call:
    port = free_port()
    http = f"upstream engine {{ server 127.0.0.1:{engine_port}; keepalive 512; keepalive_requests 100000000; }}"
    server = (
        'location / { proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }'
    )
    return Call(_nginx(folder, port, server, http), port)


def _litellm(folder: Path, engine_port: int) -> Call:
    """As its page on production has it: one worker a core, a master key, no debugging, logs of errors only; no database.

    Prices come from the package, as they do on a machine without a way out.
    """
    params = {"model": "openai/bench-0", "api_base": f"http://127.0.0.1:{engine_port}/v1", "api_key": "none"}
    config = {
        "model_list": [{"model_name": "bench-0", "litellm_params": params} for _ in range(engine.MODELS)],
        "general_settings": {"master_key": "sk-bench"},
        "litellm_settings": {"set_verbose": False, "json_logs": True, "request_timeout": 600},
    }
    port = free_port()
    file = _written(folder / "litellm.yaml", config)
    command = [str(_environment("LITELLM", "litellm-proxy") / "bin" / "litellm"), "--config", file]
    env = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "NO_PROXY": "127.0.0.1",
    }
    return Call([*command, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"], port, env)


def _tensorzero(folder: Path, engine_port: int) -> Call:
    """Without its databases: nothing is observed."""
    config = folder / "tensorzero.toml"
    config.write_text(
        "[gateway]\nobservability.enabled = false\n[models.bench]\nrouting = ['bench']\n[models.bench.providers.bench]\n"
        f"type = 'openai'\nmodel_name = 'bench-0'\napi_base = 'http://127.0.0.1:{engine_port}/v1'\napi_key_location = 'none'\n"
    )
    python = _environment("TENSORZERO", "tensorzero") / "bin" / "python"
    return Call([str(python), str(HERE / "tensorzero_gateway.py"), str(config)], 0)


def _written(file: Path, config: dict[str, Any]) -> str:
    file.write_text(json.dumps(config))  # JSON is YAML
    return str(file)


def _environment(variable: str, folder: str) -> Path:
    """The virtual environment of a gateway: what the variable says, else a folder of that name in `.cache/peers`."""
    return Path(os.environ.get(variable) or ROOT / ".cache" / "peers" / folder).absolute()


def _needs(variable: str, folder: str, package: str, program: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        place = _environment(variable, folder)
        if (place / "bin" / program).exists():
            return None
        home = f".cache/peers/{folder}"
        return (
            f"`python -m venv {home} && {home}/bin/pip install '{package}'`, or name an environment that has it in {variable}"
        )

    return missing


def _package(variable: str, folder: str, package: str) -> Callable[[], str]:
    def installed() -> str:
        python = _environment(variable, folder) / "bin" / "python"
        return printed([str(python), "-c", f"from importlib.metadata import version; print(version({package!r}))"])

    return installed


def printed(command: list[str], env: Mapping[str, str] | None = None) -> str:
    """What a command prints, on either stream."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**environment(), **(env or {})})
    return (done.stdout + done.stderr).strip()


def nginx_version() -> str:
    """Such as 1.22.1."""
    return printed(["nginx", "-v"]).rpartition("/")[2]


def wrk_version() -> str:
    """Such as debian/4.1.0-3+b2."""
    return printed(["wrk", "-v"]).split()[1]


def _needs_nginx() -> str | None:
    return None if shutil.which("nginx") else "`apt-get install nginx-light`"


def _waypost_version() -> str:
    source = {"PYTHONPATH": str(ROOT / "src")}
    commit = printed(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
    return printed([sys.executable, "-c", "import waypost; print(waypost.__version__)"], source) + f" ({commit})"


def _floor_version(client: str) -> Callable[[], str]:
    return lambda: f"(uvicorn {version('uvicorn')}, {client} {version(client)})"


_LITELLM = ("LITELLM", "litellm-proxy")
_TENSORZERO = ("TENSORZERO", "tensorzero")
PEERS = (
    Peer("waypost", "Waypost", _waypost, _waypost_version, model="auto"),
    Peer("floor", "floor: uvicorn, bare ASGI, aiohttp", _floor("aiohttp"), _floor_version("aiohttp")),
    Peer("floor-httptools", "floor: uvicorn, bare ASGI, httptools client", _floor("httptools"), _floor_version("httptools")),
    Peer("nginx", "nginx, reverse proxy", _nginx_proxy, nginx_version, _needs_nginx),
    Peer(
        "litellm",
        "LiteLLM proxy",
        _litellm,
        _package(*_LITELLM, "litellm"),
        _needs(*_LITELLM, "litellm[proxy]", "litellm"),
        headers="Authorization: Bearer sk-bench\r\n",
        ready="/health/liveliness",
    ),
    Peer(
        "tensorzero",
        "TensorZero, served from Python",
        _tensorzero,
        _package(*_TENSORZERO, "tensorzero"),
        _needs(*_TENSORZERO, "tensorzero", "python"),
        path="/openai/v1/chat/completions",
        model="tensorzero::model_name::bench",
    ),
)
DIRECT = "direct"  # no gateway: the load generator asks the engine itself
