"""Where engines are looked for, and how often."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from waypost.config.blocks import Block, Name, Number, Seconds, Whole


class DiscoveryTarget(Block):
    """An address to look at."""

    url: Name = Field(description="The engine's address, such as `http://192.168.1.20:11434`.")

    @field_validator("url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http or https address")
        if parts.username or parts.password or parts.query:
            raise ValueError("must not hold a user, a password or a query: secrets do not belong here")
        return url.rstrip("/")


class EngineSettings(DiscoveryTarget):
    """What an engine does not say of itself."""

    memory_gib: Annotated[Number, Field(gt=0, le=100_000)] | None = Field(
        default=None, description="Memory for models, in GiB: the GPU's, where it has one. Unset: learned from what was in it."
    )
    max_models: Whole | None = Field(
        default=None, ge=1, le=1000, description="Models that it holds at once, such as `OLLAMA_MAX_LOADED_MODELS`."
    )
    wake: bool = Field(
        default=False,
        description="It is a vLLM that somebody puts to sleep (level 1): wake it before a call. It runs with "
        "`--enable-sleep-mode` and `VLLM_SERVER_DEV_MODE=1`.",
    )


class DiscoverySettings(Block):
    """Looking for engines by their metadata, never by generating."""

    enabled: bool | None = Field(default=None, description="Look for engines. Unset: only if there is no `model_list`.")
    targets: tuple[DiscoveryTarget, ...] = Field(
        default=(), description="Where to look. Empty: the usual ports of this machine."
    )
    refresh_s: Seconds = Field(default=10.0, description="Seconds between two looks.")
    residency_s: Seconds = Field(
        default=2.0, description="Seconds between two looks at what is in the memory of an engine that has calls."
    )
    timeout_s: Seconds = Field(default=1.5, description="Seconds that an engine has to answer a look.")
    engines: tuple[EngineSettings, ...] = Field(
        default=(), description="What engines do not say of themselves, by the address under which they are called."
    )
