"""What the task model sees of a turn: its last words, those before them with less weight, and facts beside them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field, replace

import numpy as np

from waypost.decide.envelope import Opened, opened
from waypost.decide.features import Reading, excerpt, read
from waypost.kernel import marks
from waypost.turn import Image, Message, Turn
from waypost.value import value

EARLIER_TURNS = (0.25, 0.1)
"""The weights of the user turn before the last, and of the one before that."""

MATERIAL_WEIGHT = 0.25
"""The weight of what came along with the request: documents, code, quotes."""

QUESTION = "the assistant's open question"
QUESTION_WEIGHT = 0.7
"""The weight of the assistant's open question, where the last user message is a short reply to it."""

BARE_WORDS = 2
"""So few words that answer no question are read by themselves, without the turns before them."""

REPLY_CHARS = 60
"""A last user message up to this length may be a reply: "yes please", "the second one"."""

QUESTION_CHARS = 300
MASHED_LETTERS = 8
"""More letters than that say something only if they are not one or two letters in turn."""

CODE_MARK_SHARE = 0.05
"""Prose has fewer of the marks of code than this share of its characters."""

LONG_CONTEXT_TOKENS = 3000
"""More tokens than this beside the request are a long context: a document, a transcript, a long conversation."""

QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e")
"""Of Latin, East Asian, Arabic and Greek texts."""

_OFFER = re.compile(
    r"\b(?:shall i|should i|may i|can i|do you want me to|would you like me to|want me to|soll ich|darf ich|kann ich"
    r"|voulez-vous que je|veux-tu que je|dois-je|quieres que|debo|vuoi che|devo|quer que eu|zal ik|moet ik|wil je dat ik"
    r"|ska jag|skal jeg|czy mam)\b ?|要不要我|需要我",
    re.IGNORECASE,
)
"""Begins a question by which the assistant offers to do what follows. Said by the user, the same words ask for advice."""

FLAGS = (
    "image_in_last_message",
    "image_in_context",
    "tools_offered",
    "tool_results",
    "structured_output",
    "known_to_memory",
    "code_fence",
    "code_marks",
    "material",
    "answers_question",
    "follow_up",
    "long_conversation",
    "long_context",
    "one_word",
    "short_text",
    "medium_text",
    "long_text",
    "no_letters",
    "has_digits",
    "question_mark",
)


_CODE_MARK = np.isin(np.arange(1 << 16), [ord(mark) for mark in "{}()[]<>;=_&|"]).astype(np.uint8)


_LETTER = np.zeros(1 << 16, np.uint8)
_LETTER[97:123] = _LETTER[0xC0:0x2000] = _LETTER[0x2C00:0x3000] = _LETTER[0x3040:0xD800] = _LETTER[0xF900:0xFE00] = 1


@value(frozen=True, slots=True)
class Part:
    """A text that counts, with its weight. ``what`` says what it is, for people."""

    reading: Reading
    weight: float
    what: str


@value(frozen=True, slots=True)
class TurnReading:
    """``parts`` are the texts that count, the last request first; ``flags`` are those of ``FLAGS``.

    ``text`` is the request as it was written.
    """

    parts: tuple[Part, ...]
    flags: tuple[bool, ...]
    text: str = field(default="", repr=False)
    background: bool = False

    @property
    def request(self) -> Reading:
        """The last words of the user."""
        return self.parts[0].reading

    def asking(self, text: str) -> TurnReading:
        """The same turn with ``text`` for its request."""
        return replace(self, parts=(replace(self.parts[0], reading=read(text)), *self.parts[1:]), text=text)

    @property
    def question(self) -> Reading | None:
        """The assistant's open question that the request replies to."""
        return next((part.reading for part in self.parts if part.what == QUESTION), None)

    @property
    def says_something(self) -> bool:
        """Some part holds a word."""
        return bool(self.request.starts.size) or any(part.reading.starts.size for part in self.parts)


def read_turn(turn: Turn) -> TurnReading:
    """The last user turn and two before it; of the assistant nothing but a question that is still open."""
    said = _until_the_last_request(turn.messages)
    asked = [message for message in said if message.role == "user"]
    letter = opened(asked[-1].text) if asked else Opened("")
    request = read(letter.request)
    parts = [Part(request, 1.0, "the last request")]
    if letter.material:
        parts.append(Part(read(letter.material), MATERIAL_WEIGHT, "what came along with it"))
    question = open_question(said, letter.request)
    if question:
        parts.append(Part(read(_offered(question)), QUESTION_WEIGHT, QUESTION))
    # "ok" after a command that was carried out is no command again.
    bare = not question and request.starts.size <= BARE_WORDS
    for weight, message in () if bare else zip(EARLIER_TURNS, asked[-2::-1], strict=False):
        earlier = opened(message.text).request
        if earlier:
            parts.append(Part(read(earlier), weight, "an earlier message"))
    flags = _flags(turn, said, asked, letter, request, answers=bool(question))
    return TurnReading(tuple(parts), flags, letter.request, letter.background)


def _until_the_last_request(messages: Sequence[Message]) -> Sequence[Message]:
    """Without what came after the last user message: a tool loop under way is read as the turn that began it."""
    for number in range(len(messages), 0, -1):
        if messages[number - 1].role == "user":
            return messages[:number]
    return messages


def open_question(messages: Sequence[Message], request: str) -> str:
    """The last question of the message before, where the user's last one is short enough to be a reply; else nothing."""
    if len(request) > REPLY_CHARS or len(messages) < 2 or messages[-1].role != "user":
        return ""
    before = messages[-2]
    if before.role != "assistant":
        return ""
    said = before.text[-QUESTION_CHARS:]
    end = max(said.rfind(mark) for mark in QUESTION_MARKS)
    start = max(said.rfind(mark, 0, max(end, 0)) for mark in (". ", "! ", "\n", "\u3002", "\uff01", "\uff1f", "? "))
    return said[start + 1 : end + 1].strip()


def _offered(question: str) -> str:
    """What the assistant offers to do, as the user would ask for it; a question that offers nothing stays as it is."""
    offer = _OFFER.search(question)
    return question[offer.end() :].rstrip("".join(QUESTION_MARKS)) if offer else question


def marks_of(request: Reading) -> tuple[bool, bool, int]:
    """Whether a text has many marks of code, letters or signs (not one or two over and over), and how many digits."""
    known: tuple[bool, bool, int] | None = request.known.get("marks")
    if known is None:
        code, letters, varied, digits = marks(request.codes, _CODE_MARK, _LETTER)
        says = letters > 0 and (letters <= MASHED_LETTERS or varied)
        known = request.known["marks"] = code > CODE_MARK_SHARE * request.codes.size, says, digits
    return known


def _flags(
    turn: Turn, said: Sequence[Message], asked: Sequence[Message], letter: Opened, request: Reading, *, answers: bool
) -> tuple[bool, ...]:
    """Whether each of ``FLAGS`` holds, in their order. Nothing here means that an action is wanted: only the text can."""
    results = image = False
    for message in said:
        image = image or Image in map(type, message.parts)
        results = results or message.role in ("tool", "function")
    words = request.starts.size
    code, letters, digits = marks_of(request)
    head = excerpt(letter.request)
    return (
        image and bool(asked) and Image in map(type, asked[-1].parts),
        image,
        bool(turn.tools) and turn.tool_choice != "none",
        results,
        turn.response_format != "text",
        turn.known_to_memory,
        "```" in letter.material or ("`" in head and "```" in head),
        code,
        bool(letter.material),
        answers,
        len(asked) > 1,
        len(asked) > 4,
        turn.prompt_tokens > LONG_CONTEXT_TOKENS and _has_long_context(turn, said, letter),
        words <= 1,
        1 < words <= 4,
        4 < words <= 20,
        words > 60,
        not letters,
        digits > 0,
        head.rstrip().endswith(QUESTION_MARKS),
    )


def _has_long_context(turn: Turn, said: Sequence[Message], letter: Opened) -> bool:
    chars_behind = sum(len(message.text) for message in turn.messages[len(said) :])
    chars_here = len(letter.request) + len(letter.material) + chars_behind
    return turn.prompt_tokens - chars_here // 3 > LONG_CONTEXT_TOKENS
