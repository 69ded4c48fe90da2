"""A deployment: a model at a place with its settings (LiteLLM's word)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from waypost.addresses import engine_at
from waypost.fleet.residency import Residency
from waypost.known_settings import Engine
from waypost.secret import Secret
from waypost.turn import empty
from waypost.value import value

LaneName = Literal["openai", "ollama", "litellm", "simulated"]
Mode = Literal["chat", "embedding", "other"]

OLLAMA = ("ollama", "ollama_chat")
"""LiteLLM's two names for one provider."""

# The provider names under which configs speak of engines that can be looked at.
KINDS = {
    "ollama": "ollama",
    "ollama_chat": "ollama",
    "hosted_vllm": "vllm",
    "vllm": "vllm",
    "llamacpp": "llamacpp",
    "llamafile": "llamacpp",
    "llama_swap": "llama_swap",
    "lm_studio": "lm_studio",
    "tensorrt_llm": "tensorrt_llm",
}
# What engines read that are called like OpenAI, by what they are.
_READS: Mapping[str, Engine] = {
    "openai": "openai",
    "vllm": "vllm",
    "llamacpp": "llamacpp",
    "tensorrt_llm": "tensorrt_llm",
    "ollama": "ollama_v1",
}


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a deployment can take. ``None`` is unknown: shown as unknown, and for images, sound and files treated as a no."""

    tools: bool | None = None
    vision: bool | None = None
    audio: bool | None = None
    files: bool | None = None
    structured_output: bool | None = None
    reasoning: bool | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars a token."""

    input_usd: float
    output_usd: float
    cached_input_usd: float | None = None

    def cost_usd(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """The cost of a call; ``cached_tokens`` are part of ``prompt_tokens``."""
        cached_rate = self.input_usd if self.cached_input_usd is None else self.cached_input_usd
        fresh = prompt_tokens - cached_tokens
        return fresh * self.input_usd + cached_tokens * cached_rate + completion_tokens * self.output_usd


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Deadlines of one attempt, in seconds. The first byte may take long: a local model may have to load.

    ``min_tokens_per_s`` is how fast a stream has to be once it has begun; ``None``: it may take its time.
    """

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 600.0
    min_tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one place.

    ``id`` is unique and stable; ``group`` is the name that routes use (LiteLLM's ``model_name``), shared by replicas.
    ``window_tokens`` is what the engine will really allocate, not what the model was trained for. ``settings`` are request-time
    parameters in OpenAI's form or the engine's own; ``transport`` is the rest of ``litellm_params`` that only the LiteLLM lane
    reads (region, API version, …) and may hold secrets. ``api_keys`` are all keys where there are several, ``api_key`` the one
    to use; ``max_parallel`` is how many calls it takes at once. ``quality`` is the share of good answers by route, as the
    config states it; ``*`` is any other route. ``sources`` says where each fact comes from: ``config``, ``engine``,
    ``catalogue`` or ``assumed``. ``engine_kind`` is what runs at its address, such as ``vllm``: by the provider's name, until
    the engine was looked at; ``None`` is unknown.
    """

    id: str
    group: str
    provider: str
    model: str
    lane: LaneName
    local: bool
    api_base: str | None = field(default=None, repr=False)
    api_key: Secret | None = None
    mode: Mode = "chat"
    capabilities: Capabilities = Capabilities()
    window_tokens: int | None = None
    max_output_tokens: int | None = None
    price: Price | None = None
    parameters_b: float | None = None
    settings: Mapping[str, Any] = field(default_factory=empty)
    headers: Mapping[str, str] = field(default_factory=empty, repr=False)
    transport: Mapping[str, Any] = field(default_factory=empty, repr=False)
    timeouts: Timeouts = Timeouts()
    sources: Mapping[str, str] = field(default_factory=empty, repr=False)
    weight: float = 1.0
    api_keys: tuple[Secret, ...] = ()
    max_parallel: int | None = None
    quality: Mapping[str, float] = field(default_factory=empty)
    engine_kind: str | None = None

    def quality_on(self, route: str) -> float | None:
        """The share of good answers that the config states for a route; ``None`` where it states none."""
        return self.quality.get(route, self.quality.get("*")) if self.quality else None

    @property
    def reads(self) -> Engine | None:
        """Whose names for settings it reads; ``None``: nobody knows, and everything goes to it as it is."""
        if self.lane == "ollama" or (self.lane == "litellm" and self.provider in OLLAMA):
            return "ollama"
        return "litellm" if self.lane == "litellm" else _READS.get(self.engine_kind or "")

    @property
    def weights(self) -> tuple[str, str] | None:
        """The same for all deployments that answer from one load of one model: variants, which differ in their settings only.

        It is the engine's address and the model's name; ``None`` where there is no address.
        """
        return None if self.api_base is None else (engine_at(self.api_base), self.model.removesuffix(":latest"))

    @property
    def is_pattern(self) -> bool:
        """It stands for many models (``openai/*``), and is only used for a name that the caller gave."""
        return "*" in self.group or "*" in self.model

    def meant_by(self, name: str) -> Deployment | None:
        """A pattern, with the model that ``name`` means under its group; ``None`` if it does not fit.

        As in LiteLLM, what the group's star stands for takes the place of the model's star; a group that is only a star takes
        the name as it is, without its provider.
        """
        before, star, after = self.group.partition("*")
        fits = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", name) if star and "*" not in name else None
        if fits is None:
            return None
        model = self.model.replace("*", fits[1].removeprefix(f"{self.provider}/"), 1)
        stays = self.sources.get("local") == "config" or not is_in_ollamas_cloud(self.provider, model)
        return replace(self, model=model, local=self.local and stays)


def is_in_ollamas_cloud(provider: str, model: str) -> bool:
    """Ollama passes such a model on to its cloud (``gpt-oss:120b-cloud``, ``glm-4.6:cloud``), though it is called like others.

    A tag says so under every provider name, as Ollama can be called as any OpenAI-compatible server.
    """
    return model.endswith((":cloud", "-cloud")) and (":" in model or provider in OLLAMA)


@value(frozen=True, slots=True)
class Status:
    """How a deployment is now. ``up`` and ``loaded`` are ``None`` until somebody has looked.

    ``probing``: after a cooldown, one call is on its way that decides whether there are others. ``resting_keys`` are the
    positions (from 0) of keys that are left alone for a while, where there are several. ``latency_s`` is how long it takes
    lately to the first output of a stream, ``whole_latency_s`` for an answer that is not streamed; ``None`` if it gave none in
    the last minutes. ``residency`` is for engines that load and unload models.
    """

    up: bool | None = None
    reason: str | None = None
    loaded: bool | None = None
    in_flight: int = 0
    cooling_s: float | None = None
    probing: bool = False
    resting_keys: tuple[int, ...] = ()
    latency_s: float | None = None
    whole_latency_s: float | None = None
    residency: Residency | None = None
