"""Whether an engine has read the prompt that it was sent, or only a part of it.

Ollama is told to refuse a prompt that does not fit (``truncate: false``), and versions that know that do. Others cut it and
answer as if nothing were missing. What gives them away is their own count of the tokens that they have read, at the end of the
answer. It counts what was in the engine's cache too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from waypost.dispatch.events import Call
from waypost.errors import ProviderContextTooLong
from waypost.tokens import estimate

# How much larger than the truth the estimate may be (docs/tokens.md): for texts of the Latin alphabet, and for others, where a
# tokenizer that is good at Bengali or Hindi needs half of it.
LATIN, OTHER = 1.5, 2.5
# A count that is a power of two is the size of a window more likely than that of a prompt: older versions cut to exactly that.
SUSPICIOUS = 1.25
# On short prompts, a few dozen tokens of a template more or less mean nothing.
LEAST_MISSING_TOKENS = 256
# Ollama has never had a smaller window by default: an engine that has shown none is not taken to have a smaller one.
LEAST_WINDOW_TOKENS = 2048
# What some tokenizers merge and others do not: the estimate follows those that do not.
_MERGED = ((re.compile(r"\d{1,3}"), "0"), (re.compile(r"\s+"), " "), (re.compile(r"([^\w\s])\1+"), r"\1"))


def refuse_cut_prompt(call: Call, sent: Mapping[str, Any], last: Mapping[str, Any]) -> None:
    """Raises `ProviderContextTooLong` if the ``last`` line of an answer shows that the prompt was cut.

    That is so where the engine has read clearly less than the texts alone must have, without tools, images and thoughts, which
    templates may leave out; or exactly as many tokens as the window holds that it was given, and less than the estimate.
    The error has the window that the engine seems to have. Where ``truncate`` was asked for, or nothing counted, all is well.
    """
    read, expected = last.get("prompt_eval_count"), call.prompt_tokens
    if type(read) is not int or read < 1 or sent.get("truncate") or expected is None or read >= expected:
        return
    window = sent.get("options", {}).get("num_ctx")
    full = type(window) is int and read >= window
    if not full and (expected <= SUSPICIOUS * read or not _clearly_less(read, sent["messages"])):
        return
    name = call.deployment.id
    message = f"{name} has read only {read} of about {expected} tokens: its window is smaller than it was said to be"
    seems = read if full else max(read, LEAST_WINDOW_TOKENS)
    raise ProviderContextTooLong(message, deployment=name, window_tokens=seems)


def window_that_refused(call: Call) -> int | None:
    """What the window of an engine is at most that has refused the prompt as too long; ``None``: that is known already."""
    known = call.deployment.window_tokens
    most = max((call.prompt_tokens or 0) - 1, LEAST_WINDOW_TOKENS)
    return most if known is None or known > most else None


def _clearly_less(read: int, messages: list[dict[str, Any]]) -> bool:
    text = "\n".join(_texts(messages))
    for pattern, merged in _MERGED:
        text = pattern.sub(merged, text)
    expected = estimate(text)
    if read >= LEAST_WINDOW_TOKENS and read & (read - 1) == 0:
        allowed = SUSPICIOUS
    else:
        allowed = LATIN if sum(map(str.isascii, text)) > 0.9 * len(text) else OTHER
    return expected > allowed * read and expected - read >= LEAST_MISSING_TOKENS


def _texts(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        yield message["content"]
        for call in message.get("tool_calls", ()):
            yield str(call["function"]["arguments"])
