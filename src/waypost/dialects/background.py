"""A client's work of its own, which nobody waits for: titles, tags, follow-up questions, search queries.

Open WebUI names it in a header, where its connection is set up so (`docs/open-webui.md`). Without the header its templates are
told by how they open: a heading, an instruction of a known kind, and the conversation in a block behind it, all of it in one
message, with nothing said before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from waypost.turn import Message

TASK_HEADER = "x-openwebui-task"

# Open WebUI's names. Its `function_calling` chooses what shall be done and `moa_response_generation` writes what is read: both
# are as much the person's as the request itself.
TASKS: Mapping[str, str] = {
    "title_generation": "title",
    "tags_generation": "tags",
    "follow_up_generation": "follow-up questions",
    "emoji_generation": "emoji",
    "query_generation": "search queries",
    "image_prompt_generation": "image prompt",
    "autocomplete_generation": "autocompletion",
}

_HEADING = "### Task:"
_OPENINGS = (
    ("title", re.compile(r"generate\b.{0,60}\btitle\b")),
    ("tags", re.compile(r"generate\b.{0,40}\btags\b")),
    ("follow-up questions", re.compile(r"suggest\b.{0,40}\bfollow-up\b")),
    ("search queries", re.compile(r"analyze\b.{0,80}\bsearch queries\b")),
    ("image prompt", re.compile(r"generate\b.{0,20}\bprompt for\b.{0,12}\bimage\b")),
    ("autocompletion", re.compile(r"you are an autocompletion system\b")),
)
_OPENING_CHARS = 200
_HISTORY = "<chat_history>"
# Examples stand before the conversation, in some templates many.
_INSTRUCTION_CHARS = 6000


def background_work(headers: Mapping[str, str], messages: tuple[Message, ...]) -> str | None:
    """What kind of background work the request is, in words; ``None`` for what a person asked."""
    if named := headers.get(TASK_HEADER):
        kind = TASKS.get(named.strip().lower())
        if kind is not None:
            return kind
    text = messages[-1].text if messages else ""
    if not text.startswith(_HEADING) or any(message.role not in ("user", "system") for message in messages):
        return None
    opening = text[len(_HEADING) : _OPENING_CHARS].lstrip().lower()
    if _HISTORY not in text[:_INSTRUCTION_CHARS]:
        return None
    return next((kind for kind, pattern in _OPENINGS if pattern.match(opening)), None)
