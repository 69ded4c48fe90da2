"""The response cache as clients of the real server see it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from clients.connection import connect
from engines.gateway import fleet_config
from engines.llamacpp import LlamaCpp
from engines.process import ServerProcess

Answer = tuple[str, str, dict[str, Any]]


@pytest.fixture
def server(waypost_server: Callable[..., ServerProcess], llamacpp: LlamaCpp, tmp_path: Path) -> ServerProcess:
    config = fleet_config(tmp_path, {"alpha": llamacpp.base_url})
    config["routes"]["chat"]["cache"] = True
    config["model_list"][0]["model_info"] |= {"input_cost_per_token": 0.001, "output_cost_per_token": 0.001}
    return waypost_server(config)


def ask(client: OpenAI, text: str = "Good morning!", **options: Any) -> tuple[str | None, dict[str, str]]:
    """The text of an answer, and its headers without the prefix."""
    answer = client.chat.completions.with_raw_response.create(
        model="chat", messages=[{"role": "user", "content": text}], **options
    )
    headers = {name.removeprefix("x-waypost-"): value for name, value in answer.headers.items()}
    if not options.get("stream"):
        return answer.parse().choices[0].message.content, headers
    return "".join(chunk.choices[0].delta.content or "" for chunk in answer.parse()), headers


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_openai_python_gets_the_same_answer_from_the_cache_and_is_told(
    server: ServerProcess, llamacpp: LlamaCpp, stream: bool
) -> None:
    with connect(server) as client:
        text, missed = ask(client, stream=stream)
        again, hit = ask(client, stream=stream)
        new, renewed = ask(client, stream=stream, extra_headers={"cache-control": "no-cache"})
        _, untold = ask(client, stream=stream, extra_headers={"cache-control": "no-store"})
    assert text == again == new == llamacpp.hello
    assert (missed["cache"], hit["cache"], renewed["cache"], untold.get("cache")) == ("miss", "hit", "miss", None)
    assert (missed["attempts"], hit["attempts"], hit["deployment"]) == ("1", "0", "alpha")
    assert hit.get("cost-usd") == (None if stream else "0.00000000")
    assert missed["decision"] != hit["decision"]
    status, entry = server.get(f"/v1/decisions/{hit['decision']}")
    assert (status, entry["cache"], entry["cost_usd"], entry["attempts"]) == (200, "hit", 0, [])
    assert entry["deployment"] == "alpha"


def test_row_67_clients_with_different_keys_never_share(server: ServerProcess) -> None:
    with connect(server) as one, connect(server) as other:
        mine, theirs = one.with_options(api_key="sk-a"), other.with_options(api_key="sk-b")
        assert [ask(client)[1]["cache"] for client in (mine, theirs, mine, theirs)] == ["miss", "miss", "hit", "hit"]
        assert ask(mine, user="somebody")[1]["cache"] == "miss"


def test_requests_at_once_make_one_call(server: ServerProcess, llamacpp: LlamaCpp) -> None:
    with connect(server) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(client, "count", stream=True), range(8)))
    assert len({text for text, _ in answers}) == 1
    assert sorted(headers["attempts"] for _, headers in answers) == ["0"] * 7 + ["1"]
    assert {headers["cache"] for _, headers in answers} <= {"miss", "shared", "hit"}
