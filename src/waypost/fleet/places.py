"""Where deployments run, which of those places may be looked at, and what a look teaches about a deployment."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

from waypost.addresses import engine_at, host_of, is_near
from waypost.fleet.deployment import KINDS, Deployment
from waypost.fleet.facts import Facts, facts_from, fill
from waypost.fleet.reading import MOST_ITEMS
from waypost.fleet.report import EngineReport, ModelReport
from waypost.secret import Secret

# These list every model that they can serve; elsewhere a model may be served without being listed.
_COMPLETE = frozenset({"ollama", "vllm", "lm_studio"})


@dataclass(frozen=True, slots=True)
class Place:
    """An engine's address, with the key that opens it."""

    url: str
    api_key: Secret | None = None

    def __str__(self) -> str:
        """Host and port: an address may hold a password."""
        return _split(self.url).netloc.rpartition("@")[2]

    @property
    def port(self) -> int | None:
        """The port that the address names."""
        try:
            return _split(self.url).port
        except ValueError:
            return None

    @property
    def engine(self) -> str:
        """The same for every way to write one engine's address."""
        return engine_at(self.url)


def place_of(deployment: Deployment) -> Place | None:
    """Where a deployment is called; ``None`` if it has no address of its own."""
    if deployment.lane == "simulated" or deployment.api_base is None:
        return None
    return Place(deployment.api_base, deployment.api_key)


def identity(deployment: Deployment) -> tuple[object, ...]:
    """The same for as long as a deployment is the same model at the same place, whatever its settings."""
    keys = deployment.api_keys or deployment.api_key
    return deployment.lane, deployment.provider, deployment.model, deployment.api_base, keys


def places(deployments: Iterable[Deployment], named: Container[str] = ()) -> dict[Place, list[Deployment]]:
    """The deployments that may be looked at, by place: one look serves all that share an engine.

    Those are the local ones, those at an address near by, and those of the engines that are ``named``.
    """
    found: dict[Place, list[Deployment]] = {}
    for deployment in deployments:
        place = place_of(deployment)
        if place is not None and (deployment.local or is_near(host_of(place.url)) or place.engine in named):
            found.setdefault(place, []).append(deployment)
    return found


def kind_hint(deployments: Iterable[Deployment]) -> str | None:
    """The engine that the config names at a place, if it names one."""
    return next((KINDS[deployment.provider] for deployment in deployments if deployment.provider in KINDS), None)


def reported(report: EngineReport, deployment: Deployment) -> ModelReport | None:
    """What the report says about the deployment's model. A llama.cpp with one model serves it under every name."""
    if report.kind == "llamacpp" and len(report.models) == 1 and not deployment.is_pattern:
        return report.models[0]
    return report.model(deployment.model)


def concerning(deployment: Deployment, report: EngineReport) -> EngineReport:
    """The report as it concerns the deployment: a Triton that is called by its own protocol needs no frontend."""
    return replace(report, problem=None, serves=True) if report.kind == deployment.provider == "triton" else report


def is_missing(report: EngineReport, deployment: Deployment) -> bool:
    """The engine lists all its models, all of them were read, and this one is not among them."""
    whole = report.kind in _COMPLETE and 0 < len(report.models) < MOST_ITEMS
    return whole and not deployment.is_pattern and reported(report, deployment) is None


def learn(deployment: Deployment, model: ModelReport) -> Deployment:
    """The deployment with what its engine says: over the catalogue and what was assumed, never over the config.

    An assumed window replaces no known one, except the catalogue's, which is the window that the model was trained for. A model
    that the engine gets from elsewhere is not local, unless the config says that it counts as such.
    """
    facts = Facts(
        window_tokens=None if model.window_assumed else model.window_tokens,
        parameters_b=model.parameters_b,
        mode=model.mode,
        capabilities=model.capabilities,
    )
    learned = fill(deployment, facts, "engine", over=("engine", "assumed", "catalogue"))
    if model.window_assumed:
        learned = fill(learned, Facts(window_tokens=model.window_tokens), "assumed", over=("assumed", "catalogue"))
    return _elsewhere(learned) if model.remote else learned


def recognised(deployment: Deployment, report: EngineReport) -> Deployment:
    """The deployment with what runs at its address, if the engine says it: that counts for more than a provider's name."""
    if report.problem is not None or report.kind in ("openai", deployment.engine_kind):
        return deployment
    return replace(deployment, engine_kind=report.kind)


def remember(deployment: Deployment, before: Deployment) -> Deployment:
    """The deployment with what its engine said when it was ``before``, where nobody says anything better now."""
    if before.engine_kind != deployment.engine_kind:
        deployment = replace(deployment, engine_kind=before.engine_kind or deployment.engine_kind)
    kept = fill(deployment, facts_from(before, "engine"), "engine", over=("assumed", "catalogue"))
    kept = fill(kept, facts_from(before, "assumed"), "assumed", over=("catalogue",))
    return _elsewhere(kept) if before.sources.get("local") == "engine" else kept


def shrink(deployment: Deployment, window_tokens: int | None) -> Deployment:
    """The deployment with the smaller window that its engine turned out to have, until the engine says another one."""
    known = deployment.window_tokens
    if window_tokens is None or (known is not None and known <= window_tokens):
        return deployment
    sources = MappingProxyType({**deployment.sources, "window_tokens": "engine"})
    return replace(deployment, window_tokens=window_tokens, sources=sources)


def _elsewhere(deployment: Deployment) -> Deployment:
    if not deployment.local or deployment.sources.get("local") == "config":
        return deployment
    return replace(deployment, local=False, sources=MappingProxyType({**deployment.sources, "local": "engine"}))


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
