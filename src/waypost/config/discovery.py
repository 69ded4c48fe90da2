"""Where engines are looked for, and how often."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from waypost.config.blocks import Block, Name, Seconds


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


class DiscoverySettings(Block):
    """Looking for engines by their metadata, never by generating."""

    enabled: bool | None = Field(default=None, description="Look for engines. Unset: only if there is no `model_list`.")
    targets: tuple[DiscoveryTarget, ...] = Field(
        default=(), description="Where to look. Empty: the usual ports of this machine."
    )
    refresh_s: Seconds = Field(default=10.0, description="Seconds between two looks.")
    timeout_s: Seconds = Field(default=1.5, description="Seconds that an engine has to answer a look.")
