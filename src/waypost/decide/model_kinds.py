"""What is publicly known of models before anybody judged an answer of theirs: their size, their year, whether they think."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from types import MappingProxyType

KIND = ("constant", "log2_size", "size_secret", "small_sibling", "year", "thinking")
"""What `kind_of` tells. Whether a model was tuned, and whether its year is known, told nothing of models of other sources."""

_EXPERTS = re.compile(r"(?<![\w.])(\d+)x(\d+(?:\.\d+)?)b(?![a-z0-9])")
_SIZE = re.compile(r"(?<![\w.])e?(\d+(?:\.\d+)?)(b|m)(?![a-z0-9])")
_ACTIVE = re.compile(r"(?<=[-_])a-?(\d+(?:\.\d+)?)b(?![a-z0-9])")
_SMALL = ("mini", "nano", "haiku", "flash", "lite", "small", "micro")
_SECRET = (
    "gpt",
    "chatgpt",
    "o",
    "claude",
    "gemini",
    "grok",
    "nova",
    "reka",
    "yi-large",
    "mistral-medium",
    "qwen-max",
    "magistral-medium",
)
"""Families whose sizes are not told."""

_THINKING = (
    *("thinking", "reasoning", "reasoner", "r-1", "o-1", "o-3", "o-4", "qwq", "glm-z", "sky-t", "gpt-5", "gpt-oss"),
    *(
        "gemini-2-5-pro",
        "gemini-3",
        "magistral",
        "qwen-3-0-6b",
        "qwen-3-1-7b",
        "qwen-3-4b",
        "qwen-3-8b",
        "qwen-3-14b",
        "qwen-3-32b",
    ),
)
_FIRST_YEAR, _LAST_YEAR, _MIDDLE_YEAR = 2023.3, 2025.9, 2024.5
"""Of the models with outcomes: what is older or newer counts like these. A size whose year nobody knows counts like the middle;
a family that is always in the news, but with a version that is not below, like the newest."""

_MIDDLE_BILLIONS = 16
_LEAST_BILLIONS, _MOST_BILLIONS = 0.25, 512.0
"""What is said to be smaller or larger, by its name or by its engine, counts like these: nobody has judged any such model."""

_BILLIONS: Mapping[str, float] = MappingProxyType(
    {
        "mistral-nemo": 12,
        "mistral-small-3": 24,
        "mistral-small": 22,
        "mistral-large": 123,
        "phi-3-5-mini": 3.8,
        "phi-3-mini": 3.8,
        "phi-3-medium": 14,
        "phi-4-mini": 3.8,
        "phi-4": 14,
        "command-r-plus": 104,
        "command-r": 35,
        "command-a": 111,
        "athene-v-2": 72,
        "dbrx": 69,
        "snowflake-arctic": 90,
        "jamba-1-5-large": 193,
        "jamba-1-6-large": 193,
        "minimax-01": 145,
        "llama-4-scout": 43,
        "llama-4-maverick": 82,
        "deepseek-v-2-lite": 6,
        "deepseek-v-2": 70,
        "deepseek-coder-v-2": 70,
        "deepseek-v-3": 157,
        "deepseek-r-1": 157,
        "deepseek-chat": 157,
        "deepseek-reasoner": 157,
        "kimi-k-2": 179,
        "glm-4-5": 107,
        "glm-4-5-air": 36,
        "glm-4-6": 107,
        "glm-4-7": 107,
        "minimax-m-2": 48,
    }
)
"""By the beginning of the plain name, the longest that fits: sizes that names do not tell. Of models with experts it is the
geometric mean of all parameters and those at work at a time, the rule of thumb for the dense model of the same ability."""

_AT_WORK: Mapping[str, float] = MappingProxyType(
    {
        "deepseek-coder-v-2-16b": 6,
        "deepseek-coder-v-2-236b": 70,
        "deepseek-r-1-671b": 157,
        "deepseek-v-2-16b": 6,
        "deepseek-v-2-236b": 70,
        "deepseek-v-3-671b": 157,
        "gpt-oss-120b": 24,
        "gpt-oss-20b": 8.7,
        "llama-4-maverick-17b": 82,
        "llama-4-scout-17b": 43,
        "qwen-3-235b": 72,
        "qwen-3-30b": 9.5,
        "qwen-3-coder-30b": 9.5,
        "qwen-3-coder-480b": 130,
        "qwen-3-next-80b": 15.5,
    }
)
"""The same for models with experts whose names tell something else."""

_YEARS: Mapping[str, float] = MappingProxyType(
    {
        "llama-2": 2023.5,
        "llama-3": 2024.3,
        "llama-3-1": 2024.6,
        "llama-3-2": 2024.7,
        "llama-3-3": 2024.9,
        "llama-4": 2025.3,
        "codellama": 2023.6,
        "mistral-7b": 2023.8,
        "mistral-7b-instruct-v-0-2": 2023.9,
        "mistral-7b-instruct-v-0-3": 2024.4,
        "mistral-nemo": 2024.5,
        "mistral-small": 2024.2,
        "mistral-small-latest": 2025.5,
        "mistral-small-3": 2025.1,
        "mistral-small-3-2": 2025.5,
        "devstral": 2025.4,
        "mistral-medium": 2023.9,
        "mistral-medium-3": 2025.3,
        "mistral-large": 2024.2,
        "mistral-large-2407": 2024.6,
        "mistral-large-2411": 2024.9,
        "mistral-large-latest": 2025.9,
        "mixtral-8x7b": 2023.9,
        "mixtral-8x22b": 2024.3,
        "ministral": 2024.8,
        "magistral": 2025.4,
        "mathstral": 2024.5,
        "codestral": 2024.4,
        "qwen-1-5": 2024.1,
        "qwen-max": 2025.1,
        "qwen-2": 2024.4,
        "qwen-2-5": 2024.7,
        "qwen-3": 2025.3,
        "qwen-3-5": 2026.1,
        "qwen-3-coder": 2025.6,
        "qwen-3-next": 2025.7,
        "qwq": 2025.2,
        "gemma": 2024.1,
        "gemma-2": 2024.5,
        "gemma-2-2b": 2024.6,
        "gemma-3": 2025.2,
        "gemma-3n": 2025.4,
        "codegemma": 2024.3,
        "phi-2": 2023.9,
        "phi-3": 2024.3,
        "phi-3-5": 2024.6,
        "phi-4": 2024.9,
        "phi-4-reasoning": 2025.3,
        "yi": 2023.8,
        "yi-1-5": 2024.4,
        "yi-large": 2024.4,
        "deepseek-chat": 2025.9,
        "deepseek-reasoner": 2025.9,
        "deepseek-v-2": 2024.3,
        "deepseek-v-2-chat-0628": 2024.5,
        "deepseek-v-2-5": 2024.7,
        "deepseek-coder-v-2": 2024.5,
        "deepseek-v-3": 2024.9,
        "deepseek-v-3-0324": 2025.2,
        "deepseek-v-3-1": 2025.6,
        "deepseek-v-3-2": 2025.9,
        "deepseek-r-1": 2025.1,
        "deepseek-r-1-0528": 2025.4,
        "command-r": 2024.2,
        "command-r-08": 2024.6,
        "command-r-plus": 2024.3,
        "command-r-plus-08": 2024.6,
        "command-r-7b": 2024.9,
        "command-a": 2025.2,
        "aya-23": 2024.4,
        "tulu-3": 2024.9,
        "olmo-2": 2024.9,
        "olmo-2-32b": 2025.2,
        "internlm-2-5": 2024.5,
        "wizardlm-2": 2024.3,
        "nemotron-4": 2024.4,
        "llama-3-1-nemotron": 2024.8,
        "llama-3-3-nemotron": 2025.2,
        "athene": 2024.5,
        "athene-v": 2024.9,
        "jamba-1-5": 2024.6,
        "jamba-1-6": 2025.2,
        "minimax-01": 2025.0,
        "glm-4": 2024.5,
        "glm-z-1": 2025.3,
        "glm-4-5": 2025.6,
        "glm-4-6": 2025.7,
        "glm-4-7": 2025.9,
        "kimi-k-2": 2025.5,
        "minimax-m-2": 2025.8,
        "granite-3": 2024.8,
        "granite-4": 2025.8,
        "smollm-2": 2024.8,
        "smollm-3": 2025.5,
        "tinyllama": 2024.0,
        "pythia": 2023.3,
        "alpaca": 2023.3,
        "vicuna": 2023.3,
        "falcon": 2023.4,
        "wizardlm": 2023.4,
        "nous-hermes": 2023.5,
        "zephyr": 2023.8,
        "openhermes": 2023.8,
        "solar": 2023.9,
        "gpt-3-5": 2023.9,
        "gpt-4": 2023.3,
        "gpt-4-turbo": 2024.3,
        "gpt-4-1106": 2023.9,
        "gpt-4o": 2024.4,
        "gpt-4o-2024-08": 2024.6,
        "gpt-4o-2024-11": 2024.9,
        "gpt-4o-mini": 2024.5,
        "gpt-4-1": 2025.3,
        "gpt-oss": 2025.6,
        "gpt-5": 2025.6,
        "o-1": 2024.7,
        "o-3": 2025.1,
        "o-4": 2025.3,
        "claude-1": 2023.3,
        "claude-2": 2023.6,
        "claude-instant": 2023.3,
        "claude-3": 2024.2,
        "claude-3-5": 2024.5,
        "claude-3-5-sonnet-20241022": 2024.8,
        "claude-3-5-haiku": 2024.8,
        "claude-3-7": 2025.2,
        "claude-4": 2025.4,
        "claude-4-1": 2025.6,
        "claude-4-5": 2025.8,
        "gemini-pro": 2023.9,
        "gemini-1-0": 2023.9,
        "gemini-1-5": 2024.4,
        "gemini-1-5-flash-002": 2024.7,
        "gemini-1-5-pro-002": 2024.7,
        "gemini-2-0": 2025.0,
        "gemini-2-5": 2025.4,
        "gemini-3": 2025.9,
        "grok-1": 2023.9,
        "grok-beta": 2024.6,
        "grok-2": 2024.6,
        "grok-3": 2025.1,
        "grok-4": 2025.5,
        "nova": 2024.9,
        "reka": 2024.3,
    }
)
"""By the beginning of the plain name, the longest that fits: when models of that name came out, to about a month."""


def billions_of(plain: str, name: str, told: float | None = None) -> float | None:
    """The size of a model in billions of parameters, as `_BILLIONS` counts them: by what the name says, by the family, or as
    its engine ``told``; ``None`` where nobody knows.
    """
    lowered = name.casefold()[:256]
    known = _longest(_AT_WORK, plain)
    experts = _EXPERTS.search(lowered)
    if known is not None:
        return known
    if experts:
        # Experts share some layers, and two of them work at a time.
        return float(experts[2]) * 0.9 * math.sqrt(2 * int(experts[1]))
    active = _ACTIVE.search(lowered)
    sizes = [float(size) / (1 if unit == "b" else 1000) for size, unit in _SIZE.findall(_ACTIVE.sub("", lowered))]
    size = max(sizes, default=0.0)
    if size and active:
        return math.sqrt(size * float(active[1]))
    return size or _longest(_BILLIONS, plain) or told or None


def year_of(plain: str) -> float | None:
    """When the model came out, in years; ``None`` where its family is not known."""
    return _longest(_YEARS, plain)


def thinks_by_itself(plain: str) -> bool:
    """Whether a model of that name thinks before it answers, unless it is told not to."""
    return any(f"-{word}" in f"-{plain}" for word in _THINKING)


def kind_of(plain: str, name: str, told: float | None = None, *, thinks: bool | None = None) -> tuple[float, ...] | None:
    """``KIND``, each about from -3 to 3, of the model with that plain and that full name, and that many billion parameters as
    its engine ``told``. ``thinks`` is what its settings say. ``None`` where its size is not known, but for families that keep
    it secret.
    """
    size, year = billions_of(plain, name, told), year_of(plain)
    secret = size is None and any(f"{plain}-".startswith(f"{family}-") for family in _SECRET)
    if not (size or secret):
        return None
    small = secret and any(f"-{word}-" in f"-{plain}-" for word in _SMALL)
    if year is None:
        year = _LAST_YEAR if secret else _MIDDLE_YEAR
    since = min(max(year, _FIRST_YEAR), _LAST_YEAR)
    doublings = math.log2(min(max(size, _LEAST_BILLIONS), _MOST_BILLIONS) / _MIDDLE_BILLIONS) if size else 0.0
    return (
        1.0,
        doublings,
        float(secret),
        float(small),
        since - _MIDDLE_YEAR,
        float(thinks_by_itself(plain) if thinks is None else thinks),
    )


def _longest(table: Mapping[str, float], plain: str) -> float | None:
    """What the table says of the longest beginning of a name, in whole words."""
    words = plain.split("-")
    for end in range(len(words), 0, -1):
        found = table.get("-".join(words[:end]))
        if found is not None:
            return found
    return None
