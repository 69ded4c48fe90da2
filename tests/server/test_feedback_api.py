"""Feedback over HTTP, through the real server: ask, correct, ask again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from engines.process import ServerProcess

ServeWaypost = Callable[..., ServerProcess]
TEXT = "Who wrote Dune?"


def call(server: ServerProcess, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    sent = {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
    with httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.request(method, server.url + path, **sent)
    return answer.status_code, answer.json()


def asked(text: str = TEXT) -> dict[str, Any]:
    return {"model": "auto", "messages": [{"role": "user", "content": text}]}


def task_of(server: ServerProcess, text: str = TEXT) -> str:
    return str(call(server, "POST", "/v1/route", asked(text))[1]["task"]["task"])


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    entry = {"model_name": "a", "litellm_params": {"model": "simulated/a"}}
    return {
        "model_list": [entry],
        "ledger": {"path": str(tmp_path / "ledger.db")},
        "discovery": {"refresh_s": 0.1},
    }


@pytest.fixture
def server(waypost_server: ServeWaypost, config: dict[str, Any]) -> ServerProcess:
    return waypost_server(config)


def test_ask_correct_and_ask_again_over_a_restart_until_it_is_forgotten(
    waypost_server: ServeWaypost, config: dict[str, Any]
) -> None:
    first = waypost_server(config)
    with httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.post(f"{first.url}/v1/chat/completions", json=asked())
    before = answer.headers["x-waypost-task"]
    assert before != "memory"
    given = {"decision": answer.headers["x-waypost-decision"], "task": "memory", "user": "anna"}
    status, made = call(first, "POST", "/v1/feedback", given)
    assert (status, made["task"]) == (200, "memory")
    card = call(first, "POST", "/v1/route", asked())[1]
    assert (card["task"]["task"], card["route"]) == ("memory", "memory")
    assert card["task"]["evidence"][0] == "a correction of yours speaks for memory"

    second = waypost_server(config)
    assert task_of(second) == "memory"
    assert task_of(second, "Turn on the kitchen light") == task_of(first, "Turn on the kitchen light") == "tool_calling"
    (exported,) = call(second, "GET", "/v1/corrections")[1]["data"]
    assert exported.keys() == {"id", "task", "caller", "created_at", "features", "sketch"}
    assert (exported["id"], exported["task"], exported["caller"]) == (made["id"], "memory", "anna")
    assert call(second, "DELETE", f"/v1/corrections/{made['id']}") == (200, {"forgotten": 1})
    assert task_of(second) == before
    assert call(second, "GET", "/v1/corrections")[1]["data"] == []
    # The other server on the same ledger takes it up when it next looks.
    until(lambda: task_of(first) == before)


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_card_that_was_never_sent_can_be_corrected_too(server: ServerProcess) -> None:
    card = call(server, "POST", "/v1/route", asked())[1]
    assert call(server, "POST", "/v1/feedback", {"decision": card["id"], "task": "coding"})[0] == 200
    assert task_of(server) == "coding"


def test_a_text_is_corrected_and_forgotten_by_caller_or_altogether(server: ServerProcess) -> None:
    for text, user in (("hello there", "anna"), ("hello again my friend", "ben"), ("good morning", None)):
        assert call(server, "POST", "/v1/feedback", {"text": text, "task": "coding", "user": user})[0] == 200
    assert task_of(server, "hello there") == "coding"
    assert call(server, "DELETE", "/v1/corrections?caller=anna") == (200, {"forgotten": 1})
    assert call(server, "DELETE", "/v1/corrections?caller=") == (200, {"forgotten": 1})
    assert [row["caller"] for row in call(server, "GET", "/v1/corrections")[1]["data"]] == ["ben"]
    assert call(server, "DELETE", "/v1/corrections") == (200, {"forgotten": 1})
    assert task_of(server, "hello there") != "coding"


@pytest.mark.parametrize(
    ("body", "status", "param", "said"),
    [
        ({"text": "hi", "task": "dancing"}, 400, "task", "tool_calling, vision, chat, memory, reasoning, coding"),
        ({"text": "hi"}, 400, "task", "one of"),
        ({"task": "chat"}, 400, "decision", "what is corrected"),
        ({"decision": "wp_never", "task": "chat"}, 404, "decision", "send the text itself"),
        ({"text": "hi", "task": "chat", "weight": 9}, 400, "weight", "no such field"),
        ({"text": 5, "task": "chat"}, 400, "text", "must be a text"),
        ({"text": "  ", "task": "chat"}, 400, "text", "no word"),
        ({"text": "!!!", "task": "chat"}, 400, "text", "no word"),
        ({"text": "hi", "decision": "wp_never", "task": "chat"}, 400, "decision", "not both"),
        ({"text": "hi", "task": "chat", "user": ["anna"]}, 400, "user", "must be a text"),
        (b"{", 400, None, "not valid JSON"),
    ],
)
def test_bad_feedback_is_a_clear_error_in_openais_shape(
    gateway: ServerProcess, body: Any, status: int, param: str | None, said: str
) -> None:
    got, answer = call(gateway, "POST", "/v1/feedback", body)
    error = answer["error"]
    assert (got, error["type"], error["param"]) == (status, "invalid_request_error", param)
    assert said in error["message"]


def test_a_slip_forgets_nothing(server: ServerProcess) -> None:
    call(server, "POST", "/v1/feedback", {"text": "hello there", "task": "coding"})
    for path in ("?user=anna", "?caller=a&caller=b", "/wc_never"):
        assert call(server, "DELETE", f"/v1/corrections{path}")[0] in (400, 404)
    assert call(server, "PUT", "/v1/corrections")[0] == 405
    assert len(call(server, "GET", "/v1/corrections")[1]["data"]) == 1


def test_switched_off_it_is_refused_by_policy(waypost_server: ServeWaypost, config: dict[str, Any]) -> None:
    server = waypost_server({**config, "feedback": {"enabled": False}})
    status, answer = call(server, "POST", "/v1/feedback", {"text": "hi", "task": "chat"})
    assert (status, answer["error"]["code"]) == (403, "refused_by_policy")


def test_the_description_names_the_paths_and_the_tasks(gateway: ServerProcess) -> None:
    document = call(gateway, "GET", "/openapi.json")[1]
    assert document["paths"]["/v1/corrections"].keys() == {"get", "delete"}
    assert document["paths"].keys() >= {"/v1/feedback", "/v1/corrections/{id}"}
    assert document["components"]["schemas"]["Feedback"]["additionalProperties"] is False


def test_the_command_line_corrects_a_decision_of_the_running_server(server: ServerProcess, tmp_path: Path) -> None:
    card = call(server, "POST", "/v1/route", asked())[1]
    command = [sys.executable, "-m", "waypost", "feedback", "add", card["id"], "--task", "memory", "--url", server.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert (done.returncode, "memory" in done.stdout) == (0, True)
    assert task_of(server) == "memory"
    command[5] = "wp_never"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert (done.returncode, "--text" in done.stderr or "send the text" in done.stderr) == (1, True)
