"""What an engine says about itself and its models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from waypost.fleet.deployment import Capabilities, Mode


@dataclass(frozen=True, slots=True)
class ModelReport:
    """One model as its engine describes it. ``None`` is unknown.

    ``window_tokens`` is what the engine allocates, and ``window_assumed`` says that it did not tell, so that its documented
    default is taken. ``remote`` models run elsewhere: the engine passes the prompt on. ``layers`` is how many the model has,
    without its output layer, and ``trained_tokens`` the window that it was trained for. ``weights`` names the model that it
    shares a load with, where that is another one; ``file_bytes`` is what it takes on the disk, and ``window_bytes`` what one
    token of its window takes in memory.
    """

    name: str
    window_tokens: int | None = None
    window_assumed: bool = False
    capabilities: Capabilities = field(default_factory=Capabilities)
    loaded: bool | None = None
    parameters_b: float | None = None
    mode: Mode | None = None
    aliases: tuple[str, ...] = ()
    remote: bool = False
    layers: int | None = None
    trained_tokens: int | None = None
    weights: str | None = None
    file_bytes: int | None = None
    window_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class EngineReport:
    """One engine: its kind, and its models. ``problem`` says what stands in the way, and the fix.

    ``serves`` is false where no chat request can succeed as things are, though something answers.
    """

    kind: str
    version: str | None = None
    models: tuple[ModelReport, ...] = ()
    problem: str | None = None
    serves: bool = True

    def model(self, name: str) -> ModelReport | None:
        """The model of that name or alias. Ollama takes a missing tag for ``latest``."""
        names = {name, f"{name}:latest"} if self.kind == "ollama" else {name}
        return next((model for model in self.models if model.name in names or names.intersection(model.aliases)), None)


@dataclass(frozen=True, slots=True)
class Examined:
    """An engine that somebody wants to know the state of: what it said, or why it said nothing.

    ``refused``: nobody listens there. ``slow``: somebody does, and gave no answer in time. ``strange``: the answer is not an
    engine's. ``place`` is its host and port.
    """

    place: str
    report: EngineReport | None
    silence: Literal["refused", "slow", "strange"] | None = None


@dataclass(frozen=True, slots=True)
class Occupant:
    """One model in an engine's memory. ``expires_at`` is when it leaves unless it is used, in seconds of the engine's clock."""

    name: str
    memory_bytes: int | None = None
    gpu_bytes: int | None = None
    window_tokens: int | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What an engine has in memory, and what it works on. ``None``: it does not say.

    ``loading`` is the name of a model on its way into memory. ``running`` requests are worked on and ``waiting`` ones are not,
    whoever sent them; ``cache_used`` is the share of the memory for prompts that they take, from 0 to 1.
    """

    models: tuple[Occupant, ...] | None = None
    loading: str | None = None
    running: int | None = None
    waiting: int | None = None
    cache_used: float | None = None
    max_models: int | None = None
