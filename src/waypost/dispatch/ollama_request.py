"""A request as Ollama's ``/api/chat`` reads it: every parameter where it takes effect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from waypost.dispatch.events import Call
from waypost.dispatch.ollama_messages import ollama_messages
from waypost.errors import ProviderCannot
from waypost.fleet.caps import CAP_NAMES
from waypost.fleet.deployment import Deployment

# What Ollama reads in `options` (its api/types.go, Options and Runner): sampling first, then how a model is loaded, then what
# older versions know. It logs any other name there and ignores it.
OPTIONS = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "typical_p", "tfs_z", "seed", "stop", "num_predict", "num_keep"}
    | {"repeat_penalty", "repeat_last_n", "presence_penalty", "frequency_penalty", "penalize_newline"}
    | {"mirostat", "mirostat_eta", "mirostat_tau"}
    | {"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "draft_num_predict"}
    | {"low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock", "numa"}
)
_TOP = ("keep_alive", "truncate", "shift", "logprobs", "top_logprobs")
# Where nobody says whether to think, an answer that may not be this long does not: its cap counts the thoughts too, and a model
# that thinks as it likes has been seen to fill a cap of 256 tokens with them, and answer nothing.
THINKING_TOKENS = 2048
# What is left for an answer at least, where the estimate of the prompt fills the window: it errs upwards.
LEAST_ANSWER_TOKENS = 512
_EFFORTS: Mapping[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_WHOLE = re.compile(r"-?\d+")


def ollama_request(call: Call) -> dict[str, Any]:
    """The body for ``/api/chat``. ``call.body`` is in OpenAI's form, with Ollama's own settings beside it or in ``options``.

    ``num_ctx`` is the window that the deployment was chosen with, if the config or the engine set it: a model that has been
    unloaded meanwhile would otherwise come back with a smaller one. One that was only assumed is not sent.

    ``truncate`` is false unless something sets it, so that Ollama refuses a prompt that does not fit, and does not drop its
    head. ``shift``, its twin for answers that outgrow the window, is only sent where something sets it: Ollama loads a model
    again when it changes, and who else talks to this Ollama leaves it at its default. Instead, an answer is capped at what is
    left of the window, whether somebody caps it higher or nobody does.

    Raises `ProviderCannot` for what Ollama's chat has no place for.
    """
    body, deployment = call.body, call.deployment
    options = _options(call)
    made: dict[str, Any] = {
        "model": body["model"],
        "messages": ollama_messages(body["messages"], deployment),
        "stream": call.stream,
        "truncate": False,
        **{name: body[name] for name in _TOP if body.get(name) is not None},
    }
    if isinstance(kept := made.get("keep_alive"), str) and _WHOLE.fullmatch(kept):
        made["keep_alive"] = int(kept)  # a number of seconds; as a text it would need a unit
    if (tools := _tools(body, deployment)) and body.get("tool_choice") != "none" and body.get("function_call") != "none":
        made["tools"] = tools
    if (form := _format(body)) is not None:
        made["format"] = form
    if (think := _think(body, deployment, options.get("num_predict"))) is not None:
        made["think"] = think
    if options:
        made["options"] = options
    return made


def _options(call: Call) -> dict[str, Any]:
    body, deployment = call.body, call.deployment
    given = body.get("options")
    options = dict(given) if isinstance(given, Mapping) else {}
    options |= {name: body[name] for name in OPTIONS & body.keys() if body[name] is not None}
    if "stop" in options:
        options["stop"] = _stops(options["stop"])
    window = _window(deployment)
    if window is not None:
        options.setdefault("num_ctx", window)
    cap = _cap(body, options)
    if window is not None and call.prompt_tokens is not None:
        left = max(window - call.prompt_tokens, min(LEAST_ANSWER_TOKENS, window // 4), 1)
        asked = options["num_ctx"]  # by a client, perhaps, who may have a window of its own
        wider = asked - call.prompt_tokens if type(asked) is int else left
        cap = left if cap is None else min(cap, max(left, wider))
    if cap is not None:
        options["num_predict"] = cap
    return options


def _stops(given: Any) -> Any:
    """A list, without the empty ones: those end an answer before it begins."""
    stops = [given] if isinstance(given, str) else given
    return list(filter(None, stops)) if isinstance(stops, list) else stops


def _window(deployment: Deployment) -> int | None:
    """The window, unless it is a guess, or what the model was trained for."""
    known = deployment.sources.get("window_tokens", "config") in ("config", "engine")
    return deployment.window_tokens if known else None


def _cap(body: Mapping[str, Any], options: Mapping[str, Any]) -> int | None:
    """The smallest cap under any name for it; zero and below mean none."""
    caps = [body.get(name) for name in CAP_NAMES] + [options.get("num_predict")]
    return min((cap for cap in caps if type(cap) is int and cap > 0), default=None)


def _tools(body: Mapping[str, Any], deployment: Deployment) -> list[Any]:
    """The tools, those of the older ``functions`` among them; only the one that must be called, where one is named."""
    tools = [*(body.get("tools") or ()), *({"type": "function", "function": one} for one in body.get("functions") or ())]
    if any(tool.get("type", "function") != "function" for tool in tools):
        message = f"{deployment.id} cannot offer tools of type custom: Ollama has only functions"
        raise ProviderCannot(message, deployment=deployment.id)
    choice = body.get("tool_choice") or body.get("function_call")
    described = choice.get("function", choice) if isinstance(choice, Mapping) else {}
    name = described.get("name")
    return [tool for tool in tools if name and (tool.get("function") or {}).get("name") == name] or tools


def _format(body: Mapping[str, Any]) -> Any:
    """A schema, or ``json``. What the caller asks for in OpenAI's way goes before a ``format`` of the settings."""
    wanted = body.get("response_format")
    if not isinstance(wanted, Mapping):
        return body.get("format")
    if wanted.get("type") == "json_schema":
        return (wanted.get("json_schema") or {}).get("schema") or "json"
    return "json" if wanted.get("type") == "json_object" else None


def _think(body: Mapping[str, Any], deployment: Deployment, cap: Any) -> bool | str | None:
    """Whether to think, and how much; ``None`` sends nothing, and a model that can think then does.

    A model that cannot is never told to: Ollama refuses that. Only gpt-oss knows levels, and only levels.
    """
    can = deployment.capabilities.reasoning
    if can is False:
        return None
    wish = _wish(body)
    if wish is None:
        if not can or type(cap) is not int or cap < 1 or cap >= THINKING_TOKENS:
            return None
        wish = False
    if "gpt-oss" in deployment.model.lower():
        return "low" if wish is False else wish
    return wish is not False


def _wish(body: Mapping[str, Any]) -> bool | str | None:
    """What is asked for, in Ollama's word for it, OpenAI's or Anthropic's."""
    think = body.get("think")
    if isinstance(think, bool):
        return think
    for effort in (think, body.get("reasoning_effort")):
        if isinstance(effort, str) and effort in _EFFORTS:
            return _EFFORTS[effort]
    thinking = body.get("thinking")
    if isinstance(thinking, Mapping):
        return {"enabled": True, "adaptive": True, "disabled": False}.get(str(thinking.get("type")))
    return thinking if isinstance(thinking, bool) else None
