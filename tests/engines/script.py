"""What a tiny model says: a vocabulary, and for every token the token that follows it.

The chat template picks a start token from the conversation, and each start token begins one scripted answer. A real engine
then gives a known answer at any temperature up to about 2:

===================================  ===============================================================================
the last message has                 the answer
===================================  ===============================================================================
anything                             ``Hello from NAME, a tiny local model.``
``count``                            ``c001 c002 … c200``: a lost, doubled or swapped piece of a stream shows
``loop``                             ``lorem ipsum`` without an end: the finish reason is ``length``
``dice``                             ``rolled one!`` … ``rolled six!``, with equal odds
``think``                            reasoning, then an answer
``utf``                              ``é€😀``, one byte a token
tools, and ``weather`` or ``tool``   one call, ``get_weather {"city": "Paris"}``
tools, and ``both``                  two calls, ``get_weather`` and ``get_time``
tools, and ``crash``                 a call; with ``tool_choice: required`` it aborts llama.cpp
role ``tool``                        ``The tool says it is sunny``
===================================  ===============================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

Kind = Literal["control", "user", "normal"]

VOCABULARY_SIZE = 768
END = "<|im_end|>"
MERGES = 180

CONTROL = (
    *("<|endoftext|>", "<|im_start|>", END, "<|say|>", "<|count|>", "<|loop|>", "<|dice|>", "<|think|>", "<|utf|>"),
    *("<|onecall|>", "<|both|>", "<|after|>", "<|call|>", "<|pad|>"),
)
MARKUP = ("<tool_call>", "</tool_call>", "<think>", "</think>")

# Ordinary prompts should take a few tokens a word, as with a real tokenizer.
CORPUS = (
    "the model server routes each request to a local model and the answer comes back as a stream of tokens. "
    "you are a helpful assistant. user asks: what is the weather in paris today? please think and count to ten. "
    "the system function name arguments parameters string object type required city description call tools tool json "
    "schema return within with for from that this are not have was "
    "Hello world, this is a test of the routing gateway. The quick brown fox jumps over the lazy dog. "
)

# A piece must not run over the end of "<tool_call>": llama.cpp starts its grammar there.
ONE_CALL = (
    *("<tool_", "call>", '\n{"name": "', "get_weather", '", "arguments":', ' {"city"', ': "Par', 'is"}}\n'),
    *("</tool_ca", "ll>"),
)
TWO_CALLS = (
    *("<tool", "_call>", '\n{"name": "get_wea', 'ther", "arguments": ', '{"city": "Rome"}}', "\n</tool_c", "all>"),
    *("\n<tool_call", ">", '\n{"name": "get_time"', ', "arguments": {', '"zone": "CET"}', "}\n</tool", "_cal", "l>"),
)
# llama.cpp takes the start token <|call|> for an end token, and a grammar that forbids the end then has no way out.
CRASHING_CALL = (
    *("<tool_call>", '\n{"name":', ' "get_weather"', ', "arguments"', ': {"city": "Oslo"}', "}\n", "</tool_call>"),
)
THOUGHT = (
    *("<think>", "\nThe user wants", " some thought", ".\n", "</think>", "\n\n"),
    *("I thought", " about it;", " the answer", " is 42"),
)
DICE = ("one", "two", "three", "four", "five", "six")

SCRIPTED = 60.0
# After any other token: end. Where a grammar forbids the end, close what is open.
FALLBACK = ((END, 40.0), ('"', 36.0), ("</tool_call>", 33.0), ("}", 30.0), ("]", 27.0), ("{", 24.0), ("1", 20.0), (":", 15.0))


@dataclass(frozen=True)
class Script:
    """A vocabulary, the merges that tokenize into it, and for each token its successors with their logits."""

    tokens: tuple[str, ...]
    kinds: tuple[Kind, ...]
    merges: tuple[tuple[str, str], ...]
    successors: tuple[tuple[tuple[int, float], ...], ...]

    def id_of(self, token: str) -> int:
        """The id of a token, by its stored text."""
        return self.tokens.index(token)


@dataclass
class _Draft:
    tokens: list[str] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    successors: dict[int, list[tuple[int, float]]] = field(default_factory=dict)

    def add(self, token: str, kind: Kind = "normal") -> int:
        if token in self.ids:
            raise ValueError(f"token twice: {token!r}")
        self.ids[token] = len(self.tokens)
        self.tokens.append(token)
        self.kinds.append(kind)
        return self.ids[token]

    def piece(self, text: str) -> int:
        """One token for all of ``text``; a token has one successor, so a used one is not used again."""
        if text in MARKUP:
            return self.ids[text]
        stored = as_stored(text)
        if stored in self.ids and self.ids[stored] not in self.successors:
            return self.ids[stored]
        return self.add(stored)

    def follow(self, start: int, pieces: Iterable[int]) -> int:
        last = start
        for piece in pieces:
            self.successors[last] = [(piece, SCRIPTED)]
            last = piece
        return last

    def say(self, start: str, pieces: Iterable[str]) -> None:
        last = self.ids[start]
        for text in pieces:
            last = self.follow(last, [self.piece(text)])
        self.follow(last, [self.ids[END]])


def byte_characters() -> dict[int, str]:
    """The printable character that a GPT-2 vocabulary stores for each of the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}


def as_stored(text: str) -> str:
    """``text`` as a GPT-2 vocabulary stores it."""
    characters = byte_characters()
    return "".join(characters[byte] for byte in text.encode())


def byte_pair_merges(corpus: str, count: int) -> list[tuple[str, str]]:
    """The ``count`` most frequent merges, by the textbook algorithm."""
    words = Counter(tuple(as_stored(word)) for word in corpus.replace(" ", "\0 ").split("\0"))
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                pairs[pair] += times
        best = max(sorted(pairs), key=pairs.__getitem__)
        merges.append(best)
        merged: Counter[tuple[str, ...]] = Counter()
        for word, times in words.items():
            merged[_merge(word, best)] += times
        words = merged
    return merges


def _merge(word: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    out: list[str] = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return tuple(out)


def build_script(name: str) -> Script:
    """The script of a model that introduces itself as ``name``."""
    draft = _Draft()
    for token in CONTROL:
        draft.add(token, "control")
    for token in MARKUP:
        draft.add(token, "user")
    for character in byte_characters().values():
        draft.add(character)
    merges = byte_pair_merges(CORPUS, MERGES)
    for left, right in merges:
        if left + right not in draft.ids:
            draft.add(left + right)
    _add_answers(draft, name)
    unused = VOCABULARY_SIZE - len(draft.tokens)
    for number in range(unused):
        draft.add(f"<|unused{number}|>", "control")
    fallback = [(draft.ids[token], logit) for token, logit in FALLBACK]
    successors = []
    for number in range(VOCABULARY_SIZE):
        scripted = draft.successors.get(number, [])
        known = {successor for successor, _ in scripted}
        successors.append((*scripted, *(pair for pair in fallback if pair[0] not in known)))
    return Script(tuple(draft.tokens), tuple(draft.kinds), tuple(merges), tuple(successors))


def _add_answers(draft: _Draft, name: str) -> None:
    draft.say("<|say|>", ["Hello from", f" {name}", ", a tiny", " local model", "."])
    draft.say("<|count|>", [f" c{number:03d}" for number in range(1, 201)])
    draft.say("<|think|>", THOUGHT)
    draft.say("<|onecall|>", ONE_CALL)
    draft.say("<|both|>", TWO_CALLS)
    draft.say("<|call|>", CRASHING_CALL)
    draft.say("<|after|>", ["The tool says", " it is", " sunny"])

    lorem, ipsum = draft.piece(" lorem"), draft.piece(" ipsum")
    draft.follow(draft.ids["<|loop|>"], [lorem, ipsum, lorem])

    rolled = draft.follow(draft.ids["<|dice|>"], [draft.piece(" rolled")])
    faces = [draft.piece(f" {face}!") for face in DICE]
    draft.successors[rolled] = [(face, SCRIPTED) for face in faces]
    for face in faces:
        draft.follow(face, [draft.ids[END]])

    characters = byte_characters()
    split = [draft.ids[characters[byte]] for byte in "é€😀".encode()]
    draft.follow(draft.ids["<|utf|>"], [*split, draft.ids[END]])
