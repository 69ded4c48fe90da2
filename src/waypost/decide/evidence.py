"""What spoke for a task, in words that may be shown."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from waypost.decide.features import Reading
from waypost.decide.reading import FLAGS

Hashes = npt.NDArray[np.uint64]

FLAG_WORDS = {
    "image_in_context": "an image is in the conversation",
    "tools_offered": "tools are offered",
    "tool_results": "the conversation holds tool results",
    "structured_output": "structured output is asked for",
    "known_to_memory": "the caller's memory knows what it is about",
    "code_fence": "the message holds a code block",
    "code_marks": "the message is full of the marks of code",
    "material": "a document or a quote came along",
    "answers_question": "it answers the assistant's question",
    "follow_up": "it follows earlier messages",
    "long_context": "the context is long",
    "no_letters": "the message holds no letters",
    "has_digits": "the message holds numbers",
    "question_mark": "the message ends with a question mark",
}
MOST_WORDS = 3
TOKENS = 64
LONGEST_WORD_CHARS = 20


def word_hash(word: str) -> int:
    """64 bits of a word, apart from its table row: two words that share a row share no hash."""
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def is_known(word: str, vocabulary: Hashes) -> bool:
    """Whether many people use ``word``: its hash is in ``vocabulary``, which is in order."""
    if not vocabulary.size:
        return False
    hashed = np.uint64(word_hash(word))
    return bool(vocabulary.take(np.searchsorted(vocabulary, hashed), mode="clip") == hashed)


def word_evidence(request: Reading, gains: npt.NDArray[np.float64], vocabulary: Hashes, task: str) -> list[str]:
    """The words of the request with the highest ``gains`` (one for each word): only such as many people use are ever named."""
    found: list[str] = []
    for position in np.argsort(-gains, kind="stable").tolist():
        if gains[position] <= 0 or len(found) == MOST_WORDS:
            break
        word = request.word(position)
        sentence = f"word “{word}” speaks for {task}"
        if word.isalpha() and len(word) <= LONGEST_WORD_CHARS and sentence not in found and is_known(word, vocabulary):
            found.append(sentence)
    return found


def fact_evidence(flags: Sequence[bool], gains: npt.NDArray[np.float64]) -> list[str]:
    """The fact with the highest of ``gains`` (one for each of ``FLAGS``), if one holds that speaks for the task."""
    holding = [i for i, name in enumerate(FLAGS) if flags[i] and gains[i] > 0 and name in FLAG_WORDS]
    return [FLAG_WORDS[FLAGS[max(holding, key=gains.__getitem__)]]] if holding else []
