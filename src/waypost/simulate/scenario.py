"""A scenario: engines, the models that they load, and the conversations that come."""

from __future__ import annotations

from collections.abc import Container
from importlib import resources
from pathlib import Path
from typing import Annotated, NoReturn

from pydantic import Field, ValidationError, field_validator, model_validator

from waypost.config.blocks import Block, Name, Number, Seconds, Share, Tokens, Whole, switched
from waypost.config.report import quoted
from waypost.config.residency import ResidencySettings
from waypost.config.tree import Node, Unreadable, parse
from waypost.decide.policy import VIRTUAL_MODELS
from waypost.errors import ConfigError

GB = 10**9
Above = Annotated[Number, Field(gt=0, le=1e9)]


class EngineBlock(Block):
    """An engine that loads a model when it is asked for, and answers a request at a time. Without a bound, everything fits."""

    max_models: Annotated[Whole, Field(ge=1, le=1000)] | None = None
    capacity_gb: Above | None = None
    keep_alive_s: Seconds = 300.0


class ModelBlock(Block):
    """A model and the engine that has it. Without ``load_s``, a load takes ``load_start_s`` and what its bytes take."""

    engine: Name
    weights: Name | None = None
    size_gb: Above
    load_s: Seconds | None = None
    prompt_tokens_per_s: Above
    answer_tokens_per_s: Above
    quality: dict[Name, Share]
    sees: bool = False


class RouteBlock(Block):
    """Who answers on a route, in order, and how long its requests are."""

    candidates: tuple[Name, ...] = Field(min_length=1)
    prompt_tokens: Tokens
    message_tokens: Tokens
    answer_tokens: Tokens
    image: bool = False
    band: Share | None = None


class SessionBlock(Block):
    """One kind of conversation: how often it comes, how many turns it has, and what they ask for, by weight.

    ``first`` is what its first turn asks for, where that is not left to chance.
    """

    weight: Above
    turns: tuple[Annotated[Whole, Field(ge=1, le=100)], Annotated[Whole, Field(ge=1, le=100)]]
    routes: dict[Name, Above] = Field(min_length=1)
    first: Name | None = None


class Scenario(Block):
    """Everything that a simulation needs, but chance."""

    about: str
    engines: dict[Name, EngineBlock] = Field(min_length=1)
    models: dict[Name, ModelBlock] = Field(min_length=1)
    routes: dict[Name, RouteBlock] = Field(min_length=1)
    sessions: tuple[SessionBlock, ...] = Field(min_length=1)
    sessions_per_hour: Above
    think_s: Seconds
    load_gb_per_s: Above = 0.86
    load_start_s: Annotated[Number, Field(ge=0, le=3600)] = 1.0
    quality_known: bool = False
    residency: ResidencySettings | None = ResidencySettings()

    @field_validator("residency", mode="before")
    @classmethod
    def _switched(cls, value: object) -> object:
        return switched(value)

    @model_validator(mode="after")
    def _names_mean_something(self) -> Scenario:
        for name, model in self.models.items():
            _known(model.engine, self.engines, f"the engine of model {name}")
            room = self.engines[model.engine].capacity_gb
            if room is not None and model.size_gb > room:
                raise ValueError(f"model {name} has {model.size_gb:g} GB, and engine {model.engine} holds {room:g} GB")
        for name, route in self.routes.items():
            if name in self.models or name in VIRTUAL_MODELS:
                raise ValueError(f"route {name} needs a name of its own: requests ask for it by that")
            for candidate in route.candidates:
                _known(candidate, self.models, f"a candidate of route {name}")
                if name not in self.models[candidate].quality:
                    raise ValueError(f"model {candidate} needs a quality for route {name}, which lists it")
        for session in self.sessions:
            for route_name in (*session.routes, *([session.first] if session.first else [])):
                _known(route_name, self.routes, "a route of a session")
            if session.turns[0] > session.turns[1]:
                raise ValueError("`turns` is the fewest and the most, in this order")
        return self

    def load_s(self, model: str) -> float:
        """Seconds that a load of this model takes."""
        known = self.models[model]
        return known.size_gb / self.load_gb_per_s + self.load_start_s if known.load_s is None else known.load_s


def _known(name: str, among: Container[str], what: str) -> None:
    if name not in among:
        raise ValueError(f"{what} is {quoted(name)}, which the scenario does not have")


def built_in() -> list[str]:
    """The names of the scenarios that come with Waypost."""
    files = resources.files("waypost.simulate").joinpath("scenarios").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_scenario(name: str) -> Scenario:
    """A scenario that comes with Waypost, by its name, or that of a file. Raises ConfigError, with what is wrong with it."""
    root = _tree(name)
    try:
        return Scenario.model_validate(root.plain())
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, wrong["loc"])) or "the scenario"
        line = root.at(wrong["loc"]).line
        raise ConfigError(f"{name}:{line}: {where}: {wrong['msg'].removeprefix('Value error, ')}") from None


def _tree(name: str) -> Node:
    def refuse(node: Node, sentence: str) -> NoReturn:
        raise Unreadable(node.line, sentence)

    try:
        if name in built_in():
            text = resources.files("waypost.simulate").joinpath("scenarios").joinpath(f"{name}.yaml").read_text("utf-8")
        else:
            text = Path(name).read_text("utf-8")
        return parse(text, name, refuse)
    except OSError as error:
        there = ", ".join(built_in())
        raise ConfigError(f"{name} cannot be read ({error.strerror}); scenarios that come with Waypost: {there}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{name} is not UTF-8") from None
    except Unreadable as error:
        raise ConfigError(f"{name}:{error.line}: {error.sentence}") from None
