"""Finds engines on this machine, and asks the engines of configured deployments what the config left open."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

import aiohttp

from waypost.fleet.deployment import Deployment
from waypost.fleet.engines import look
from waypost.fleet.places import Place, kind_hint, learn, places, reported
from waypost.fleet.probe import root_of
from waypost.fleet.report import EngineReport

_TITLES = {
    "ollama": "Ollama",
    "llamacpp": "llama.cpp",
    "llama_swap": "llama-swap",
    "lm_studio": "LM Studio",
    "vllm": "vLLM",
    "tensorrt_llm": "TensorRT-LLM",
    "triton": "Triton",
    "openai": "an OpenAI-compatible server",
}
# LiteLLM's provider names where it has one, so that a config written from what was found loads there too.
_PROVIDERS = {"vllm": "hosted_vllm", "openai": "custom_openai"}


class Target(Protocol):
    """An address worth a look."""

    @property
    def url(self) -> str:
        """With or without ``/v1``."""
        ...


@dataclass(frozen=True, slots=True)
class Local:
    """A port of this machine."""

    port: int

    @property
    def url(self) -> str:
        """On the loopback interface: nothing else is looked at unasked."""
        return f"http://127.0.0.1:{self.port}"


_USUAL = {11434: "Ollama", 8000: "vLLM, TensorRT-LLM", 8080: "llama.cpp, llama-swap", 1234: "LM Studio"}
DEFAULT_TARGETS = tuple(map(Local, _USUAL))


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was found at one address; ``report`` is ``None`` where no engine answered."""

    url: str = field(repr=False)
    report: EngineReport | None

    @property
    def line(self) -> str:
        """One line for the table."""
        where = Place(self.url)
        if self.report is None:
            usual = _USUAL.get(where.port or 0)
            return f"nothing at {where}" + (f" ({usual})" if usual else "")
        title = " ".join(filter(None, (_TITLES[self.report.kind], self.report.version)))
        if self.report.problem:
            return f"{title} at {where}: {self.report.problem}"
        remote = sum(model.remote for model in self.report.models)
        count = len(self.report.models) - remote
        found = f"{count} model{'' if count == 1 else 's'}" if count else "no model yet"
        left_out = f"; {remote} more run elsewhere: name them in the config to use them" if remote else ""
        return f"{title} at {where}: {found}{left_out}"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What runs here: a deployment for every model, and what was seen at each address."""

    deployments: tuple[Deployment, ...]
    sightings: tuple[Sighting, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each address."""
        return tuple(sighting.line for sighting in self.sightings)


async def discover(
    session: aiohttp.ClientSession,
    targets: Iterable[Target] = (),
    *,
    timeout_s: float = 1.5,
    beside: Iterable[Deployment] = (),
) -> Discovery:
    """Looks at all targets at once, for ``timeout_s`` at most; without targets, at the usual ports of this machine.

    What the deployments ``beside`` reach already is not found again, and no id of theirs is given twice. Models that an engine
    gets from elsewhere are counted, and not used: a prompt leaves this machine only if a config says so.
    """

    async def see(target: Target) -> Sighting:
        return Sighting(target.url, await look(session, target.url, timeout_s=timeout_s))

    sightings = tuple(await asyncio.gather(*map(see, tuple(targets) or DEFAULT_TARGETS)))
    found = [deployment for sighting in sightings for deployment in _deployments(sighting)]
    return Discovery(_distinct(found, tuple(beside)), sightings)


async def enrich(
    session: aiohttp.ClientSession, deployments: Iterable[Deployment], *, timeout_s: float = 1.5
) -> tuple[Deployment, ...]:
    """The deployments, with what their engines say where the config is silent; one whose engine is down stays as it is."""
    deployments = tuple(deployments)

    async def ask(place: Place, members: list[Deployment]) -> dict[str, Deployment]:
        names = {deployment.model for deployment in members}
        report = await look(session, place.url, kind=kind_hint(members), timeout_s=timeout_s, api_key=place.api_key, only=names)
        found = {d.id: reported(report, d) for d in members} if report else {}
        return {d.id: learn(d, model) for d in members if (model := found.get(d.id))}

    learned: dict[str, Deployment] = {}
    for answers in await asyncio.gather(*(ask(*entry) for entry in places(deployments).items())):
        learned.update(answers)
    return tuple(learned.get(deployment.id, deployment) for deployment in deployments)


def _deployments(sighting: Sighting) -> list[Deployment]:
    report = sighting.report
    if report is None or not report.serves:
        return []
    return [
        learn(
            Deployment(
                id=model.name,
                group=model.name,
                provider=_PROVIDERS.get(report.kind, report.kind),
                model=model.name,
                lane="openai",
                local=True,
                api_base=f"{root_of(sighting.url)}/v1",
            ),
            model,
        )
        for model in report.models
        if not model.remote and "*" not in model.name
    ]


def _distinct(found: Iterable[Deployment], beside: Iterable[Deployment]) -> tuple[Deployment, ...]:
    """Each model of an engine once, with an id that says which engine is meant where the name alone does not."""
    beside = tuple(beside)
    reached = {_reaches(deployment) for deployment in beside}
    fresh = {_reaches(d): d for d in found if _reaches(d) not in reached}.values()
    taken = {deployment.id for deployment in beside}
    named = _told_apart(fresh, [f"{d.provider}/{d.model}" for d in fresh], taken)
    return _told_apart(named, [f"{d.provider}/{d.model}@{Place(d.api_base or '')}" for d in named], taken)


def _told_apart(deployments: Collection[Deployment], longer: Iterable[str], taken: set[str]) -> tuple[Deployment, ...]:
    """Gives those that share an id the longer one."""
    uses = Counter([*taken, *(deployment.id for deployment in deployments)])
    return tuple(replace(d, id=name) if uses[d.id] > 1 else d for d, name in zip(deployments, longer, strict=True))


def _reaches(deployment: Deployment) -> tuple[str, str]:
    """The same for two deployments that reach the same model of the same engine."""
    root = root_of(deployment.api_base or "").replace("//localhost", "//127.0.0.1", 1)
    return root, deployment.model.removesuffix(":latest")
