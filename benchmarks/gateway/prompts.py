"""The requests of the load: 240 prompts of about 100 tokens, each with a number that makes it unlike every one before it.

A gateway that remembers texts or answers gains nothing from them. The number has a fixed width, so the length of a request does
not depend on it, and a load generator can put it in without building the request again.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass

PLACE = "00000000"  # where the number goes; nothing else in a request looks like it

_SUBJECTS = (
    "the lamps of the old lighthouse on the northern pier",
    "the timetable of the night trains through the mountains",
    "a recipe for rye bread that my neighbour wrote down by hand",
    "the accounts of a small choir with forty members",
    "a garden of tomatoes that ripen too late every year",
    "the heating of a wooden house with thick walls",
    "a script that sorts photographs by the day they were taken",
    "the rules of a board game for five players",
    "a letter to the council about the crossing at the school",
    "the bees that moved into the roof of our shed",
    "a talk about tides for children of ten",
    "the repair of a bicycle with an old hub gear",
    "a walk of three days along the river with a dog",
    "the words of a song that my grandmother used to sing",
    "a spreadsheet with the rainfall of the last twenty years",
    "the plan for a wedding in a barn without electricity",
    "a translation of a Danish weather report",
    "the noise that our washing machine makes at the end",
    "a database of library books that are never returned",
    "the paint for a boat that stays in the water all year",
    "a test that fails only on Mondays",
    "the seating of an orchestra in a narrow church",
    "a budget for a family of six with one income",
    "the map of a village that was moved for a reservoir",
)
_WISHES = (
    "Explain in a few sentences what matters most and what people usually get wrong about it",
    "Write a short function in Python that would help me with it, and say how you would test it",
    "Work out step by step how much time it takes if two people share the work and one of them is twice as fast",
    "Remember that I asked about this in spring, and tell me what has changed since we last talked about it",
    "Make a list of the seven things that I should do first, in the order in which you would do them yourself",
    "Tell me a calm story about it that I can read aloud in the evening, with a friendly ending",
    "Set a reminder for next Thursday morning, and turn on the light in the kitchen while I look for my notes",
    "Compare two ways of going about it, with their costs, and say which one you would choose in my place",
    "Summarise what an expert would say about it, and mark clearly what is only a guess",
    "Ask me five questions that would help you to give better advice about it than a book could",
)
_REST = (
    "I have been thinking about it for some weeks now, and everybody whom I ask tells me something different. Please keep it "
    f"short, use plain words, and leave out what I can find anywhere. My note about this has the number {PLACE}."
)


@dataclass(frozen=True, slots=True)
class Request:
    """A whole HTTP request, cut where its number goes."""

    before: str
    after: str

    def numbered(self, number: int) -> bytes:
        """The bytes to send."""
        return f"{self.before}{number % 10 ** len(PLACE):0{len(PLACE)}d}{self.after}".encode()


def prompts() -> list[str]:
    """All prompts, in an order in which neighbours differ in both halves."""
    pairs = itertools.product(range(len(_WISHES)), range(len(_SUBJECTS)))
    return [
        f"This is about {_SUBJECTS[subject]}. {_WISHES[(wish + subject) % len(_WISHES)]}. {_REST}" for wish, subject in pairs
    ]


def requests(host: str, path: str, model: str, headers: str = "", *, stream: bool = False) -> list[Request]:
    """One POST for each prompt; ``headers`` are whole lines, each with its line end."""
    return [_request(prompt, host, path, model, headers, stream=stream) for prompt in prompts()]


def _request(prompt: str, host: str, path: str, model: str, headers: str, *, stream: bool) -> Request:
    streamed = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}], **streamed})
    fields = f"Host: {host}\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n"
    head = f"POST {path} HTTP/1.1\r\n{fields}\r\n"
    before, _, after = body.partition(PLACE)
    return Request(head + before, after)
