"""Finds engines on this machine, or where the config says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from waypost.addresses import host_of, is_ours, root_of
from waypost.fleet.deployment import Deployment
from waypost.fleet.engines import look
from waypost.fleet.places import Place, learn
from waypost.fleet.report import EngineReport
from waypost.http.session import HttpSession

_TITLES = {
    "ollama": "Ollama",
    "llamacpp": "llama.cpp",
    "llama_swap": "llama-swap",
    "lm_studio": "LM Studio",
    "vllm": "vLLM",
    "tensorrt_llm": "TensorRT-LLM",
    "triton": "Triton",
    "waypost": "Waypost",
    "openai": "an OpenAI-compatible server",
}
# LiteLLM's provider names where it has one, so that a config written from what was found loads there too.
_PROVIDERS = {"ollama": "ollama_chat", "vllm": "hosted_vllm", "openai": "custom_openai", "triton": "custom_openai"}


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
            return f"no engine at {where}" + (f" ({usual})" if usual else "")
        title = " ".join(filter(None, (_TITLES[self.report.kind], self.report.version)))
        if self.report.problem:
            return f"{title} at {where}: {self.report.problem}"
        if self.report.kind == "waypost":
            return f"{title} at {where}: left out, as it may be this one; name its models in the config to use them"
        remote = sum(model.remote for model in self.report.models)
        count = len(self.report.models) - remote
        found = f"{count} model{'' if count == 1 else 's'}" if count else "no model yet"
        left_out = f"; {remote} more run elsewhere: name them in the config to use them" if remote else ""
        return f"{title} at {where}: {found}{left_out}"


@dataclass(frozen=True, slots=True)
class Discovery:
    """What runs here: a deployment for every model, and what was seen at each address."""

    deployments: tuple[Deployment, ...] = ()
    sightings: tuple[Sighting, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each address."""
        return tuple(sighting.line for sighting in self.sightings)

    @property
    def reports(self) -> Mapping[str, EngineReport | None]:
        """What was seen, by `Place.engine`."""
        return {Place(sighting.url).engine: sighting.report for sighting in self.sightings}


async def discover(
    session: HttpSession,
    targets: Iterable[Target] = (),
    *,
    timeout_s: float = 1.5,
    beside: Iterable[Deployment] = (),
    before: Iterable[Deployment] = (),
) -> Discovery:
    """Looks at all targets at once, for ``timeout_s`` at most; without targets, at the usual ports of this machine.

    What the deployments ``beside`` reach already is not found again, and no id of theirs is given twice. Those found ``before``
    keep their ids, and stay until their engine itself no longer lists the model: a missed look is not a model gone. Models that
    an engine gets from elsewhere are counted, and not used: a prompt leaves this machine only if a config says so.
    """
    beside, before = tuple(beside), tuple(before)

    async def see(target: Target) -> Sighting:
        return Sighting(target.url, await look(session, target.url, timeout_s=timeout_s))

    sightings = tuple(await asyncio.gather(*map(see, tuple(targets) or DEFAULT_TARGETS)))
    found = [deployment for sighting in sightings for deployment in _deployments(sighting, before)]
    return Discovery(_distinct(found, beside, before), sightings)


def _deployments(sighting: Sighting, before: Iterable[Deployment]) -> list[Deployment]:
    report = sighting.report
    if report is None or report.problem or not report.serves:
        # A silent engine, or one in trouble, may well have what it had before.
        engine = Place(sighting.url).engine
        return [deployment for deployment in before if Place(deployment.api_base or "").engine == engine]
    if report.kind == "waypost":  # whose models are ours, if it is this one: a request would go round for ever
        return []
    root = root_of(sighting.url)
    ollama = report.kind == "ollama"
    return [
        learn(
            Deployment(
                id=model.name,
                group=model.name,
                provider=_PROVIDERS.get(report.kind, report.kind),
                model=model.name,
                lane="ollama" if ollama else "openai",
                local=is_ours(host_of(sighting.url)),
                api_base=root if ollama else f"{root}/v1",
                engine_kind=None if report.kind == "openai" else report.kind,
            ),
            model,
        )
        for model in report.models
        if not model.remote and "*" not in model.name
    ]


def _distinct(
    found: Iterable[Deployment], beside: Collection[Deployment], before: Iterable[Deployment]
) -> tuple[Deployment, ...]:
    """Each model of an engine once, with an id that says which engine is meant where the name alone does not."""
    reached = {_reaches(deployment) for deployment in beside}
    ones = {_reaches(d): d for d in found if _reaches(d) not in reached}
    taken = {deployment.id for deployment in beside}
    settled = {_reaches(d): d.id for d in before if _reaches(d) in ones and d.id not in taken}
    taken.update(settled.values())
    fresh = [d for reaches, d in ones.items() if reaches not in settled]
    named = _told_apart(fresh, [f"{d.provider}/{d.model}" for d in fresh], taken)
    named = _told_apart(named, [f"{d.provider}/{d.model}@{Place(d.api_base or '')}" for d in named], taken)
    ids = settled | {_reaches(d): d.id for d in named}
    return tuple(replace(d, id=ids[reaches]) for reaches, d in ones.items())


def _told_apart(deployments: Collection[Deployment], longer: Iterable[str], taken: set[str]) -> tuple[Deployment, ...]:
    """Gives those that share an id the longer one."""
    uses = Counter([*taken, *(deployment.id for deployment in deployments)])
    return tuple(replace(d, id=name) if uses[d.id] > 1 else d for d, name in zip(deployments, longer, strict=True))


def _reaches(deployment: Deployment) -> tuple[str, str]:
    """The same for two deployments that reach the same model of the same engine."""
    return deployment.weights or ("", deployment.model)
