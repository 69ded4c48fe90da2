"""What is known about a model besides the config, and how it is laid into a deployment without overruling the config."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TypeVar

from waypost.fleet.deployment import Capabilities, Deployment, Mode, Price

T = TypeVar("T")
_CAPABILITIES = tuple(one.name for one in fields(Capabilities))


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about one model from one source. ``None`` is unknown."""

    window_tokens: int | None = None
    max_output_tokens: int | None = None
    price: Price | None = None
    parameters_b: float | None = None
    mode: Mode | None = None
    capabilities: Capabilities = field(default_factory=Capabilities)


def facts_from(deployment: Deployment, source: str) -> Facts:
    """What the deployment knows from one source."""

    def known(name: str, value: T) -> T | None:
        return value if deployment.sources.get(name) == source else None

    return Facts(
        window_tokens=known("window_tokens", deployment.window_tokens),
        max_output_tokens=known("max_output_tokens", deployment.max_output_tokens),
        price=known("price", deployment.price),
        parameters_b=known("parameters_b", deployment.parameters_b),
        mode=known("mode", deployment.mode),
        capabilities=Capabilities(**{name: known(name, getattr(deployment.capabilities, name)) for name in _CAPABILITIES}),
    )


def fill(deployment: Deployment, facts: Facts, source: str, *, over: tuple[str, ...] = ()) -> Deployment:
    """The deployment with ``facts`` where it knows nothing, or where its knowledge comes from a source in ``over``.

    What is set without a source was set by the config, and stays. If nothing changes, the same object comes back.
    """
    sources = dict(deployment.sources)

    def settle(name: str, old: T | None, new: T | None) -> T | None:
        if new is None or (old is not None and sources.get(name, "config") not in over):
            return old
        sources[name] = source
        return new

    known_mode = None if deployment.mode == "chat" and "mode" not in sources else deployment.mode
    filled = replace(
        deployment,
        window_tokens=settle("window_tokens", deployment.window_tokens, facts.window_tokens),
        max_output_tokens=settle("max_output_tokens", deployment.max_output_tokens, facts.max_output_tokens),
        price=settle("price", deployment.price, facts.price),
        parameters_b=settle("parameters_b", deployment.parameters_b, facts.parameters_b),
        mode=settle("mode", known_mode, facts.mode) or deployment.mode,
        capabilities=Capabilities(
            **{
                name: settle(name, getattr(deployment.capabilities, name), getattr(facts.capabilities, name))
                for name in _CAPABILITIES
            }
        ),
        sources=MappingProxyType(sources),
    )
    return deployment if filled == deployment else filled
