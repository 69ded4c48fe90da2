"""Which requests are a client's own work."""

from __future__ import annotations

import pytest
from ollama_bodies import turn as ollama_turn
from openai_bodies import turn, user

from waypost.dialects.background import TASKS

CHAT = "<chat_history>\nUSER: turn off the alarm\n</chat_history>"
# Only the openings are what Open WebUI writes; the rest stands for it.
TEMPLATES = {
    "title": "Generate a concise, 3-5 word title for the chat.",
    "tags": "Generate 1-3 broad tags for the chat.",
    "follow-up questions": "Suggest 3-5 relevant follow-up questions.",
    "search queries": "Analyze the chat to see whether search queries are needed.",
    "image prompt": "Generate a detailed prompt for an image.",
    "autocompletion": "You are an autocompletion system. Continue.",
}


def prompt(opening: str, body: str = CHAT) -> str:
    return f"### Task:\n{opening}\n### Guidelines:\n- be brief\n{body}"


@pytest.mark.parametrize(("task", "kind"), TASKS.items())
def test_the_header_names_the_work(task: str, kind: str) -> None:
    headers = {"x-openwebui-task": task, "x-openwebui-chat-id": "c1"}
    made = turn(user("anything"), headers=headers)
    assert (made.background, made.session) == (kind, "c1")
    assert ollama_turn(headers=headers).background == kind


@pytest.mark.parametrize("task", ["", "{{TASK}}", "function_calling", "moa_response_generation", "chat"])
def test_other_values_of_the_header_are_a_persons_request(task: str) -> None:
    assert turn(user("anything"), headers={"x-openwebui-task": task}).background is None


@pytest.mark.parametrize(("kind", "opening"), TEMPLATES.items())
def test_without_the_header_a_template_is_told_by_its_opening(kind: str, opening: str) -> None:
    assert turn(user(prompt(opening))).background == kind
    assert ollama_turn(user(prompt(opening))).background == kind


@pytest.mark.parametrize(
    "messages",
    [
        [user(prompt("Respond to the user query using the context.", "<context>tags</context>\nwho wrote Dune?"))],
        [user(prompt("Generate a title for my novel about a lighthouse.", "It should be short."))],
        [user(prompt("Write a poem.", CHAT))],
        [user("hi"), {"role": "assistant", "content": "hello"}, user(prompt(TEMPLATES["title"]))],
        [user(f"What does this template do?\n{prompt(TEMPLATES['title'])}")],
    ],
    ids=["documents", "a person's title", "another task", "in a conversation", "quoted"],
)
def test_what_only_looks_like_it_is_a_persons_request(messages: list[dict[str, object]]) -> None:
    assert turn(*messages).background is None
