"""What Open WebUI does for itself, through the whole server: elsewhere than the conversation, which stays where it is."""

from __future__ import annotations

from typing import Any

import pytest
from front import Front, Serve

TITLE = "### Task:\nGenerate a concise title for the chat.\n### Chat History:\n<chat_history>\nUSER: hi\n</chat_history>"
CHAT = "x-openwebui-chat-id: c1"
TASK = "x-openwebui-task: title_generation"
# Nobody knows their sizes, so the first of the list is asked first.
MODELS = ("ok", "ok-after-300ms")
ROUTES = {"chat": {"candidates": ["ok-after-300ms"]}, "coding": {"candidates": ["ok"]}}


async def ask(front: Front, path: str, text: str, *headers: str) -> str:
    body: dict[str, Any] = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": False}
    said = await front.ask(body, *headers, path=path)
    assert said.status == 200, said.body
    return said.headers["x-waypost-deployment"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
@pytest.mark.parametrize(("text", "headers"), [("anything", (CHAT, TASK)), (TITLE, (CHAT,))], ids=["header", "template"])
async def test_a_title_is_written_elsewhere_and_the_conversation_stays(
    serve: Serve, path: str, text: str, headers: tuple[str, ...]
) -> None:
    front = await serve(*MODELS, routes=ROUTES)
    assert await ask(front, path, "Good morning! How are you?", CHAT) == "ok-after-300ms"
    assert await ask(front, path, text, *headers) == "ok"
    row = await front.row()
    assert (row["session"], row["deployment"]) == ("c1", "ok")
    assert row["card"]["reason"] == "background work of the client (title): the smallest model that is loaded"
    assert front.router.fleet.view_for("c1").answered_last == ("ok-after-300ms",)


async def test_a_normal_message_with_an_empty_task_is_a_persons(serve: Serve) -> None:
    front = await serve(*MODELS, routes=ROUTES)
    deployment = await ask(front, "/v1/chat/completions", "Good morning! How are you?", CHAT, "x-openwebui-task: ")
    assert deployment == "ok-after-300ms"
