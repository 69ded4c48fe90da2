"""Asks an engine what it has in memory and what it works on: one or two short questions, as they are asked often.

None of them loads a model or keeps one from being unloaded. llama.cpp's ``/slots`` does both, so it is only asked while a call
of ours is under way. A llama.cpp router and llama-swap pass questions about one model on to it: they are asked for the list.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from waypost.fleet.probe import Probe
from waypost.fleet.reading import count, flag, mapping, number, rows, text, tokens
from waypost.fleet.report import Occupancy, Occupant

_GAUGES = ("vllm:num_requests_", "vllm:kv_cache_usage_perc", "llamacpp:requests_", "nv_inference_pending_request_count")
# Ollama writes nine digits behind the second; Python reads six.
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?\d*(Z|[+-]\d\d:\d\d)")


async def read_occupancy(
    probe: Probe, kind: str, listed: Sequence[str] = (), *, busy: bool = False, sleeps: bool = False
) -> Occupancy | None:
    """What an engine of this kind says; ``None`` if it says nothing.

    ``listed`` are the models that it listed when it was looked at. ``busy``: calls of ours are under way there. ``sleeps``: it
    is a vLLM that can be put to sleep.
    """
    readers: dict[str, Callable[[], Awaitable[Occupancy | None]]] = {
        "ollama": lambda: _read_ollama(probe),
        "llamacpp": lambda: _read_llamacpp(probe, listed, busy=busy),
        "llama_swap": lambda: _read_llama_swap(probe),
        "lm_studio": lambda: _read_lm_studio(probe),
        "vllm": lambda: _read_vllm(probe, listed, sleeps=sleeps),
        "tensorrt_llm": lambda: _read_tensorrt_llm(probe),
        "triton": lambda: _read_triton(probe),
    }
    reader = readers.get(kind)
    return None if reader is None else await reader()


async def _read_ollama(probe: Probe) -> Occupancy | None:
    listed = mapping(await probe.get("/api/ps")).get("models")
    if not isinstance(listed, list):
        return None
    return Occupancy(
        tuple(
            Occupant(
                name,
                memory_bytes=count(row.get("size")),
                gpu_bytes=count(row.get("size_vram")),
                window_tokens=tokens(row.get("context_length")),
                expires_at=_moment(row.get("expires_at")),
            )
            for row in rows(listed)
            if (name := text(row.get("name")))
        )
    )


async def _read_llamacpp(probe: Probe, listed: Sequence[str], *, busy: bool) -> Occupancy | None:
    props = mapping(await probe.get("/props"))
    if not props:
        return None
    if props.get("role") == "router" or len(listed) != 1:
        # Versions that do not tell `models_autoload` make the number up; 0 is no bound.
        most = count(props.get("max_instances")) if "models_autoload" in props else None
        found = rows(mapping(await probe.get("/v1/models")).get("data"))
        return _in_order(_states(found), {"loaded"}, {"loading"}, _windows(found), most or None) if found else None
    if flag(props.get("is_sleeping")):
        return Occupancy(())
    window = tokens(mapping(props.get("default_generation_settings")).get("n_ctx"))
    models = (Occupant(listed[0], window_tokens=window),)
    if not busy:
        return Occupancy(models)
    said = gauges(await probe.text("/metrics"))
    running = count(said.get("llamacpp:requests_processing"))
    if running is None:  # its metrics are off by default
        slots = rows(await probe.get("/slots"))
        running = sum(flag(slot.get("is_processing")) is True for slot in slots) if slots else None
    return Occupancy(models, running=running, waiting=count(said.get("llamacpp:requests_deferred")))


async def _read_llama_swap(probe: Probe) -> Occupancy | None:
    listed = mapping(await probe.get("/running")).get("running")
    if not isinstance(listed, list):
        return None
    states = {name: row.get("state") for row in rows(listed) if (name := text(row.get("model")))}
    return _in_order(states, {"ready"}, {"starting"})


async def _read_lm_studio(probe: Probe) -> Occupancy | None:
    listed = rows(mapping(await probe.get("/api/v0/models")).get("data"))
    states = {name: row.get("state") for row in listed if (name := text(row.get("id")))}
    windows = {str(row.get("id")): tokens(row.get("loaded_context_length")) for row in listed}
    return _in_order(states, {"loaded"}, {"loading"}, windows) if any(states.values()) else None


async def _read_vllm(probe: Probe, listed: Sequence[str], *, sleeps: bool) -> Occupancy | None:
    said = gauges(await probe.text("/metrics"))
    models: tuple[Occupant, ...] | None = None
    if sleeps:
        asleep = flag(mapping(await probe.get("/is_sleeping")).get("is_sleeping"))
        models = None if asleep is None else () if asleep else tuple(map(Occupant, listed))
    used = number(said.get("vllm:kv_cache_usage_perc"))
    return Occupancy(
        models,
        running=count(said.get("vllm:num_requests_running")),
        waiting=count(said.get("vllm:num_requests_waiting")),
        cache_used=used if used is not None and used <= 1 else None,
    )


async def _read_tensorrt_llm(probe: Probe) -> Occupancy | None:
    """It gives the numbers of its latest steps, where it was started with them."""
    steps = rows(await probe.get("/metrics"))
    latest = steps[-1] if steps else {}
    return Occupancy(running=count(latest.get("numActiveRequests")), waiting=count(latest.get("numQueuedRequests")))


async def _read_triton(probe: Probe) -> Occupancy | None:
    said = gauges(await probe.text("/metrics"))
    return Occupancy(waiting=count(said.get("nv_inference_pending_request_count")))


def gauges(metrics: str) -> Mapping[str, float]:
    """The values of Prometheus's text format by name, summed over labels. What cannot be read is left out."""
    found: dict[str, float] = {}
    for line in metrics.splitlines():
        if line.startswith(_GAUGES):
            name = line.partition("{")[0].partition(" ")[0]
            try:
                found[name] = found.get(name, 0.0) + float(line.rpartition("}")[2].split()[0 if "}" in line else 1])
            except (ValueError, IndexError):
                continue
    return found


def _in_order(
    states: Mapping[str, Any],
    loaded: set[str],
    loading: set[str],
    windows: Mapping[str, int | None] | None = None,
    max_models: int | None = None,
) -> Occupancy:
    """The occupancy that a state for each model tells."""
    windows = windows or {}
    here = tuple(Occupant(name, window_tokens=windows.get(name)) for name, state in states.items() if state in loaded)
    coming = next((name for name, state in states.items() if state in loading), None)
    return Occupancy(here, loading=coming, max_models=max_models)


def _states(listed: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    return {name: str(mapping(row.get("status")).get("value")) for row in listed if (name := text(row.get("id")))}


def _windows(listed: tuple[Mapping[str, Any], ...]) -> dict[str, int | None]:
    return {str(row.get("id")): tokens(mapping(row.get("meta")).get("n_ctx")) for row in listed}


def _moment(value: Any) -> float | None:
    found = _MOMENT.fullmatch(value[:64]) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        fraction, zone = (found[2] or ".0").ljust(7, "0"), found[3].replace("Z", "+00:00")
        return datetime.fromisoformat(f"{found[1]}{fraction}{zone}").timestamp()
    except (ValueError, OverflowError):
        return None
