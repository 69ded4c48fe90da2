"""How many tokens a text has, without a tokenizer.

The tokenizer that counts is the engine's, and it is not known before the decision, nor can it be downloaded here. So this is a
linear model over the text's bytes: every three bytes in a row point into a table of 65,536 weights, and the weights add up to
the estimate. The table is fitted to six current tokenizers at once, to err upwards: a guard that believes too small a number
lets an engine cut the prompt silently. Errors by language and tokenizer are in ``docs/tokens.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# What templates put around text, counted with the models' own tokenizers: the opening of the answer and a message, of ChatML
# and Llama 3; a call, and what precedes a list of tools, in Qwen's (86 tokens; Llama 3.1 has 76). A tool's 8 are for blanks
# that templates write into its JSON and we do not. Default system prompts (25 tokens) are left to the guard's headroom.
PER_PROMPT = 4
PER_MESSAGE = 5
PER_TOOL_CALL = 17
PER_TOOL = 8
PER_TOOL_LIST = 90

# The largest that a single image costs at Anthropic; OpenAI's largest is 1,445. At low detail OpenAI counts 85.
PER_IMAGE = 1600
PER_IMAGE_LOW_DETAIL = 85

# 32 tokens a second (Gemini; OpenAI counts 10), at 32 kB a second for WAV (16 kHz, 16 bit) and 8 kB for what is compressed.
_AUDIO_BYTES_PER_TOKEN = {"wav": 1000, "pcm16": 1000}
_COMPRESSED_AUDIO_BYTES_PER_TOKEN = 250

# A page of a PDF takes about 30 kB and, sent as text and as image, up to 2,000 tokens. By its id alone the size is unknown.
_DOCUMENT_BYTES_PER_TOKEN = 15
_DOCUMENT_AT_LEAST = 2000

# Longer texts are counted in evenly spread windows, so that the cost stays below about a millisecond.
_WHOLE_CHARS = 65_536
_WINDOWS = 32
_WINDOW_CHARS = _WHOLE_CHARS // _WINDOWS


def estimate(text: str) -> int:
    """The tokens of ``text``: at least 1 unless it is empty, and an error for no text whatever."""
    if not text:
        return 0
    table = _table()
    if len(text) <= _WHOLE_CHARS:
        return table.tokens(text)
    step = (len(text) - _WINDOW_CHARS) / (_WINDOWS - 1)
    starts = [round(index * step) for index in range(_WINDOWS)]
    sample = "".join([text[start : start + _WINDOW_CHARS] for start in starts])
    return round(table.tokens(sample) * len(text) / len(sample))


def image(*, low_detail: bool = False) -> int:
    """The tokens of an image whose size is unknown."""
    return PER_IMAGE_LOW_DETAIL if low_detail else PER_IMAGE


def audio(base64_chars: int, kind: str) -> int:
    """The tokens of sound, by its size and format."""
    return 1 + base64_chars * 3 // 4 // _AUDIO_BYTES_PER_TOKEN.get(kind, _COMPRESSED_AUDIO_BYTES_PER_TOKEN)


def document(base64_chars: int) -> int:
    """The tokens of a document, by its size; 0 characters is one that is given by its id."""
    return max(_DOCUMENT_AT_LEAST, base64_chars * 3 // 4 // _DOCUMENT_BYTES_PER_TOKEN)


# A step of the table is 1/32 token.
STEPS_PER_TOKEN = 32

# Rounded up from a quarter: on a text of a few tokens half a token is a large part.
_ROUNDING = 0.75


@dataclass(frozen=True, slots=True)
class TrigramTable:
    """Weights of hashed byte trigrams, in 1/32 token."""

    weights: NDArray[np.int8]

    def tokens(self, text: str) -> int:
        """The weights of all trigrams of ``text`` added up, to the next token."""
        from waypost.kernel import trigram_sum  # noqa: PLC0415 - importing waypost must not load numpy

        return max(1, int(trigram_sum(text, self.weights) / STEPS_PER_TOKEN + _ROUNDING))


@cache
def _table() -> TrigramTable:
    """Read once and never changed."""
    import numpy as np  # noqa: PLC0415 - as above

    with resources.files("waypost.artefacts").joinpath("token-weights.npy").open("rb") as file:
        return TrigramTable(np.load(file, allow_pickle=False))
