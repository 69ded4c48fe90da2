"""The server as its users meet it: real process, real engine, plain HTTP."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from engines.gateway import fleet_config
from engines.llamacpp import LlamaCpp
from engines.process import ServerProcess, free_port
from waypost.ledger.reader import SqliteReader

ServeWaypost = Callable[..., ServerProcess]


def ask(server: ServerProcess, body: Any, path: str = "/v1/chat/completions", **headers: str) -> httpx.Response:
    sent = {"content": body} if isinstance(body, bytes) else {"json": body}
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.post(server.url + path, headers={name.replace("_", "-"): v for name, v in headers.items()}, **sent)


def chat(text: str = "hi", **fields: Any) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}


def events(response: httpx.Response) -> list[str]:
    return [line.removeprefix("data: ") for line in response.text.splitlines() if line]


def test_headers_name_the_decision_and_the_decision_explains_the_answer(gateway: ServerProcess) -> None:
    answer = ask(gateway, chat(model="zoe-action"), x_request_id="mine-1")
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == "mine-1"
    assert (answer.headers["x-waypost-deployment"], answer.headers["x-waypost-route"]) == ("beta", "tool_calling")
    status, entry = gateway.get(f"/v1/decisions/{answer.headers['x-waypost-decision']}")
    assert status == 200
    assert (entry["status"], entry["deployment"], entry["requested"]) == ("ok", "beta", "zoe-action")
    assert entry["completion_tokens"] == answer.json()["usage"]["completion_tokens"]
    assert entry["card"]["candidates"][0]["deployment"] == "beta"
    assert entry["attempts"][0]["committed"]
    assert "hi" not in json.dumps(entry["prompt"])


def test_the_card_comes_with_the_answer_only_when_asked_for(gateway: ServerProcess) -> None:
    assert "waypost" not in ask(gateway, chat()).json()
    whole = ask(gateway, chat(), x_waypost_card="true").json()
    assert whole["waypost"]["deployment"] == "alpha"
    assert whole["choices"][0]["message"]["content"].startswith("Hello from alpha")


def test_a_stream_ends_with_the_card_and_then_done(gateway: ServerProcess) -> None:
    plain = events(ask(gateway, chat("count", stream=True)))
    assert plain[-1] == "[DONE]"
    assert all(json.loads(event)["choices"] for event in plain[:-1])
    carded = events(ask(gateway, chat("count", stream=True), x_waypost_card="true"))
    assert carded[-1] == "[DONE]"
    last = json.loads(carded[-2])
    assert (last["choices"], last["object"], last["waypost"]["deployment"]) == ([], "chat.completion.chunk", "alpha")


def test_route_gives_the_card_and_calls_nobody(gateway: ServerProcess) -> None:
    answer = ask(gateway, chat("What's my home address?"), "/v1/route")
    card = answer.json()
    assert answer.status_code == 200
    assert (card["deployment"], card["refusal"]) == ("alpha", None)
    assert gateway.get(f"/v1/decisions/{card['id']}")[0] == 404


def test_route_shows_why_nobody_can_answer_instead_of_failing(gateway: ServerProcess) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = {"model": "auto", "messages": [{"role": "user", "content": [picture]}]}
    card = ask(gateway, body, "/v1/route").json()
    assert (card["deployment"], card["refusal"]["code"]) == (None, "missing_capability")
    refused = ask(gateway, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "missing_capability")
    assert refused.headers["x-should-retry"] == "false"
    entry = gateway.get(f"/v1/decisions/{refused.headers['x-waypost-decision']}")[1]
    assert (entry["status"], entry["attempts"]) == ("refused", [])


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, "invalid_value", None),
        (b"[]", 400, "invalid_value", None),
        ({"model": "auto", "messages": []}, 400, "invalid_value", "messages"),
        ({"model": "auto", "messages": [{"role": "user", "content": 5}]}, 400, "invalid_value", "messages[0].content"),
        (chat(api_base="http://127.0.0.1:9"), 400, "forbidden_field", "api_base"),
        (chat(metadata={"x": [{"api_key": "k"}]}), 400, "forbidden_field", "metadata.x[0].api_key"),
        (chat(model="alhpa"), 404, "model_not_found", "model"),
    ],
)
def test_bad_input_is_a_clear_error_in_openais_shape(
    gateway: ServerProcess, body: Any, status: int, code: str, param: str | None
) -> None:
    answer = ask(gateway, body)
    error = answer.json()["error"]
    assert answer.status_code == status
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)


def test_unknown_paths_and_methods_answer_in_the_same_shape(gateway: ServerProcess) -> None:
    assert gateway.get("/v1/nothing")[1]["error"]["code"] == "not_found"
    status, body = gateway.get("/v1/chat/completions")
    assert (status, body["error"]["type"]) == (405, "invalid_request_error")
    assert gateway.get("/v1/models/nobody")[0] == 404
    assert gateway.get("/v1/models/auto")[1]["id"] == "auto"


def test_row_54_a_body_over_the_limit_is_refused_with_and_without_a_length(
    waypost_server: ServeWaypost, waypost_config: dict[str, Any], tmp_path: Path
) -> None:
    server = waypost_server(
        {**waypost_config, "server": {"max_body_bytes": 10_000}, "ledger": {"path": str(tmp_path / "ledger.db")}}
    )
    assert ask(server, chat("x" * 20_000)).status_code == 413

    def chunks() -> Any:
        for _ in range(20):
            yield b"x" * 1000

    with httpx.Client(trust_env=False) as client:
        answer = client.post(f"{server.url}/v1/chat/completions", content=chunks())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "payload_too_large")


def test_row_55_a_compressed_body_that_is_broken_is_refused(gateway: ServerProcess) -> None:
    answer = ask(gateway, b"\x1f\x8b", content_encoding="gzip")
    assert (answer.status_code, "content-encoding" in answer.json()["error"]["message"]) == (400, True)


def test_row_58_a_body_that_trickles_is_cut_off(
    waypost_server: ServeWaypost, waypost_config: dict[str, Any], tmp_path: Path
) -> None:
    server = waypost_server(
        {**waypost_config, "server": {"receive_timeout_s": 0.3}, "ledger": {"path": str(tmp_path / "ledger.db")}}
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{")
        assert b" 408 " in connection.recv(4096).split(b"\r\n")[0]


def test_a_server_without_any_engine_simulates_and_says_so(waypost_server: ServeWaypost, tmp_path: Path) -> None:
    nothing_here = [{"url": f"http://127.0.0.1:{free_port()}"}]
    config = {"discovery": {"targets": nothing_here, "timeout_s": 0.5}, "ledger": {"path": str(tmp_path / "ledger.db")}}
    server = waypost_server(config)
    assert "SIMULATED" in server.log_text()
    answer = ask(server, chat("write a python function that sorts a list"))
    assert answer.headers["x-waypost-simulated"] == "true"
    assert "simulated" in answer.json()["choices"][0]["message"]["content"].lower()
    streamed = ask(server, chat("hello there", stream=True))
    text = "".join(json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events(streamed)[:-1])
    assert "simulated" in text.lower()


def test_an_engine_that_is_down_is_listed_as_down_and_the_server_says_degraded(
    waypost_server: ServeWaypost, llamacpp: LlamaCpp, tmp_path: Path
) -> None:
    dead = f"http://127.0.0.1:{free_port()}/v1"
    server = waypost_server(fleet_config(tmp_path, {"dead": dead, "alpha": llamacpp.base_url}))
    status, ready = server.get("/health/ready")
    assert (status, ready["status"]) == (200, "degraded")
    rows = {row["id"]: row["waypost"] for row in server.get("/v1/models")[1]["data"]}
    assert (rows["dead"]["up"], rows["alpha"]["up"]) == (False, True)
    assert rows["dead"]["reason"]
    assert ask(server, chat()).headers["x-waypost-deployment"] == "alpha"


def test_a_port_in_use_names_the_option_to_change(gateway: ServerProcess, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "waypost", "serve", "--port", str(gateway.port)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_that_others_can_reach_is_refused_without_a_word_from_the_config(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "waypost", "serve", "--host", "0.0.0.0", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "allow_unauthenticated_lan" in done.stderr


def test_row_52_a_bad_config_keeps_the_old_one_and_a_good_one_takes_over(
    waypost_server: ServeWaypost, waypost_config: dict[str, Any], tmp_path: Path
) -> None:
    config = {**waypost_config, "ledger": {"path": str(tmp_path / "ledger.db")}}
    server = waypost_server(config)
    file = server.log.parent / "waypost.yaml"

    def until(happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < deadline, server.log_text()
            time.sleep(0.02)

    file.write_text("routes: {chat: [nobody]}\n" + yaml.safe_dump({k: v for k, v in config.items() if k != "routes"}))
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "nobody" in server.log_text())
    assert ask(server, chat(model="zoe-action")).headers["x-waypost-deployment"] == "beta"
    file.write_text(yaml.safe_dump({**config, "aliases": {"zoe-action": "alpha"}}))
    server.process.send_signal(signal.SIGHUP)
    until(lambda: ask(server, chat(model="zoe-action")).headers["x-waypost-deployment"] == "alpha")


def test_a_server_that_is_told_to_stop_says_so_to_clients_that_still_wait(
    waypost_server: ServeWaypost, start_llamacpp: Callable[..., LlamaCpp], tmp_path: Path
) -> None:
    endless = start_llamacpp("endless", window_tokens=32_768)
    config = fleet_config(tmp_path, {"endless": endless.base_url}, window_tokens=32_768)
    server = waypost_server({**config, "server": {"shutdown_s": 1}})
    body = chat("loop", model="endless", max_tokens=30_000, stream=True)
    url = f"{server.url}/v1/chat/completions"
    with httpx.Client(trust_env=False, timeout=60) as client, client.stream("POST", url, json=body) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data: ")
        server.process.send_signal(signal.SIGTERM)
        said = [line for line in lines if line]
    assert json.loads(said[-1].removeprefix("data: "))["error"]["code"] == "server_stopping"
    assert server.process.wait(20) == 0
    assert "Traceback" not in server.log_text()
    entry = SqliteReader(tmp_path / "ledger.db").get(answer.headers["x-waypost-decision"])
    assert entry is not None
    assert (entry["status"], entry["error"], entry["http_status"]) == ("partial", "server_stopping", 200)
