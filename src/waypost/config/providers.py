"""LiteLLM's provider prefixes: which lane serves them, where they are if the config does not say, whose key is sent there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from waypost.fleet.deployment import OLLAMA, LaneName, Mode

# Providers whose servers speak OpenAI's protocol as it is.
OPENAI_COMPATIBLE = frozenset({"openai", "custom_openai", "hosted_vllm", "lm_studio", "llamafile", "nvidia_nim"})
# Those that have no address of their own.
_NEED_ADDRESS = frozenset({"custom_openai", "hosted_vllm", "lm_studio"})


@dataclass(frozen=True, slots=True)
class Home:
    """Where a provider is without `api_base`: variables of the environment first, then ``base``. ``key`` is a variable too."""

    variables: tuple[str, ...] = ()
    base: str | None = None
    key: str | None = None


# LiteLLM's own names and defaults (its get_llm_provider_logic and main, 1.105).
_HOMES: Mapping[str, Home] = {
    "openai": Home(("OPENAI_BASE_URL", "OPENAI_API_BASE"), "https://api.openai.com/v1", "OPENAI_API_KEY"),
    "hosted_vllm": Home(("HOSTED_VLLM_API_BASE",), None, "HOSTED_VLLM_API_KEY"),
    "lm_studio": Home(("LM_STUDIO_API_BASE",), None, "LM_STUDIO_API_KEY"),
    "llamafile": Home(("LLAMAFILE_API_BASE",), "http://127.0.0.1:8080/v1", "LLAMAFILE_API_KEY"),
    "ollama": Home(("OLLAMA_API_BASE",), "http://localhost:11434", "OLLAMA_API_KEY"),
    "ollama_chat": Home(("OLLAMA_API_BASE",), "http://localhost:11434", "OLLAMA_API_KEY"),
}
_NOWHERE = Home()

# Model names that LiteLLM knows without a prefix, as far as a name alone tells.
_BARE = (
    (re.compile(r"(gpt-|o[1-9](-|$)|chatgpt-|ft:gpt-|text-embedding-|davinci-|babbage-|dall-e-|whisper-|tts-)"), "openai"),
    (re.compile(r"claude-"), "anthropic"),
    (re.compile(r"command-"), "cohere_chat"),
)
_MODES: Mapping[str, Mode] = {"chat": "chat", "completion": "chat", "responses": "chat", "embedding": "embedding"}
_EMBEDDING = re.compile(r"embed|(^|[-/])bge-|(^|[-/])e5-|(^|[-/])gte-")
_OTHER = re.compile(r"rerank|whisper|(^|[-/])tts-|dall-e|gpt-image|moderation|transcribe|stable-diffusion|(^|[-/])flux")


def home(provider: str) -> Home:
    """Where ``provider`` is found if the config does not say."""
    return _HOMES.get(provider, _NOWHERE)


def needs_address(provider: str) -> bool:
    """The provider stands for any server, so that only an address makes it one."""
    return provider in _NEED_ADDRESS


def split_model(model: str, custom: str | None) -> tuple[str | None, str]:
    """Provider and model of a ``litellm_params.model``; the provider is ``None`` where only LiteLLM could tell."""
    if custom:
        return custom, model.removeprefix(f"{custom}/")
    provider, slash, name = model.partition("/")
    if slash and provider and name:
        return provider, name
    if model == "*":
        return None, model
    return next((owner for pattern, owner in _BARE if pattern.match(model)), None), model


def lane_of(provider: str, model: str, *, has_address: bool) -> LaneName:
    """Who makes the call."""
    if provider == "simulated":
        return "simulated"
    if provider in OLLAMA:
        return "ollama"
    # `openai/responses/…` asks LiteLLM to bridge to another API.
    plain = provider in OPENAI_COMPATIBLE and not model.startswith("responses/")
    return "openai" if plain and has_address else "litellm"


def mode_of(stated: str | None, model: str) -> Mode:
    """What the deployment does: what the file says, else what the model's name gives away, else chat."""
    if stated is not None:
        return _MODES.get(stated, "other")
    name = model.lower()
    if _EMBEDDING.search(name):
        return "embedding"
    return "other" if _OTHER.search(name) else "chat"
