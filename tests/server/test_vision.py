"""Requests with an image reach a deployment that can see, on every turn after it too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from clients.connection import connect
from engines.process import ServerProcess

ServeWaypost = Callable[..., ServerProcess]
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


@pytest.fixture
def client(waypost_server: ServeWaypost, tmp_path: Path) -> Iterator[OpenAI]:
    def entry(name: str, vision: bool) -> dict[str, Any]:
        return {"model_name": name, "litellm_params": {"model": f"simulated/{name}"}, "model_info": {"supports_vision": vision}}

    config = {
        "model_list": [entry("text", vision=False), entry("eyes", vision=True)],
        "routes": {"chat": ["text"], "vision": ["eyes"]},
        "ledger": {"path": str(tmp_path / "ledger.db")},
    }
    with connect(waypost_server(config)) as opened:
        yield opened


def served_by(client: OpenAI, *messages: dict[str, Any]) -> str:
    answer = client.chat.completions.with_raw_response.create(model="auto", messages=list(messages))  # type: ignore[arg-type]
    return str(answer.headers["x-waypost-deployment"])


def test_an_image_is_seen_now_and_on_the_turns_after_it(client: OpenAI) -> None:
    seen = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, PICTURE]}
    said = {"role": "assistant", "content": "A lighthouse."}
    assert served_by(client, seen) == "eyes"
    assert served_by(client, seen, said, {"role": "user", "content": "Thank you, that was kind."}) == "eyes"


def test_words_about_a_picture_need_no_eyes(client: OpenAI) -> None:
    assert served_by(client, {"role": "user", "content": "Picture this: a quiet morning by the sea. Nice, isn't it?"}) == "text"
