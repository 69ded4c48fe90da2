"""Recognises what answers at an address, and reads what it says about its models.

Only metadata is asked for, never a generation: looking at an engine costs it nothing and loads no model. A llama.cpp router and
llama-swap load a model when its own metadata is asked for, so of those only the list is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from waypost.fleet.deployment import Capabilities, Mode, is_in_ollamas_cloud
from waypost.fleet.ollama import ASSUMED_WINDOW_TOKENS, read_ollama
from waypost.fleet.probe import Probe
from waypost.fleet.reading import billions, count, flag, has, mapping, number, rows, text, tokens, words
from waypost.fleet.report import EngineReport, ModelReport
from waypost.http.session import HttpSession
from waypost.secret import Secret

__all__ = ["EngineReport", "ModelReport", "look"]

_LIST = "/v1/models"
# Who the list says owns its models, where an engine uses its own name.
_OWNERS = {
    "llamacpp": "llamacpp",
    "llama-swap": "llama_swap",
    "vllm": "vllm",
    "tensorrt_llm": "tensorrt_llm",
    "Triton Inference Server": "triton",
    "library": "ollama",
    "waypost": "waypost",
    "organization_owner": "lm_studio",
}


@dataclass(frozen=True, slots=True)
class _Listing:
    """The answer at ``/v1/models``, which nearly every engine gives. ``models`` is ``None`` where it is no list."""

    owner: str | None
    models: tuple[ModelReport, ...] | None


async def look(
    session: HttpSession,
    url: str,
    *,
    kind: str | None = None,
    timeout_s: float = 1.5,
    api_key: Secret | None = None,
    only: Collection[str] | None = None,
) -> EngineReport | None:
    """What runs at ``url`` (with or without ``/v1``), or ``None`` where no engine answers within ``timeout_s``.

    ``kind`` is a guess that saves questions; a wrong one does no harm. ``only`` names the models worth a question of their own.
    Nothing that the other side does raises an error.
    """
    probe = Probe(session, url, timeout_s=timeout_s, api_key=api_key)
    listing = _listing(await probe.get(_LIST))
    if not probe.statuses:
        return None
    readers: dict[str, Callable[[], Awaitable[EngineReport | None]]] = {
        "ollama": lambda: read_ollama(probe, only),
        "llamacpp": lambda: _read_llamacpp(probe, listing),
        "llama_swap": lambda: _read_llama_swap(probe, listing),
        "lm_studio": lambda: _read_lm_studio(probe),
        "vllm": lambda: _read_vllm(probe, listing),
        "tensorrt_llm": lambda: _read_tensorrt_llm(probe, listing),
        "waypost": lambda: _read_waypost(listing),
        "triton": lambda: _read_triton(probe, listing),
    }
    likely = _OWNERS.get(listing.owner or "", kind)
    first = readers.pop(likely or "", None)
    report = await first() if first else None
    if report is None and not (likely == "openai" and listing.models):
        reports = await asyncio.gather(*(reader() for reader in readers.values()))
        report = next((found for found in reports if found is not None), None)
    if report is None and first is not None and probe.late:
        return None  # a known engine that is slow: taken for an unnamed one, it would lose what only its own answers tell
    return report or _unnamed(probe, listing)


def _listing(answer: Any) -> _Listing:
    data = mapping(answer).get("data")
    if not isinstance(data, list):
        return _Listing(None, None)
    listed = rows(data)
    owner = next((text(row.get("owned_by")) for row in listed), None)
    return _Listing(owner, tuple(model for row in listed if (model := _listed(row)) is not None))


def _listed(row: Mapping[str, Any]) -> ModelReport | None:
    """One row of the list; besides OpenAI's fields it holds what engines add to them."""
    name = text(row.get("id"))
    if name is None:
        return None
    meta = mapping(row.get("meta"))
    swap = mapping(meta.get("llamaswap"))
    inputs = words(mapping(row.get("architecture")).get("input_modalities"))
    windows = (row.get("max_model_len"), meta.get("n_ctx"), row.get("context_length"), row.get("context_window"))
    state = mapping(row.get("status")).get("value")
    parameters = number(meta.get("n_params"))
    return ModelReport(
        name,
        window_tokens=next(filter(None, map(tokens, windows)), None),
        capabilities=Capabilities(vision=has("image", inputs), audio=has("audio", inputs)),
        loaded=state == "loaded" if isinstance(state, str) else None,
        parameters_b=parameters / 1e9 if parameters else billions(name),
        mode=_mode_by_name(name),
        aliases=tuple(words(row.get("aliases")) or words(swap.get("aliases")) or ()),
        remote=text(swap.get("peerID")) is not None or is_in_ollamas_cloud("", name),
        weights=text(row.get("parent")),  # vLLM's adapters lie over one model
        file_bytes=count(meta.get("size")) or None,
    )


def _mode_by_name(name: str) -> Mode | None:
    """Lists rarely say what a model is for; these words in a name do."""
    lowered = name.lower()
    if "rerank" in lowered:
        return "other"
    return "embedding" if "embed" in lowered else None


async def _read_llamacpp(probe: Probe, listing: _Listing) -> EngineReport | None:
    props = mapping(await probe.get("/props"))
    if "default_generation_settings" not in props and "total_slots" not in props:
        return None
    version = text(props.get("build_info"))
    alias = text(props.get("model_alias"))
    listed = listing.models or ((ModelReport(alias),) if alias else ())
    if len(listed) != 1 or props.get("role") == "router":
        return EngineReport("llamacpp", version, tuple(_with_schemas(model) for model in listed))
    modalities, template = mapping(props.get("modalities")), mapping(props.get("chat_template_caps"))
    sleeping = flag(props.get("is_sleeping"))
    model = replace(
        listed[0],
        # The window of one slot: a server for four callers gives each a quarter.
        window_tokens=tokens(mapping(props.get("default_generation_settings")).get("n_ctx")) or listed[0].window_tokens,
        loaded=not sleeping,
        capabilities=Capabilities(
            tools=flag(template.get("supports_tools")),
            vision=_either(flag(modalities.get("vision")), listed[0].capabilities.vision),
            audio=_either(flag(modalities.get("audio")), listed[0].capabilities.audio),
            files=False,
        ),
    )
    return EngineReport("llamacpp", version, (_with_schemas(model),))


async def _read_llama_swap(probe: Probe, listing: _Listing) -> EngineReport | None:
    answer = mapping(await probe.get("/running")).get("running")
    if listing.owner != "llama-swap" and not isinstance(answer, list):
        return None
    ready = {row.get("model") for row in rows(answer) if row.get("state") == "ready" and text(row.get("model"))}
    models = tuple(
        replace(model, loaded=model.name in ready) if isinstance(answer, list) and not model.remote else model
        for model in listing.models or ()
    )
    return EngineReport("llama_swap", None, models)


async def _read_lm_studio(probe: Probe) -> EngineReport | None:
    data = rows(mapping(await probe.get("/api/v0/models")).get("data"))
    if not any("type" in row and "state" in row for row in data):
        return None
    return EngineReport("lm_studio", None, tuple(model for row in data if (model := _lm_studio_model(row)) is not None))


def _lm_studio_model(row: Mapping[str, Any]) -> ModelReport | None:
    name = text(row.get("id"))
    if name is None:
        return None
    kind, can = row.get("type"), words(row.get("capabilities"))
    trained, allocated = tokens(row.get("max_context_length")), tokens(row.get("loaded_context_length"))
    modes: dict[Any, Mode] = {"llm": "chat", "vlm": "chat", "embeddings": "embedding"}
    return ModelReport(
        name,
        # Like Ollama it loads models with a small window unless told otherwise, and cuts what does not fit.
        window_tokens=allocated or min(ASSUMED_WINDOW_TOKENS, trained or ASSUMED_WINDOW_TOKENS),
        window_assumed=allocated is None,
        capabilities=Capabilities(tools=has("tool_use", can), vision={"vlm": True, "llm": False}.get(str(kind)), files=False),
        loaded={"loaded": True, "not-loaded": False}.get(str(row.get("state"))),
        parameters_b=billions(name),
        mode=modes.get(kind if isinstance(kind, str) else None),
    )


async def _read_vllm(probe: Probe, listing: _Listing) -> EngineReport | None:
    if listing.owner != "vllm":
        return None
    version, _ = await asyncio.gather(probe.get("/version"), probe.get("/health"))
    # With its engine process gone, vLLM still lists its models; only its health tells.
    dead = probe.statuses.get("/health") == 503
    models = tuple(_with_schemas(replace(model, loaded=not dead)) for model in listing.models or ())
    problem = "its engine process has died; restart vLLM" if dead else None
    return EngineReport("vllm", text(mapping(version).get("version")), models, problem, serves=not dead)


async def _read_tensorrt_llm(probe: Probe, listing: _Listing) -> EngineReport | None:
    if listing.owner != "tensorrt_llm":
        return None
    version, _ = await asyncio.gather(probe.get("/version"), probe.get("/health"))
    dead = probe.statuses.get("/health") == 503
    models = tuple(replace(model, loaded=not dead) for model in listing.models or ())
    problem = "its engine is not well; see its log, or restart trtllm-serve" if dead else None
    return EngineReport("tensorrt_llm", text(mapping(version).get("version")), models, problem, serves=not dead)


async def _read_waypost(listing: _Listing) -> EngineReport | None:
    """Another Waypost, or this one: it answers like an Ollama too."""
    return EngineReport("waypost", None, listing.models or ()) if listing.owner == "waypost" else None


async def _read_triton(probe: Probe, listing: _Listing) -> EngineReport | None:
    if _OWNERS.get(listing.owner or "") == "triton":  # its OpenAI-compatible frontend, which lists what is ready
        return EngineReport("triton", None, tuple(replace(model, loaded=True) for model in listing.models or ()))
    server = mapping(await probe.get("/v2"))
    if server.get("name") != "triton":
        return None
    problem = "Triton without its OpenAI-compatible frontend; start the frontend and give its address in the config"
    return EngineReport("triton", text(server.get("version")), problem=problem, serves=False)


def _unnamed(probe: Probe, listing: _Listing) -> EngineReport | None:
    """Any other server that speaks OpenAI's dialect, or one that does not say what it is yet."""
    if listing.models is not None:
        return EngineReport("openai", None, listing.models)
    if _LIST in probe.too_long:
        return EngineReport("openai", problem="its list of models is too long to be read; name the deployments in the config")
    if probe.statuses.get(_LIST) in (401, 403):
        return EngineReport("openai", problem="it wants an API key; name the deployment and its api_key in the config")
    if probe.statuses.get(_LIST) == 503:
        return EngineReport("openai", problem="it is starting, or loading a model")
    return None


def _with_schemas(model: ModelReport) -> ModelReport:
    """For engines that hold any chat model to a JSON schema by a grammar."""
    return replace(model, capabilities=replace(model.capabilities, structured_output=True))


def _either(first: bool | None, second: bool | None) -> bool | None:
    return second if first is None else first
