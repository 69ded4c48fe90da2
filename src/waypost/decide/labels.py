"""What a turn may be: six tasks, the finer labels below them, and what each says of the turn.

The model knows labels only; the task, the act and the needs of a turn are sums over them. This table is their one home.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

TASKS = ("tool_calling", "vision", "chat", "memory", "reasoning", "coding")
ACTION = "tool_calling"
"""The task whose false alarm is the worst mistake: something would be done that nobody asked for."""

DEFAULT_TASK = "chat"
"""What a turn is taken for whose task is not clear."""

Act = Literal["command", "question", "chat"]
ACTS: tuple[Act, ...] = ("command", "question", "chat")
Need = Literal["fresh_information", "own_past", "long_context"]
NEEDS: tuple[Need, ...] = ("fresh_information", "own_past", "long_context")


@dataclass(frozen=True, slots=True)
class Label:
    """A kind of request. ``act``: a *command* wants something done outside of the conversation, a *question* wants an answer
    or a text, *chat* wants neither.
    """

    name: str
    task: str
    act: Act
    means: str
    need: Need | None = None


LABELS = (
    Label("device_command", ACTION, "command", "something at home or on a device shall change"),
    Label("alarm_timer", ACTION, "command", "an alarm, a timer or a reminder"),
    Label("calendar", ACTION, "command", "an event or a meeting shall be made, moved or cancelled"),
    Label("list", ACTION, "command", "a shopping list, a to-do list or a note shall change"),
    Label("message", ACTION, "command", "a message, a mail or a call"),
    Label("media", ACTION, "command", "music, radio, films: play, stop, louder"),
    Label("booking", ACTION, "command", "something shall be found and booked, ordered or bought"),
    Label("account", ACTION, "command", "a bank, a shop, an employer or a business system shall change something"),
    Label("api_task", ACTION, "command", "work for tools, services and files"),
    Label("status_query", ACTION, "question", "the state of devices, or of what is the user's own", "fresh_information"),
    Label("live_info", ACTION, "question", "public information of now: weather, traffic, prices", "fresh_information"),
    Label("image_question", "vision", "question", "a question about an image"),
    Label("smalltalk", "chat", "chat", "small talk"),
    Label("question_answering", "chat", "question", "public knowledge and explanations"),
    Label("advice", "chat", "question", "advice and recommendations"),
    Label("creative_writing", "chat", "question", "poems, stories, names"),
    Label("writing", "chat", "question", "mails, essays, letters, as texts"),
    Label("rewriting", "chat", "question", "a given text in another form"),
    Label("summarising", "chat", "question", "a summary, or facts out of a given text"),
    Label("translation", "chat", "question", "another language"),
    Label("roleplay", "chat", "question", "a role that is to be played"),
    Label("recall", "memory", "question", "a fact of the user's own life", "own_past"),
    Label("conversation_recall", "memory", "question", "what was said earlier", "own_past"),
    Label("teach", "memory", "chat", "a personal fact that is to be kept"),
    Label("document_question", "memory", "question", "a long document or conversation", "long_context"),
    Label("maths", "reasoning", "question", "calculation, proof, quantitative science"),
    Label("logic", "reasoning", "question", "deduction and puzzles"),
    Label("planning", "reasoning", "question", "a plan under constraints"),
    Label("write_code", "coding", "question", "a program, a query, a page"),
    Label("fix_code", "coding", "question", "an error in code"),
    Label("explain_code", "coding", "question", "a question about programming"),
    Label("operations", "coding", "question", "shell, servers, configuration"),
)

LABEL_NAMES = tuple(label.name for label in LABELS)
TASK_OF: Mapping[str, str] = MappingProxyType({label.name: label.task for label in LABELS})
LABEL_NAMES_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {task: tuple(label.name for label in LABELS if label.task == task) for task in TASKS}
)


def labels_of(task: str) -> Iterable[int]:
    """The places in ``LABELS`` of a task's labels."""
    return (place for place, label in enumerate(LABELS) if label.task == task)
