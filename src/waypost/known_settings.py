"""The settings that go with a request: one table of what each must be, and under which name each engine reads it.

A setting that is not in the table goes to every engine as it is. What engines read is in Ollama's `api/types.go`, the README of
llama.cpp's server, the chat protocols of vLLM and `trtllm-serve`, and what LiteLLM 1.105 sends on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Engine = Literal["openai", "vllm", "llamacpp", "tensorrt_llm", "ollama", "ollama_v1", "litellm"]
"""Whose names for settings are read. ``ollama_v1`` is Ollama where it is called like OpenAI; it knows less there."""

TITLES: Mapping[Engine, str] = {
    "openai": "OpenAI",
    "vllm": "vLLM",
    "llamacpp": "llama.cpp",
    "tensorrt_llm": "TensorRT-LLM",
    "ollama": "Ollama",
    "ollama_v1": "Ollama at /v1",
    "litellm": "LiteLLM",
}

Type = Literal[
    "a number",
    "a whole number",
    "true or false",
    "a text",
    "a text or a list of texts",
    "a number of seconds or a duration such as `30m`",
    "true, false, or a level: `low`, `medium` or `high`",
    "`json` or a JSON schema",
    "anything",
]
_NUMBER: Type = "a number"
_WHOLE: Type = "a whole number"
_FLAG: Type = "true or false"
_TEXT: Type = "a text"
_TEXTS: Type = "a text or a list of texts"
_DURATION: Type = "a number of seconds or a duration such as `30m`"
_THINK: Type = "true, false, or a level: `low`, `medium` or `high`"
_FORMAT: Type = "`json` or a JSON schema"
_ANY: Type = "anything"

# Go's durations, which Ollama reads, or seconds.
_GO_DURATION = re.compile(r"[+-]?(\d+|((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))+)")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_CHECKS: Mapping[Type, Callable[[Any], bool]] = {
    _NUMBER: _is_number,
    _WHOLE: lambda value: isinstance(value, int) and not isinstance(value, bool),
    _FLAG: lambda value: isinstance(value, bool),
    _TEXT: lambda value: isinstance(value, str),
    _TEXTS: lambda value: isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value)),
    _DURATION: lambda value: _is_number(value) or (isinstance(value, str) and _GO_DURATION.fullmatch(value) is not None),
    _THINK: lambda value: isinstance(value, bool) or value in ("low", "medium", "high"),
    _FORMAT: lambda value: value == "json" or isinstance(value, dict),
    _ANY: lambda value: value is not None,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One known setting.

    ``read_as`` is the name under which each engine reads it, ``None`` for a setting that all read as it is, and an engine that
    is not in it has no such setting. ``load_time`` settings say how a model lies in memory: another value loads it again.
    ``lowest`` and ``highest`` are bounds that hold for every engine.
    """

    name: str
    type: Type
    read_as: Mapping[Engine, str] | None = None
    load_time: bool = False
    lowest: float | None = None
    highest: float | None = None

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        if self.lowest is None:
            return self.type
        return f"{self.type} from {self.lowest:g}" + ("" if self.highest is None else f" to {self.highest:g}")

    def accepts(self, value: Any) -> bool:
        """Whether ``value`` is what the setting must be."""
        if not _CHECKS[self.type](value):
            return False
        return (self.lowest is None or value >= self.lowest) and (self.highest is None or value <= self.highest)


def _for_all(name: str, kind: Type, lowest: float | None = None, highest: float | None = None) -> Setting:
    return Setting(name, kind, None, lowest=lowest, highest=highest)


def _for(engines: str, name: str, kind: Type, lowest: float | None = None, highest: float | None = None) -> Setting:
    """For some engines: ``vllm=repetition_penalty`` is one with a name of its own for it."""
    return Setting(name, kind, _names(name, engines), lowest=lowest, highest=highest)


def _load_time(name: str, kind: Type, lowest: float | None = None) -> Setting:
    return Setting(name, kind, _names(name, "ollama"), load_time=True, lowest=lowest)


def _names(name: str, engines: str) -> Mapping[Engine, str]:
    pairs = (entry.partition("=") for entry in engines.split())
    known: dict[str, Engine] = {engine: engine for engine in TITLES}
    return MappingProxyType({known[engine]: own or name for engine, _, own in pairs})


_TEMPLATED = "vllm=chat_template_kwargs llamacpp=chat_template_kwargs tensorrt_llm=chat_template_kwargs"

SYSTEM_PREFIX = "system_prefix"
"""Waypost's own: a text before the caller's system message. No engine gets a field of that name."""

_TABLE = (
    # OpenAI's parameters, which every engine gets as they are.
    _for_all("temperature", _NUMBER, 0, 5),
    _for_all("top_p", _NUMBER, 0, 1),
    _for_all("max_tokens", _WHOLE, 1),
    _for_all("max_completion_tokens", _WHOLE, 1),
    _for_all("presence_penalty", _NUMBER, -2, 2),
    _for_all("frequency_penalty", _NUMBER, -2, 2),
    _for_all("stop", _TEXTS),
    _for_all("seed", _WHOLE),
    _for_all("n", _WHOLE, 1),
    _for_all("logprobs", _FLAG),
    _for_all("top_logprobs", _WHOLE, 0),
    _for_all("logit_bias", _ANY),
    _for_all("response_format", _ANY),
    _for_all("tool_choice", _ANY),
    _for_all("tools", _ANY),
    _for_all("parallel_tool_calls", _FLAG),
    _for(
        "openai vllm llamacpp tensorrt_llm ollama=think ollama_v1 litellm",
        "reasoning_effort",
        _TEXT,
    ),
    _for_all("service_tier", _TEXT),
    _for_all("user", _TEXT),
    _for_all("metadata", _ANY),
    _for_all("store", _FLAG),
    _for_all("verbosity", _TEXT),
    _for_all("modalities", _ANY),
    _for_all("web_search_options", _ANY),
    # Caps under other names: kept as `max_tokens`.
    _for_all("num_predict", _WHOLE, -2),
    _for_all("n_predict", _WHOLE, -2),
    # How a model is loaded, and for how long.
    _load_time("num_ctx", _WHOLE, 1),
    _load_time("num_gpu", _WHOLE, -1),
    _load_time("num_batch", _WHOLE, 1),
    _load_time("num_thread", _WHOLE, 0),
    _load_time("main_gpu", _WHOLE, 0),
    _load_time("use_mmap", _FLAG),
    _load_time("draft_num_predict", _WHOLE),
    _load_time("shift", _FLAG),
    _load_time("low_vram", _FLAG),
    _load_time("f16_kv", _FLAG),
    _load_time("use_mlock", _FLAG),
    _load_time("numa", _FLAG),
    _load_time("vocab_only", _FLAG),
    _load_time("keep_alive", _DURATION),
    # Sampling, and the form of the answer.
    _for("vllm llamacpp tensorrt_llm ollama litellm", "top_k", _WHOLE, -1),
    _for("vllm llamacpp tensorrt_llm ollama litellm", "min_p", _NUMBER, 0, 1),
    _for("llamacpp ollama", "typical_p", _NUMBER, 0),
    _for("llamacpp ollama", "tfs_z", _NUMBER, 0),
    _for(
        "vllm=repetition_penalty llamacpp tensorrt_llm=repetition_penalty ollama",
        "repeat_penalty",
        _NUMBER,
        0,
    ),
    _for(
        "vllm llamacpp=repeat_penalty tensorrt_llm ollama=repeat_penalty litellm",
        "repetition_penalty",
        _NUMBER,
        0,
    ),
    _for("llamacpp ollama", "repeat_last_n", _WHOLE, -1),
    _for("llamacpp ollama", "mirostat", _WHOLE, 0, 2),
    _for("llamacpp ollama", "mirostat_eta", _NUMBER, 0),
    _for("llamacpp ollama", "mirostat_tau", _NUMBER, 0),
    _for("llamacpp=n_keep ollama", "num_keep", _WHOLE, -1),
    _for("ollama", "truncate", _FLAG),
    _for(
        f"{_TEMPLATED} openai=reasoning_effort ollama ollama_v1=reasoning_effort litellm=reasoning_effort",
        "think",
        _THINK,
    ),
    _for("tensorrt_llm ollama litellm", "thinking", _ANY),
    _for(
        "openai=response_format vllm=response_format llamacpp=response_format tensorrt_llm=response_format ollama "
        "ollama_v1=response_format litellm=response_format",
        "format",
        _FORMAT,
    ),
    _for("vllm llamacpp tensorrt_llm litellm", "chat_template_kwargs", _ANY),
    _for("vllm llamacpp=json_schema litellm", "guided_json", _ANY),
    _for("vllm llamacpp=grammar litellm", "guided_grammar", _ANY),
    # Ours, and what is not looked at.
    _for_all(SYSTEM_PREFIX, _TEXT),
    _for_all("extra_body", _ANY),
)

KNOWN: Mapping[str, Setting] = MappingProxyType({setting.name: setting for setting in _TABLE})

LOAD_TIME = frozenset(setting.name for setting in _TABLE if setting.load_time)
"""How a model is loaded, and for how long. A caller who set one of these would make Ollama load it again for everybody."""

CHAT_FIELDS = frozenset(
    {"audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens"}
    | {"max_tokens", "messages", "modalities", "n", "parallel_tool_calls", "prediction", "presence_penalty"}
    | {"reasoning_effort", "response_format", "seed", "service_tier", "stop", "stream_options", "temperature", "tool_choice"}
    | {"tools", "top_logprobs", "top_p", "user", "verbosity", "web_search_options"}
)
"""OpenAI's chat parameters: all that a caller may hand to LiteLLM, where an unknown name might be one of its own switches."""

# What says the same under several names: of a caller, a route and a deployment, the first who says it is heard.
_SAME: Mapping[str, frozenset[str]] = {
    name: group
    for group in (
        frozenset({"max_completion_tokens", "max_tokens", "num_predict", "n_predict"}),
        frozenset({"think", "reasoning_effort", "thinking"}),
        frozenset({"format", "response_format", "guided_json", "guided_grammar"}),
        frozenset({"repeat_penalty", "repetition_penalty"}),
    )
    for name in group
}
# Ollama's three levels for OpenAI's seven.
_LEVELS: Mapping[Any, Any] = {"none": False, "minimal": "low", "xhigh": "high", "max": "high"}

Layer = Mapping[str, Any]
_NO_SETTINGS: Layer = MappingProxyType({})
_NOBODY: frozenset[str] = frozenset()


def fitted(settings: Layer, engine: Engine | None) -> Layer:
    """``settings`` as ``engine`` reads them: renamed where it has a name of its own, left out where it has no such thing.

    ``None`` is an engine that nobody knows: everything goes to it as it is. The same object comes back where nothing changes.
    """
    changes = _CHANGES[engine] if engine is not None else _NOTHING
    if changes.keys().isdisjoint(settings):
        return settings
    made = {name: value for name, value in settings.items() if name not in changes}
    for name in settings:
        if name in changes:  # what is said in the engine's own words counts for more
            made = over(changes[name](settings[name]), made)
    return made


def layered(layers: tuple[Layer, ...], engine: Engine | None, caller: Layer = _NO_SETTINGS) -> dict[str, Any]:
    """Layers of settings, the last of which is heard first, below what the ``caller`` set, all as ``engine`` reads them.

    What says the same under another name counts as the same. A layer's ``extra_body`` is its pass-through: what is in it is not
    looked at, and goes beside the rest; to LiteLLM it goes as it is.
    """
    made = dict(fitted(caller, engine))
    above, said = caller, _NOBODY
    for layer in reversed(layers):
        if not layer:
            continue
        if not _SAME.keys().isdisjoint(above):
            said = said.union(*(_SAME[name] for name in _SAME.keys() & above.keys()))
        heard = layer if said.isdisjoint(layer) else {name: value for name, value in layer.items() if name not in said}
        lower = fitted(heard, engine)
        if "extra_body" in lower and engine != "litellm":
            lower = _spread(lower)
        made = over(lower, made)
        above = layer
    return made


def over(lower: Layer, upper: Layer) -> dict[str, Any]:
    """``upper`` laid over ``lower``, both as their engine reads them; arguments of a chat template are joined."""
    made = {**lower, **upper}
    if "chat_template_kwargs" in lower and "chat_template_kwargs" in upper:
        below, above = lower["chat_template_kwargs"], upper["chat_template_kwargs"]
        if isinstance(below, Mapping) and isinstance(above, Mapping):
            made["chat_template_kwargs"] = {**below, **above}
    return made


def _spread(settings: Layer) -> Layer:
    extra = settings["extra_body"]
    if not isinstance(extra, Mapping):
        return settings
    return {**{name: value for name, value in settings.items() if name != "extra_body"}, **extra}


def _think_for_template(value: Any) -> Layer:
    """A level goes to the template too, for models that know more than on and off (gpt-oss)."""
    return {"reasoning_effort": value} if isinstance(value, str) else {"chat_template_kwargs": {"enable_thinking": value}}


def _think_as_effort(value: Any) -> Layer:
    """Only a level has a counterpart: which models can be switched, and how, differs between them."""
    return {"reasoning_effort": value} if isinstance(value, str) else {}


def _think_for_ollama_v1(value: Any) -> Layer:
    return {"reasoning_effort": value if isinstance(value, str) else "medium" if value else "none"}


def _as_response_format(value: Any) -> Layer:
    if isinstance(value, Mapping):
        return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": value}}}
    return {"response_format": {"type": "json_object"}} if value == "json" else {}


Change = Callable[[Any], Layer]
_CONVERSIONS: Mapping[tuple[str, Engine], Change] = {
    ("think", "vllm"): _think_for_template,
    ("think", "llamacpp"): _think_for_template,
    ("think", "tensorrt_llm"): _think_for_template,
    ("think", "openai"): _think_as_effort,
    ("think", "litellm"): _think_as_effort,
    ("think", "ollama_v1"): _think_for_ollama_v1,
    ("reasoning_effort", "ollama"): lambda value: {"think": _LEVELS.get(value, value)},
}


def _change(setting: Setting, engine: Engine) -> Change | None:
    """What becomes of a setting at an engine; ``None``: it goes as it is."""
    if setting.read_as is None:
        return None
    name = setting.read_as.get(engine)
    if name is None:
        return lambda _: {}
    if name == setting.name:
        return None
    if name == "response_format":
        return _as_response_format
    return _CONVERSIONS.get((setting.name, engine)) or (lambda value: {name: value})


_NOTHING: Mapping[str, Change] = {}
_CHANGES: Mapping[Engine, Mapping[str, Change]] = {
    engine: {setting.name: change for setting in _TABLE if (change := _change(setting, engine)) is not None}
    for engine in TITLES
}
