"""What the rules look at: a config, where it stands in the file, and what its engines say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from waypost.config.loader import Config, Loaded
from waypost.config.settings import from_text
from waypost.config.tree import Node
from waypost.decide.policy import Route
from waypost.fleet.deployment import OLLAMA, Deployment
from waypost.fleet.places import Place, learn, place_of, reported
from waypost.fleet.report import Examined, ModelReport

# Where settings stand that LiteLLM hands on as they are.
_NESTS = (("options",), ("extra_body",), ("extra_body", "options"))


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of `model_list`: what was made of it, and with what its engine says of the model, if it was asked."""

    deployment: Deployment
    node: Node
    model: ModelReport | None = None

    @property
    def params(self) -> Node:
        """Its `litellm_params`."""
        return self.node.at(["litellm_params"])

    @property
    def prefix(self) -> str:
        """The provider as the file has it: what was made of it may be another."""
        return str(self.params.at(["model"]).value).partition("/")[0]

    def elsewhere(self, name: str) -> Iterator[tuple[str, Node]]:
        """Where a setting of that name stands so that it goes with no request: in words, and the node."""
        info = self.node.children.get("model_info")
        for where, block in (("beside `litellm_params`", self.node), ("in `model_info`", info)):
            if block is not None and name in block.children:
                yield where, block.children[name]

    @property
    def is_ollama(self) -> bool:
        """It is called in Ollama's own way."""
        return self.deployment.provider in OLLAMA

    @property
    def engine(self) -> str:
        """The same for all deployments of one engine; empty where the file gives no address."""
        place = place_of(self.deployment)
        return "" if place is None else place.engine

    @property
    def weights(self) -> tuple[str, str]:
        """The same for all deployments that one load of a model serves."""
        return self.engine, self.deployment.model.removesuffix(":latest")


@dataclass(frozen=True, slots=True)
class WrittenRoute:
    """A route that the file has, with its candidates: the name where it stands, and the entries that it means."""

    route: Route
    node: Node
    candidates: tuple[tuple[Node, tuple[Entry, ...]], ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All candidates, in order, each once."""
        return tuple({entry.deployment.id: entry for _, entries in self.candidates for entry in entries}.values())


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting where it stands: in an entry or in a route, and there beside the others or ``inside`` of something."""

    name: str
    node: Node
    entry: Entry | None = None
    route: WrittenRoute | None = None
    inside: tuple[str, ...] = ()

    @property
    def value(self) -> Any:
        """As `stated` reads it."""
        return stated(self.name, self.node)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those that it is sent to."""
        if self.entry is not None:
            return (self.entry,)
        return self.route.entries if self.route else ()


@dataclass(frozen=True, slots=True)
class Case:
    """A config that loads. ``looks`` is how its engines were found, by `Place.engine`; empty if nobody asked them."""

    config: Config
    root: Node
    entries: tuple[Entry, ...]
    routes: tuple[WrittenRoute, ...]
    looks: Mapping[str, Examined]

    def settings(self, *names: str) -> Iterator[Setting]:
        """Every place where one of these settings stands."""
        for entry in self.entries:
            for inside in ((), *_NESTS):
                yield from _named(names, _inner(entry.params, inside), entry=entry, inside=inside)
        for route in self.routes:
            block = route.node.children.get("settings")
            for inside in ((), *_NESTS) if block is not None else ():
                yield from _named(names, _inner(block, inside), route=route, inside=inside)


def open_case(loaded: Loaded, looks: Mapping[str, Examined]) -> Case:
    """The case of a file that loads.

    Raises ``ValueError`` for one that does not: what it would mean is anybody's guess.
    """
    if loaded.config is None:
        raise ValueError("a file with problems has no findings")
    entries = tuple(
        _entry(deployment, loaded.entries[deployment.id], looks)
        for deployment in loaded.config.setup.deployments
        if deployment.id in loaded.entries
    )
    policy = loaded.config.setup.policy
    written = loaded.root.children.get("routes")
    routes = tuple(
        WrittenRoute(policy.routes[name], node, tuple(_candidates(node, policy.aliases, entries)))
        for name, node in (written.children if written else {}).items()
    )
    return Case(loaded.config, loaded.root, entries, routes, looks)


def _entry(deployment: Deployment, node: Node, looks: Mapping[str, Examined]) -> Entry:
    place = place_of(deployment)
    look = None if place is None else looks.get(place.engine)
    model = reported(look.report, deployment) if look is not None and look.report is not None else None
    return Entry(deployment if model is None else learn(deployment, model), node, model)


def _candidates(node: Node, aliases: Mapping[str, str], entries: Iterable[Entry]) -> Iterator[tuple[Node, tuple[Entry, ...]]]:
    """Each name of a route with the entries that it means; ``*`` is everybody who is not named."""
    names = node.items or node.at(["candidates"]).items
    everybody = tuple(entry for entry in entries if not entry.deployment.is_pattern)
    for name in names:
        target = aliases.get(name.value, name.value)
        found = everybody if target == "*" else tuple(entry for entry in everybody if target in _names(entry.deployment))
        yield name, found


def _names(deployment: Deployment) -> tuple[str, ...]:
    return deployment.id, deployment.group, deployment.model, f"{deployment.provider}/{deployment.model}"


def _inner(node: Node | None, path: Iterable[str]) -> Node | None:
    for step in path:
        node = None if node is None else node.children.get(step)
    return node


def _named(
    names: Iterable[str],
    block: Node | None,
    *,
    entry: Entry | None = None,
    route: WrittenRoute | None = None,
    inside: tuple[str, ...] = (),
) -> Iterator[Setting]:
    for name in names:
        node = block.children.get(name) if block is not None else None
        if node is not None and node.value is not None:
            yield Setting(name, node, entry, route, inside)


def stated(name: str, node: Node) -> Any:
    """The value of a setting as it takes effect: a number that is written as a text is one. A reference is not filled in."""
    value = node.plain()
    return from_text(name, value) if isinstance(value, str) else value


def place_of_engine(entry: Entry) -> str:
    """Host and port, as messages name an engine."""
    return str(Place(entry.deployment.api_base or ""))
