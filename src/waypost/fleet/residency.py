"""What is in an engine's memory, and what it takes to get something else in there: what a decision may know of it."""

from __future__ import annotations

from collections.abc import Callable

from waypost.value import value


@value(frozen=True, slots=True)
class Residency:
    """How one deployment's model stands in the memory of its engine. ``None`` is unknown, as everywhere.

    ``engine`` is the key of the engine's memory in `FleetView.memories`; ``weights`` is the same for all deployments of that
    engine that answer from one load. ``size_bytes`` is what the model takes in memory, measured when it was loaded, else
    guessed from its file; ``gpu_share`` is how much of it lies in GPU memory, from 0 to 1. ``window_tokens`` is the window of
    the load that is there now. ``load_s`` is what a load takes: the median of the ``loads_seen``, else a guess from the size.
    ``prompt_tokens_per_s`` and ``answer_tokens_per_s`` are as measured lately. ``running`` and ``waiting`` are how many
    requests the engine works on and has in its own queue, whoever sent them, and ``cache_used`` is the share of its memory for
    prompts that they take; all as it says. ``demand`` is the share of the engine's latest requests that wanted these weights,
    from 0 to 1. ``misfit``: the last attempt to load it failed, so it does not fit now. ``queued`` is how many requests wait
    here, and not in the engine, until they may ask this deployment.
    """

    engine: str
    weights: str
    size_bytes: int | None = None
    gpu_share: float | None = None
    window_tokens: int | None = None
    load_s: float | None = None
    loads_seen: int = 0
    prompt_tokens_per_s: float | None = None
    answer_tokens_per_s: float | None = None
    running: int | None = None
    waiting: int | None = None
    cache_used: float | None = None
    demand: float = 0.0
    misfit: bool = False
    queued: int = 0


@value(frozen=True, slots=True)
class Memory:
    """The memory of one engine: what is in it, in the order in which it would be thrown out, and how much there is.

    ``capacity_bytes`` and ``max_models`` bound what is in it at once; ``None``: nobody knows, or there is no bound. ``loading``
    is the weights that are being loaded just now.
    """

    resident: tuple[str, ...] = ()
    capacity_bytes: int | None = None
    max_models: int | None = None
    loading: str | None = None


def thrown_out(memory: Memory, wanted: str, size_of: Callable[[str], int | None]) -> tuple[str, ...] | None:
    """The weights that leave ``memory`` when ``wanted`` is loaded; ``None`` where that cannot be said.

    Ollama's rule (`server/sched.go`): those that are there leave one by one, in their order of eviction, until the new ones are
    no more than ``max_models`` together and fit entirely beside the rest. ``size_of`` gives bytes.
    """
    resident = memory.resident
    if wanted in resident or not resident:
        return ()
    gone = 0 if memory.max_models is None else max(0, len(resident) + 1 - memory.max_models)
    if memory.capacity_bytes is None:
        return None if memory.max_models is None else resident[:gone]
    room: int = memory.capacity_bytes
    sizes = [size_of(name) for name in (wanted, *resident)]
    for size in (sizes[0], *sizes[1 + gone :]):
        if size is None:
            return None
        room -= size
    while room < 0 and gone < len(resident):
        room += sizes[1 + gone] or 0
        gone += 1
    return resident[:gone]
