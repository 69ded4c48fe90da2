"""Writes a config from what was found to run: models as they are, routes by what they can do, and why in comments."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from waypost.addresses import root_of
from waypost.config.params import is_secret_name
from waypost.config.tree import Node
from waypost.decide.labels import TASKS
from waypost.decide.policy import VIRTUAL_MODELS
from waypost.fleet.deployment import OLLAMA, Deployment

# Providers under which LiteLLM calls a server that speaks OpenAI's protocol; any other engine is `custom_openai`.
_OPENAI = frozenset({"hosted_vllm", "lm_studio", "custom_openai"})
# The providers whose keys people have in their environment, with LiteLLM's prefix.
CLOUDS: Mapping[str, str] = {
    "ANTHROPIC_API_KEY": "anthropic",
    "DEEPSEEK_API_KEY": "deepseek",
    "GEMINI_API_KEY": "gemini",
    "GROQ_API_KEY": "groq",
    "MISTRAL_API_KEY": "mistral",
    "OPENAI_API_KEY": "openai",
    "OPENROUTER_API_KEY": "openrouter",
    "XAI_API_KEY": "xai",
}
_MOST_CANDIDATES = 4
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./:@+-]*[A-Za-z0-9]")

_MODELINE = "# yaml-language-server: $schema=waypost.schema.json\n"
_HEAD = f"""{_MODELINE}#
# Written by `waypost init`, from what ran here:
{{looked}}
#
# `waypost check` says whether this file is valid, `waypost doctor` whether it will behave, `waypost serve` starts with it.
# Every key is explained in docs/config.md; `waypost config schema > waypost.schema.json` lets an editor complete them.
"""

_NOTHING = """
# No model was found, so there is no `model_list`, and `waypost serve` goes on looking: a local engine is used as soon as it
# runs. Until then it serves a SIMULATED fleet: the routing is real, the answers are made up, and say so.
#
# To name an engine yourself, take away the `#` below and write what it calls its model.
#
# model_list:
#   - model_name: local
#     litellm_params:
#       model: ollama_chat/qwen3:8b       # hosted_vllm/… for vLLM, custom_openai/… for any other that speaks OpenAI's protocol
#       api_base: http://127.0.0.1:11434  # for those two, it ends in /v1
#       num_ctx: 8192                     # Ollama only: the window to allocate
"""

_MODELS = """
# What a model can do (tools, images, thinking) is not written here: its engine is asked at each start. With a `model_list`,
# nothing else is looked for; `discovery: {enabled: true}` adds what is found besides.
model_list:
"""

_ROUTES = """
# Who is asked for which task, in order. A candidate that cannot take a turn, or is down, is passed over.
routes:
"""

_NO_ROUTES = """
# There are no `routes`: one model answers everything. With a second one, say who is asked first for what, such as
#
# routes:
#   chat: [small, large]
#   reasoning: [large]
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A model that was found, and whether it is loaded."""

    deployment: Deployment
    loaded: bool | None = None

    @property
    def name(self) -> str:
        """Its `model_name`: what the engine calls it, unless that is the name of a route or a built-in one."""
        name = self.deployment.group
        return f"{self.deployment.provider}/{name}" if name in TASKS or name in VIRTUAL_MODELS else name

    @property
    def is_ollama(self) -> bool:
        """Its engine is an Ollama."""
        return self.deployment.provider in OLLAMA

    @property
    def size(self) -> float:
        """Billions of parameters; of an unknown number, less than any."""
        return self.deployment.parameters_b or 0.0

    @property
    def thinks(self) -> bool:
        """It thinks, and is told by `think` whether to."""
        return self.is_ollama and self.deployment.capabilities.reasoning is True


@dataclass(frozen=True, slots=True)
class DraftRoute:
    """A route of the draft, and why it is as it is."""

    name: str
    candidates: tuple[Found, ...]
    why: str
    think: bool | None = None


def draft(found: Sequence[Found], looked: Iterable[str], keys: Iterable[str], targets: Sequence[str] = ()) -> str:
    """The text of a config.

    ``looked`` is a line for each address that was looked at, and ``targets`` are the addresses, if they were not the usual
    ones. ``keys`` are variables of `CLOUDS` that are set: they are named in comments, and used by nothing.
    """
    head = _HEAD.format(looked="\n".join(f"#   {line}" for line in looked))
    clouds = _clouds(keys)
    if not found:
        commented = "".join(f"#   {line}\n" for line in clouds)
        where = _yaml({"discovery": {"targets": [{"url": url} for url in targets]}}) if targets else ""
        return "\n".join(filter(None, [head + _NOTHING + commented, where]))
    blocks = [*map(_entry, found), "".join(f"  # {line}\n" for line in clouds)]
    routes = draft_routes(found)
    return head + _MODELS + "\n".join(filter(None, blocks)) + (_routes_text(routes) if routes else _NO_ROUTES)


def draft_from(root: Node, source: str) -> str:
    """The text of a config with the models of another file's tree. A key in plain text becomes a reference to a variable."""
    models = {"model_list": _without_secrets(root.at(["model_list"]).plain())}
    return f"{_MODELINE}#\n# The models of {source}, taken over by `waypost init --from`.\n\n{_yaml(models)}"


def draft_routes(found: Iterable[Found]) -> tuple[DraftRoute, ...]:
    """Routes by what the models can do; none where all would lead to the same.

    A route whose first candidate answers as that of an earlier one is left out: `waypost doctor` would call the two collapsed.
    """
    chats = [one for one in found if one.deployment.mode == "chat"]
    made: dict[tuple[str, bool | None], DraftRoute] = {}
    for route in (_chat(chats), _tools(chats), _vision(chats), _reasoning(chats), _coding(chats), _memory(chats)):
        if route is not None:
            made.setdefault((route.candidates[0].deployment.id, route.think), route)
    return tuple(made.values()) if len(made) > 1 else ()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: f"os.environ/{key.upper()}" if _is_plain_secret(key, child) else _without_secrets(child)
            for key, child in value.items()
        }
    return [_without_secrets(child) for child in value] if isinstance(value, list) else value


def _is_plain_secret(key: str, value: Any) -> bool:
    return is_secret_name(key) and isinstance(value, str) and not value.startswith("os.environ/")


def _yaml(value: Any) -> str:
    class OneLine(yaml.SafeDumper):
        """Quotes what holds a line end, so that it reads as it is written in `stop`."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if "\n" in value else None)

    OneLine.add_representer(str, text)
    return str(yaml.dump(value, Dumper=OneLine, sort_keys=False, allow_unicode=True, width=120))


def _chat(chats: Iterable[Found]) -> DraftRoute | None:
    # What is loaded just now has no place in a file: whoever is loaded goes first at run time, and where quality is not stated
    # this order is taken for it.
    why = "small ones first: what is not clear goes here, and should be answered at once"
    return _route("chat", chats, lambda one: (one.size,), why, think=False)


def _tools(chats: Iterable[Found]) -> DraftRoute | None:
    able = [one for one in chats if one.deployment.capabilities.tools is True]
    return _route("tool_calling", able, lambda one: (-one.size,), "those that call tools, the largest first")


def _vision(chats: Iterable[Found]) -> DraftRoute | None:
    able = [one for one in chats if one.deployment.capabilities.vision is True]
    return _route("vision", able, lambda one: (-one.size,), "those that take images, the largest first")


def _reasoning(chats: Sequence[Found]) -> DraftRoute | None:
    thinkers = [one for one in chats if one.thinks]
    why = "those that think, the largest first" if thinkers else "the largest first"
    return _route("reasoning", thinkers or chats, lambda one: (-one.size,), why, think=True)


def _coding(chats: Iterable[Found]) -> DraftRoute | None:
    able = [one for one in chats if re.search(r"code", one.name, re.IGNORECASE)]
    return _route("coding", able, lambda one: (-one.size,), "those whose name says that they are made for it")


def _memory(chats: Iterable[Found]) -> DraftRoute | None:
    known = [one for one in chats if one.deployment.window_tokens is not None]
    return _route("memory", known, lambda one: (-(one.deployment.window_tokens or 0), -one.size), "the largest window first")


def _route(
    name: str, able: Iterable[Found], order: Callable[[Found], Any], why: str, *, think: bool | None = None
) -> DraftRoute | None:
    """``think`` is only said where everybody on the route understands it, and the first one would do otherwise."""
    replicas: dict[str, Found] = {}
    for one in sorted(able, key=order):
        replicas.setdefault(one.name, one)
    candidates = tuple(replicas.values())[:_MOST_CANDIDATES]
    if not candidates:
        return None
    heard = candidates[0].thinks and all(one.thinks if think else one.is_ollama for one in candidates)
    return DraftRoute(name, candidates, why, think if heard else None)


def _entry(found: Found) -> str:
    deployment = found.deployment
    provider = deployment.provider if deployment.provider in _OPENAI else "custom_openai"
    if found.is_ollama:
        # LiteLLM has embeddings under the one name, and tools under the other.
        provider = "ollama_chat" if deployment.mode == "chat" else "ollama"
    root = root_of(deployment.api_base or "")
    lines = [
        f"  # {_what(found)}",
        f"  - model_name: {_scalar(found.name)}",
        "    litellm_params:",
        f"      model: {_scalar(f'{provider}/{deployment.model}')}",
        f"      api_base: {_scalar(root if found.is_ollama else f'{root}/v1')}",
    ]
    if found.is_ollama and deployment.mode == "chat":
        lines.append(_window(found))
    if deployment.mode == "embedding":
        lines += ["    model_info:", "      mode: embedding"]
    return "".join(f"{line}\n" for line in lines)


def _window(found: Found) -> str:
    """The window to write, or how to: Ollama tells it of a model that is loaded, or whose Modelfile sets it."""
    window = found.deployment.window_tokens
    if found.deployment.sources.get("window_tokens") == "engine":
        where = "as allocated now" if found.loaded else "as its Modelfile has it"
        return f"      num_ctx: {window}  # {where}; one value for everybody, as another one loads the model again"
    return f"      # num_ctx: 8192  # Ollama does not tell its window, so {window} is assumed; a larger one takes memory"


def _what(found: Found) -> str:
    deployment, can = found.deployment, found.deployment.capabilities
    size = f"{found.size:.3g}B parameters" if found.size else "of unknown size"
    window = deployment.window_tokens if deployment.sources.get("window_tokens") == "engine" else None
    told = [
        size,
        "for embeddings" if deployment.mode == "embedding" else "",
        "tools" if can.tools else "",
        "images" if can.vision else "",
        "thinks" if can.reasoning else "",
        f"window {window:,}" if window else "",
        "loaded" if found.loaded else "",
    ]
    return ", ".join(filter(None, told))


def _routes_text(routes: Iterable[DraftRoute]) -> str:
    lines = [_ROUTES.rstrip("\n")]
    written = {route.name for route in routes}
    for route in routes:
        names = f"[{', '.join(_scalar(one.name) for one in route.candidates)}]"
        lines.append(f"  # {route.why}")
        if route.think is None:
            lines.append(f"  {route.name}: {names}")
        else:
            why = (
                "thoughts take time before the first word" if not route.think else "another setting of a request costs no load"
            )
            think = json.dumps(route.think)
            lines += [f"  {route.name}:", f"    candidates: {names}", f"    settings: {{think: {think}}}  # {why}"]
    left = [task for task in TASKS if task not in written]
    if left:
        # `guessed_order`, as all that is found is local.
        lines += [
            f"  # Not written: {', '.join(left)}. The model that comes first on a route above would be first there too,",
            "  # or nobody here is made for them. Such a turn goes to whoever can take it: a model whose name says that it is",
            "  # made for it, one that is loaded, the largest, and of equals the one that stands first in this file.",
        ]
    return "\n".join(lines) + "\n"


def _clouds(keys: Iterable[str]) -> list[str]:
    """Entries for what could be reached with the keys that are here, to be commented out."""
    named = list(keys)
    lines = [f"{', '.join(named)}: set here, and not used. Prompts leave this machine only if you take away these marks."]
    for key in named:
        provider = CLOUDS[key]
        lines += [f"- model_name: {provider}/*", f"  litellm_params: {{model: {provider}/*, api_key: os.environ/{key}}}"]
    return lines if named else []


def _scalar(text: str) -> str:
    """A text as YAML has it in a list or a mapping: bare where it is plain to see what it is."""
    bare = _PLAIN.fullmatch(text) and not text.startswith("os.environ/") and yaml.safe_load(text) == text
    return text if bare else json.dumps(text, ensure_ascii=False)
