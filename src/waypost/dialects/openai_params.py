"""The parameters of OpenAI's chat completions, and Ollama's `think`, one table: what each must be.

Names that are not in the table pass unchecked: engines have parameters of their own. ``null`` is the same as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waypost.dialects.fields import (
    Check,
    an_object,
    as_object,
    flag,
    integer,
    joined,
    must_be,
    name_at,
    number,
    one_of,
    text,
    text_at,
)

_AUDIO_FORMATS = one_of("wav", "aac", "mp3", "flac", "opus", "pcm16")
_SEARCH_SIZES = one_of("low", "medium", "high")
_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def check_params(body: Mapping[str, Any]) -> None:
    """Raises `InvalidRequest` for the first parameter with a wrong type or value."""
    for name, value in body.items():
        check = PARAMS.get(name)
        if check is not None and value is not None:
            check(value, name)


def _texts(low: int, high: int) -> Check:
    expected = f"a string, or an array of {low} to {high} strings"

    def check(value: Any, path: str) -> None:
        texts = [value] if type(value) is str else value
        if type(texts) is not list or not low <= len(texts) <= high or not all(type(item) is str for item in texts):
            raise must_be(path, expected)

    return check


def _logit_bias(value: Any, path: str) -> None:
    within = number(-100, 100)
    for token, bias in as_object(value, path).items():
        within(bias, joined(path, token))


def _metadata(value: Any, path: str) -> None:
    pairs = as_object(value, path)
    if len(pairs) > 16:
        raise must_be(path, "an object of at most 16 pairs")
    for key, item in pairs.items():
        if len(key) > 64 or type(item) is not str or len(item) > 512:
            raise must_be(joined(path, key), "a string of at most 512 characters under a key of at most 64")


def _modalities(value: Any, path: str) -> None:
    if type(value) is not list or not all(type(item) is str and item in ("text", "audio") for item in value):
        raise must_be(path, "an array of text, audio")


def _audio(value: Any, path: str) -> None:
    audio = as_object(value, path)
    _AUDIO_FORMATS(audio.get("format"), f"{path}.format")
    voice = audio.get("voice")
    if type(voice) is dict:
        name_at(voice, "id", f"{path}.voice")
    else:
        name_at(audio, "voice", path)


def _prediction(value: Any, path: str) -> None:
    prediction = as_object(value, path)
    one_of("content")(prediction.get("type"), f"{path}.type")
    content = prediction.get("content")
    if type(content) is str:
        return
    if type(content) is not list or not content:
        raise must_be(f"{path}.content", "a string or a non-empty array of text parts")
    for index, part in enumerate(content):
        where = f"{path}.content[{index}]"
        one_of("text")(as_object(part, where).get("type"), f"{where}.type")
        text_at(part, "text", where)


def _stream_options(value: Any, path: str) -> None:
    options = as_object(value, path)
    for name in ("include_usage", "include_obfuscation"):
        if options.get(name) is not None:
            flag(options[name], f"{path}.{name}")


def _web_search_options(value: Any, path: str) -> None:
    options = as_object(value, path)
    if options.get("search_context_size") is not None:
        _SEARCH_SIZES(options["search_context_size"], f"{path}.search_context_size")
    if options.get("user_location") is not None:
        location = as_object(options["user_location"], f"{path}.user_location")
        one_of("approximate")(location.get("type"), f"{path}.user_location.type")
        as_object(location.get("approximate"), f"{path}.user_location.approximate")


def _think(value: Any, path: str) -> None:
    if type(value) is not bool and value not in _EFFORTS:
        raise must_be(path, "true, false, or one of " + ", ".join(_EFFORTS))


# The ranges are those of OpenAI's published schema; `think` is Ollama's, and read for every engine.
PARAMS: Mapping[str, Check] = {
    "audio": _audio,
    "frequency_penalty": number(-2, 2),
    "logit_bias": _logit_bias,
    "logprobs": flag,
    "max_completion_tokens": integer(1),
    "max_tokens": integer(1),
    "metadata": _metadata,
    "modalities": _modalities,
    "moderation": an_object,
    "n": integer(1, 128),
    "parallel_tool_calls": flag,
    "prediction": _prediction,
    "presence_penalty": number(-2, 2),
    "prompt_cache_key": text(),
    "prompt_cache_options": an_object,
    "prompt_cache_retention": text(),
    "reasoning_effort": one_of(*_EFFORTS),
    "safety_identifier": text(64),
    "seed": integer(-(2**63), 2**63 - 1),
    "service_tier": one_of("auto", "default", "flex", "scale", "priority", "fast"),
    "stop": _texts(0, 4),
    "store": flag,
    "stream": flag,
    "stream_options": _stream_options,
    "temperature": number(0, 2),
    "think": _think,
    "top_logprobs": integer(0, 20),
    "top_p": number(0, 1),
    "user": text(),
    "verbosity": one_of("low", "medium", "high"),
    "web_search_options": _web_search_options,
}
