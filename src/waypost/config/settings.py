"""Settings that go with a request: which are known, of what type, and the names that mean the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from waypost.config.report import did_you_mean, quoted

_NUMBER, _WHOLE, _FLAG = "a number", "a whole number", "true or false"
_TEXT, _TEXTS, _ANY = "a text", "a text or a list of texts", "anything"

# OpenAI's parameters, then Ollama's options and top-level fields, then what other engines take. Anything else is passed on.
KNOWN: Mapping[str, str] = {
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "max_tokens": _WHOLE,
    "max_completion_tokens": _WHOLE,
    "presence_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "stop": _TEXTS,
    "seed": _WHOLE,
    "n": _WHOLE,
    "logprobs": _FLAG,
    "top_logprobs": _WHOLE,
    "logit_bias": _ANY,
    "response_format": _ANY,
    "tool_choice": _ANY,
    "tools": _ANY,
    "parallel_tool_calls": _FLAG,
    "reasoning_effort": _TEXT,
    "service_tier": _TEXT,
    "user": _TEXT,
    "metadata": _ANY,
    "store": _FLAG,
    "verbosity": _TEXT,
    "modalities": _ANY,
    "num_ctx": _WHOLE,
    "num_gpu": _WHOLE,
    "num_thread": _WHOLE,
    "num_batch": _WHOLE,
    "num_keep": _WHOLE,
    "num_predict": _WHOLE,
    "n_predict": _WHOLE,
    "main_gpu": _WHOLE,
    "use_mmap": _FLAG,
    "low_vram": _FLAG,
    "mirostat": _WHOLE,
    "mirostat_eta": _NUMBER,
    "mirostat_tau": _NUMBER,
    "repeat_last_n": _WHOLE,
    "repeat_penalty": _NUMBER,
    "tfs_z": _NUMBER,
    "top_k": _WHOLE,
    "min_p": _NUMBER,
    "typical_p": _NUMBER,
    "keep_alive": _ANY,
    "think": _ANY,
    "format": _ANY,
    "thinking": _ANY,
    "repetition_penalty": _NUMBER,
    "chat_template_kwargs": _ANY,
    "extra_body": _ANY,
    "guided_json": _ANY,
    "guided_grammar": _ANY,
    "web_search_options": _ANY,
}

_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    _NUMBER: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    _WHOLE: lambda value: isinstance(value, int) and not isinstance(value, bool),
    _FLAG: lambda value: isinstance(value, bool),
    _TEXT: lambda value: isinstance(value, str),
    _TEXTS: lambda value: isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value)),
    _ANY: lambda value: value is not None,
}


def wrong_type(name: str, value: Any) -> str | None:
    """What a known setting must be, if ``value`` is not that."""
    kind = KNOWN.get(name, _ANY)
    return None if _CHECKS[kind](value) else f"{quoted(name)} must be {kind}"


def near_miss(name: str) -> str | None:
    """For a name that is not known but close to one: what it may have been. It is passed on as it is."""
    hint = "" if name in KNOWN else did_you_mean(name, KNOWN)
    return f"unknown setting {quoted(name)} is passed on as it is{hint}" if hint else None


def from_text(name: str, text: str) -> Any:
    """A known number or flag that came as text, from a variable or with an exponent that YAML takes for text."""
    kind = KNOWN.get(name, _ANY)
    try:
        if kind == _WHOLE:
            return int(text)
        if kind == _NUMBER:
            return float(text)
    except ValueError:
        return text
    return {"true": True, "false": False}.get(text.lower(), text) if kind == _FLAG else text


def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Ollama's ``num_predict`` and llama.cpp's ``n_predict`` as ``max_tokens``: one rule holds for all caps, the smaller wins.

    LiteLLM lets a deployment's ``num_predict`` beat the caller's ``max_tokens``. A negative one means no cap, and is none.
    """
    made = dict(settings)
    for name in ("num_predict", "n_predict"):
        cap = made.pop(name, None)
        if isinstance(cap, int) and not isinstance(cap, bool) and cap >= 0:
            have = made.get("max_tokens")
            made["max_tokens"] = min(cap, have) if isinstance(have, int) else cap
    return made
