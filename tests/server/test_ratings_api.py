"""Ratings over HTTP, through the real server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from engines.process import ServerProcess

ServeWaypost = Callable[..., ServerProcess]


@pytest.fixture
def server(waypost_server: ServeWaypost, tmp_path: Path) -> ServerProcess:
    entry = {"model_name": "a", "litellm_params": {"model": "simulated/a"}}
    return waypost_server({"model_list": [entry], "ledger": {"path": str(tmp_path / "ledger.db")}})


def call(server: ServerProcess, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    with httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.request(method, server.url + path, json=body)
    return answer.status_code, answer.json()


def answered(server: ServerProcess) -> str:
    asked = {"model": "auto", "messages": [{"role": "user", "content": "Who wrote Dune?"}]}
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.post(f"{server.url}/v1/chat/completions", json=asked).headers["x-waypost-decision"]


def test_an_answer_is_rated_shown_listed_and_forgotten(server: ServerProcess) -> None:
    decision = answered(server)
    status, made = call(server, "POST", "/v1/feedback", {"decision": decision, "score": 1, "user": "anna"})
    assert (status, made) == (200, {"id": made["id"], "decision": decision, "score": 1.0, "source": "user"})
    judged = call(server, "POST", "/v1/feedback", {"decision": decision, "score": 0.25, "source": "judge"})[1]
    shown = call(server, "GET", f"/v1/decisions/{decision}")[1]["ratings"]
    assert [(one["id"], one["score"], one["caller"]) for one in shown] == [
        (made["id"], 1.0, "anna"),
        (judged["id"], 0.25, None),
    ]
    assert call(server, "GET", "/v1/ratings")[1] == {"object": "list", "data": shown}
    assert call(server, "DELETE", "/v1/ratings?caller=anna") == (200, {"forgotten": 1})
    assert call(server, "DELETE", f"/v1/ratings/{judged['id']}") == (200, {"forgotten": 1})
    assert call(server, "DELETE", "/v1/ratings") == (200, {"forgotten": 0})
    assert call(server, "GET", "/v1/ratings")[1]["data"] == []


@pytest.mark.parametrize(
    ("body", "status", "param", "said"),
    [
        ({"score": 2}, 400, "score", "from 0 to 1"),
        ({"score": "good"}, 400, "score", "from 0 to 1"),
        ({"score": None}, 400, "score", "from 0 to 1"),
        ({"score": 1, "source": "rumour"}, 400, "source", "user, check, judge"),
        ({"score": 1, "task": "chat"}, 400, "task", "decision, score, source, user"),
        ({"score": 1, "comment": "nice"}, 400, "comment", "decision, score, source, user"),
        ({"score": 1, "decision": None}, 400, "decision", "by its id"),
        ({"score": 1, "decision": "wp_never"}, 404, "decision", "no decision of that id"),
        ({"score": 1, "user": 5}, 400, "caller", "must be a text"),
    ],
)
def test_a_bad_rating_is_a_clear_error(server: ServerProcess, body: Any, status: int, param: str, said: str) -> None:
    got, answer = call(server, "POST", "/v1/feedback", {"decision": answered(server), **body})
    assert (got, answer["error"]["type"], answer["error"]["param"]) == (status, "invalid_request_error", param)
    assert said in answer["error"]["message"]


def test_a_slip_forgets_nothing(server: ServerProcess) -> None:
    call(server, "POST", "/v1/feedback", {"decision": answered(server), "score": 0})
    for path in ("?user=anna", "?caller=a&caller=b", "/wr_never"):
        assert call(server, "DELETE", f"/v1/ratings{path}")[0] in (400, 404)
    assert len(call(server, "GET", "/v1/ratings")[1]["data"]) == 1


def test_the_description_names_the_paths_and_the_form(server: ServerProcess) -> None:
    document = call(server, "GET", "/openapi.json")[1]
    assert document["paths"]["/v1/ratings"].keys() == {"get", "delete"}
    assert "/v1/ratings/{id}" in document["paths"]
    assert document["components"]["schemas"]["Rating"]["required"] == ["decision", "score"]
