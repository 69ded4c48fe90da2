"""Ollama's scheduler: which models are in memory, who waits for whom, and what is thrown out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from servers.clocks import Clock
from servers.ollama_models import GIB, OllamaError, OllamaModel, OllamaSettings
from servers.ollama_options import FOREVER_S, LoadOptions, with_defaults

BUSY = "server busy, please try again.  maximum pending requests exceeded"
GONE = "client connection closed before server finished loading, aborting load"


@dataclass(frozen=True)
class Load:
    """One load. ``changed`` are the options that made it a reload of what was there; ``failed``: the words of the error."""

    model: str
    options: LoadOptions
    began_s: float
    took_s: float
    changed: tuple[str, ...] = ()
    failed: str | None = None


@dataclass(frozen=True)
class Eviction:
    """One instance that had to go: ``reason`` is ``room``, ``options``, ``expired`` or ``asked``."""

    model: str
    reason: str
    at_s: float
    made_room_for: str | None = None


@dataclass(eq=False)
class Instance:
    """A model in memory, or on its way there."""

    model: OllamaModel
    options: LoadOptions
    size_bytes: int
    gpu_bytes: int
    keep_alive_s: float
    parallel: int
    in_use: int = 0
    expires_s: float | None = None
    leaving: bool = False
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    slots: asyncio.Semaphore = field(init=False)
    prompts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(self.parallel)

    @property
    def gpu_share(self) -> float:
        return self.gpu_bytes / self.size_bytes

    def slowdown(self) -> float:
        """How many times slower than on the GPU alone."""
        return self.gpu_share + (1 - self.gpu_share) * self.model.cpu_slowdown

    def cached_share(self, prompt: str) -> float:
        """How much of ``prompt`` one of the slots has read already; afterwards a slot holds all of it."""
        best = max(self.prompts, key=lambda known: _common(known, prompt), default="")
        common = _common(best, prompt)
        if best in self.prompts and (len(self.prompts) >= self.parallel or common == len(best)):
            self.prompts.remove(best)
        self.prompts.append(prompt)
        return common / max(1, len(prompt))


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _cancel_with(work: asyncio.Task[None], served: asyncio.Future[Instance]) -> None:
    if served.cancelled():
        work.cancel()


@dataclass(eq=False)
class _Request:
    model: OllamaModel
    wanted: LoadOptions
    keep_alive_s: float | None
    served: asyncio.Future[Instance]


class Scheduler:
    """Hands out instances. One loop unloads and loads, one request after the other; what fits a running one passes it by."""

    def __init__(self, library: Mapping[str, OllamaModel], settings: OllamaSettings, clock: Clock) -> None:
        self.settings = settings
        self._library = library
        self.loads: list[Load] = []
        self.evictions: list[Eviction] = []
        self._clock = clock
        self._loaded: dict[str, Instance] = {}
        self._queue: asyncio.Queue[_Request] = asyncio.Queue(settings.max_queue)
        self._loop: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait for the loop to take them."""
        return self._queue.qsize()

    def instances(self) -> list[Instance]:
        """What is in memory now, loading included."""
        now_s = self._clock.now_s()
        for instance in list(self._loaded.values()):
            if instance.in_use == 0 and instance.expires_s is not None and instance.expires_s <= now_s:
                self._unload(instance, "expired", at_s=instance.expires_s)
        return list(self._loaded.values())

    def start(self) -> None:
        self._loop = asyncio.ensure_future(self._serve())

    async def stop(self) -> None:
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def acquire(self, model: OllamaModel, wanted: LoadOptions, keep_alive_s: float | None) -> Instance:
        """An instance that is ready, with one use of it counted. Raises `OllamaError`."""
        running = self._running(model)
        if running is not None and running.ready.is_set() and not wanted.differences(running.options):
            return self._use(running, keep_alive_s)
        served: asyncio.Future[Instance] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait(_Request(model, wanted, keep_alive_s, served))
        except asyncio.QueueFull:
            raise OllamaError(503, BUSY) from None
        try:
            return await served
        except asyncio.CancelledError:
            if served.done() and not served.cancelled() and served.exception() is None:
                self.release(served.result())
            served.cancel()
            raise

    def release(self, instance: Instance) -> None:
        """One use is over; the last one starts the time to live."""
        instance.in_use -= 1
        if instance.in_use > 0:
            return
        instance.idle.set()
        if instance.leaving:
            return
        if instance.keep_alive_s == 0:
            self._unload(instance, "asked")
        else:
            alive = instance.keep_alive_s
            instance.expires_s = None if alive == FOREVER_S else self._clock.now_s() + alive

    def expire(self, model: OllamaModel) -> None:
        """Unloads a model as soon as nobody uses it."""
        instance = self._running(model)
        if instance is None:
            return
        instance.keep_alive_s = 0
        if instance.in_use == 0:
            self._unload(instance, "asked")

    def _running(self, model: OllamaModel) -> Instance | None:
        self.instances()
        return self._loaded.get(model.path)

    def _use(self, instance: Instance, keep_alive_s: float | None) -> Instance:
        instance.in_use += 1
        instance.idle.clear()
        instance.expires_s = None
        if keep_alive_s is not None:
            instance.keep_alive_s = keep_alive_s
        return instance

    def _unload(self, instance: Instance, reason: str, room_for: str | None = None, at_s: float | None = None) -> None:
        if self._loaded.get(instance.model.path) is instance:
            del self._loaded[instance.model.path]
            when_s = self._clock.now_s() if at_s is None else at_s
            self.evictions.append(Eviction(instance.model.full_name, reason, when_s, room_for))

    async def _serve(self) -> None:
        while True:
            request = await self._queue.get()
            if request.served.cancelled():
                continue
            work = asyncio.ensure_future(self._serve_one(request))
            # A client that leaves takes its load with it.
            request.served.add_done_callback(partial(_cancel_with, work))
            try:
                await asyncio.wait({work})
            finally:
                work.cancel()
            if not work.cancelled() and (failure := work.exception()) is not None and not request.served.done():
                request.served.set_exception(failure)

    async def _serve_one(self, request: _Request) -> None:
        changed: list[str] = []
        while True:
            running = self._running(request.model)
            if running is not None:
                changed = request.wanted.differences(running.options)
                if not changed:
                    request.served.set_result(self._use(running, request.keep_alive_s))
                    return
                await self._evict(running, "options", request.model.full_name)
            elif (leaver := self._must_leave_for(request)) is not None:
                await self._evict(leaver, "room", request.model.full_name)
            else:
                await self._load(request, tuple(changed))
                return

    def _must_leave_for(self, request: _Request) -> Instance | None:
        """Whom to throw out before this model can be loaded; ``None``: nobody."""
        others = self.instances()
        if not others:
            return None
        options = self._completed(request)
        size = request.model.memory_bytes(int(options.num_ctx or 0), self.settings.num_parallel)
        gpu_free = self.settings.gpu_bytes - sum(other.gpu_bytes for other in others)
        ram_free = self.settings.ram_bytes - sum(other.size_bytes - other.gpu_bytes for other in others)
        on_cpu = options.num_gpu == 0 or self.settings.gpu_bytes == 0
        if len(others) < self.settings.most_models and size <= (ram_free if on_cpu else gpu_free):
            return None
        # The shortest time to live first, ties by the path of the file; whoever is busy last.
        return min(others, key=lambda other: (other.in_use > 0, other.keep_alive_s, other.model.path))

    async def _evict(self, instance: Instance, reason: str, room_for: str) -> None:
        instance.leaving = True
        try:
            while instance.in_use:
                await instance.idle.wait()
        finally:
            instance.leaving = False
        self._unload(instance, reason, room_for)

    def _completed(self, request: _Request) -> LoadOptions:
        options = with_defaults(request.wanted, self.settings)
        return replace(options, num_ctx=min(int(options.num_ctx or 0), request.model.trained_tokens))

    async def _load(self, request: _Request, changed: tuple[str, ...]) -> None:
        options, model, began_s = self._completed(request), request.model, self._clock.now_s()
        if model.full_name not in self._library:
            raise OllamaError(404, f'model "{model.name}" not found, try pulling it first')
        alive_s = self.settings.keep_alive_s if request.keep_alive_s is None else request.keep_alive_s

        def over(failed: str | None = None) -> None:
            self.loads.append(Load(model.full_name, options, began_s, self._clock.now_s() - began_s, changed, failed))

        try:
            instance = self._place(model, options, alive_s)
        except OllamaError as failure:
            over(failure.text)
            raise
        self._loaded[model.path] = self._use(instance, None)
        try:
            await self._clock.sleep(model.load_s)
        except asyncio.CancelledError:
            over(GONE)
            del self._loaded[model.path]
            raise
        over(model.load_error)
        if model.load_error is not None:
            del self._loaded[model.path]
            raise OllamaError(500, model.load_error)
        instance.ready.set()
        request.served.set_result(instance)

    def _place(self, model: OllamaModel, options: LoadOptions, keep_alive_s: float) -> Instance:
        """Where the layers go: to the GPU as many as fit, unless the request says how many."""
        settings, others = self.settings, self._loaded.values()
        size = model.memory_bytes(int(options.num_ctx or 0), settings.num_parallel)
        gpu_free = settings.gpu_bytes - sum(other.gpu_bytes for other in others)
        ram_free = settings.ram_bytes - sum(other.size_bytes - other.gpu_bytes for other in others)
        layer = size / model.layers
        fitting = max(0, min(model.layers, int(gpu_free / layer)))
        on_gpu = fitting if options.num_gpu < 0 else min(options.num_gpu, model.layers)
        if settings.gpu_bytes == 0:
            on_gpu = 0
        gpu_bytes = size if on_gpu == model.layers else int(layer * on_gpu)
        if gpu_bytes > gpu_free:
            text = (
                f"cudaMalloc failed: out of memory\nggml_gallocr_reserve_n: failed to allocate CUDA0 buffer of size {gpu_bytes}"
            )
            raise OllamaError(500, f"llama runner process has terminated: {text}")
        if size - gpu_bytes > ram_free:
            needs, there = (size - gpu_bytes) / GIB, max(0, ram_free) / GIB
            raise OllamaError(500, f"model requires more system memory ({needs:.1f} GiB) than is available ({there:.1f} GiB)")
        return Instance(model, options, size, gpu_bytes, keep_alive_s, settings.num_parallel)
