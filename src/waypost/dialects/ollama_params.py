"""Ollama's parameters in OpenAI's form: what has a name there gets it, the rest stays flat under Ollama's own.

One table says what each must be. Options that are not in it are left out: Ollama does not read them either. ``truncate`` and
``shift`` of a chat are the router's, which sees to it that a prompt fits; ``context`` and ``raw`` go past the conversation:
they are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from waypost.dialects.fields import Check, flag, integer, list_at, must_be, object_at
from waypost.errors import InvalidRequest
from waypost.known_settings import KNOWN

_LEVELS = ("low", "medium", "high")


def _number(value: Any, path: str) -> None:
    if type(value) not in (int, float):
        raise must_be(path, "a number")


def _integer(value: Any, path: str) -> None:
    if type(value) is not int or abs(value) >= 2**63:
        raise must_be(path, "an integer of at most 64 bits")


def _stops(value: Any, path: str) -> None:
    texts = [value] if type(value) is str else value
    if type(texts) is not list or not all(type(item) is str for item in texts):
        raise must_be(path, "a string, or an array of strings")


def _think(value: Any, path: str) -> None:
    if type(value) is not bool and value not in _LEVELS:
        raise must_be(path, "true, false, or one of " + ", ".join(_LEVELS))


def _duration(value: Any, path: str) -> None:
    if not KNOWN["keep_alive"].accepts(value):
        raise must_be(path, 'a duration such as "5m", or a number of seconds')


# Load-time options stand here as well: whether a caller may set them is not for a dialect to say.
OPTIONS: Mapping[str, Check] = {
    "draft_num_predict": _integer,
    "f16_kv": flag,
    "frequency_penalty": _number,
    "low_vram": flag,
    "main_gpu": _integer,
    "min_p": _number,
    "mirostat": _integer,
    "mirostat_eta": _number,
    "mirostat_tau": _number,
    "num_batch": _integer,
    "num_ctx": _integer,
    "num_gpu": _integer,
    "num_keep": _integer,
    "num_predict": _integer,
    "num_thread": _integer,
    "numa": flag,
    "penalize_newline": flag,
    "presence_penalty": _number,
    "repeat_last_n": _integer,
    "repeat_penalty": _number,
    "seed": _integer,
    "stop": _stops,
    "temperature": _number,
    "tfs_z": _number,
    "top_k": _integer,
    "top_p": _number,
    "typical_p": _number,
    "use_mlock": flag,
    "use_mmap": flag,
    "vocab_only": flag,
}

# Those that stand beside the options, under the same name in both forms.
BESIDE: Mapping[str, Check] = {
    "keep_alive": _duration,
    "logprobs": flag,
    "think": _think,
    "top_logprobs": integer(0, 20),
}


def read_params(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a request. Raises `InvalidRequest` for the first one with a wrong type or value."""
    found = _options(given)
    for name, check in BESIDE.items():
        value = given.get(name)
        if value is not None:
            check(value, name)
            found[name] = value
    stream = given.get("stream")
    if stream is not None:
        flag(stream, "stream")
    if stream is not False:
        found["stream"] = True
    answer_form = given.get("format")
    if answer_form not in (None, ""):
        found["response_format"] = _response_format(answer_form)
    tools = list_at(given, "tools", "")
    if tools:
        found["tools"] = [{"type": "function", **tool} if type(tool) is dict else tool for tool in tools]
    return found


def refuse_what_goes_past_the_conversation(given: Mapping[str, Any]) -> None:
    """Raises `InvalidRequest` for fields of ``/api/generate`` that no other engine could be given."""
    for name in ("context", "raw", "suffix", "template"):
        if given.get(name) not in (None, "", False, []):
            raise InvalidRequest(f"'{name}' is not supported: use /api/chat, with the conversation as messages.", param=name)


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if given.get("options") is None:
        return found
    for name, given_value in object_at(given, "options", "").items():
        check = OPTIONS.get(name)
        if check is None or given_value is None:
            continue
        value = given_value
        # Home Assistant writes whole numbers as 8192.0, and Ollama reads them as such.
        if type(value) is float and value.is_integer() and check is _integer:
            value = int(value)
        check(value, f"options.{name}")
        found[name] = value
    if found.get("num_predict", 1) < 1:  # as long as it takes
        del found["num_predict"]
    stops = found.pop("stop", ())
    # Forms send a field that nobody filled in: at an empty text, an answer would end before its first word.
    if kept := [text for text in ([stops] if type(stops) is str else stops) if text]:
        found["stop"] = kept
    return found


def _response_format(value: Any) -> dict[str, Any]:
    if value == "json":
        return {"type": "json_object"}
    if type(value) is not dict:
        raise must_be("format", '"json", or a JSON schema')
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": value}}
