"""A message without its envelope: what the person asks, apart from what only came along.

Clients wrap prompts in templates, and people paste documents, code and logs. Their words are no wish: "delete the old files"
in a pasted page must not become an action. What is wrapped or quoted is *material*, and counts little.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from waypost.value import value

PLAIN_CHARS = 1200
"""A text up to this length without marks of an envelope is all request."""

LOOKED_AT_CHARS = 4000
EDGE_CHARS = 500
"""Of a long text in several paragraphs, the request is looked for in this much of its first and its last one."""

_MARKS = ("```", '"""', "</", "\n>", "### ", "[")
_SIGNS = '`"<>#['
"""Each mark has one of them: to look for a single character takes a tenth of the time."""

# What holds the person's own words, inside of a client's template. Outside of one, such a block is as quoted as any other:
# else a page that is pasted could say what it wants to be taken for.
_ASKED = frozenset(("user_query", "user_message", "user_request", "user_input", "query", "question"))
_TEMPLATE = re.compile(r"\A\s*(?:#{2,3} Task:|\Z)", re.IGNORECASE)
# A client's own work, never the person's: titles, tags, follow-up questions, search queries (Open WebUI and its kin).
_BACKGROUND = re.compile(r"\A\s*#{2,3} Task:.{0,4000}(?:<chat_history>|### Chat History)", re.DOTALL | re.IGNORECASE)
# None of these looks at a character more than a few times, whatever the text.
_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]{1,40})(?:\s[^<>]{0,200})?>")
_MATERIAL = (
    re.compile(r"```.*?(?:```|\Z)", re.DOTALL),
    re.compile(r'"""(.{40,}?)(?:"""|\Z)', re.DOTALL),
    re.compile(r"^>.*$", re.MULTILINE),
    re.compile(r"(?<![!-~])[!-~]{200,}"),
)
_STAMP = re.compile(r"\A\s*\[?(?:20\d\d-\d\d-\d\d|\d{1,2}:\d\d)[^\]\n]{0,24}\]:?\s*")
_PARAGRAPHS = re.compile(r"\n\s*\n")


@value(frozen=True, slots=True)
class Opened:
    """``request`` is what is asked, ``material`` what came along. ``background``: a client's own work, which asks nothing."""

    request: str
    material: str = ""
    background: bool = False


def opened(text: str) -> Opened:
    """``text`` out of its envelope. Looks at the first and the last 4,000 characters only; empty only where ``text`` is."""
    holds = text.__contains__
    if len(text) <= PLAIN_CHARS and not (any(map(holds, _SIGNS)) and any(map(holds, _MARKS))):
        return Opened(text)
    if len(text) > 2 * LOOKED_AT_CHARS:
        text = f"{text[:LOOKED_AT_CHARS]}\n\n{text[-LOOKED_AT_CHARS:]}"
    if _BACKGROUND.match(text):
        return Opened("", text, background=True)
    blocks = _blocks(text) if "</" in text else []
    request = _without(text, [(start, end) for _, start, end, _ in blocks])
    asked = [block for block in blocks if block[0] in _ASKED]
    if asked and _TEMPLATE.match(request):
        return Opened(asked[-1][3], _without(text, [asked[-1][1:3]]))
    material = [text[start:end] for _, start, end, _ in blocks]
    request = _STAMP.sub("", request)
    for pattern in _MATERIAL:
        material += [match[0] for match in pattern.finditer(request)]
        request = pattern.sub("\n", request)
    request, middle = _edges(request.strip())
    return Opened(request, "\n".join([*material, middle])) if request else Opened(text)


def _blocks(text: str) -> list[tuple[str, int, int, str]]:
    """The outermost tagged blocks that hold something: name, where they begin and end, and what is inside."""
    found: list[tuple[str, int, int, str]] = []
    name, start, inside = "", 0, 0
    for tag in _TAG.finditer(text):
        if not name and not tag[1]:
            name, start, inside = tag[2].lower(), tag.start(), tag.end()
        elif tag[1] and tag[2].lower() == name:
            inner = text[inside : tag.start()].strip()
            found += [(name, start, tag.end(), inner)] if inner else []
            name = ""
    return found


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    ends = [0, *(end for _, end in spans)]
    starts = [*(start for start, _ in spans), len(text)]
    return "\n".join(text[end:start] for end, start in zip(ends, starts, strict=True))


def _edges(text: str) -> tuple[str, str]:
    """The request of a long text is at its beginning or at its end; what is between is material."""
    paragraphs = _PARAGRAPHS.split(text) if len(text) > PLAIN_CHARS else []
    if len(paragraphs) < 3:
        return text, ""
    first, last = paragraphs[0][:EDGE_CHARS], paragraphs[-1][-EDGE_CHARS:]
    return f"{first}\n{last}", "\n".join(paragraphs[1:-1])
