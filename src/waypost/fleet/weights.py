"""What is known of one model of an engine as a load: its size, how long loading it takes, how fast it works."""

from __future__ import annotations

from collections import deque
from statistics import median

from waypost.fleet.report import ModelReport, Occupant
from waypost.fleet.timings import Timings

# Whoever waits less was not waiting for a file to be read: Ollama says 1 ms for a model that is there, tens of them when busy.
SHORTEST_LOAD_S = 0.2
# The median of so many: one load that stood behind another one, or came out of the page cache, does not count for much.
LOADS = 9
# Until a load was seen: a SATA disk, and the start of a process.
DISK_BYTES_PER_S, START_S = 0.5e9, 1.0
# vLLM's authors measured 0.1 to 0.4 s for small models; large ones take seconds.
WAKE_S = 1.0
# A file in memory takes a tenth more, for buffers; and another tenth where what its window takes is not known.
BUFFERS, SOME_WINDOW = 0.1, 0.1
# Four bits and their scales, as most files have them.
BYTES_PER_PARAMETER = 0.6
# A new measurement of a speed counts for a fifth. Of fewer tokens than this the overhead is measured, not the speed.
NEWEST = 0.2
FEWEST_PROMPT_TOKENS, FEWEST_ANSWER_TOKENS = 32, 8
# A load that failed is not tried again for so long, unless something leaves the memory before.
MISFIT_S = 300.0


class Weights:
    """One model that an engine loads, whatever deployments answer from it. Times are seconds of one clock.

    It is not safe for threads: its owner holds a lock.
    """

    __slots__ = (
        "_expires_at",
        "_file_bytes",
        "_loaded_at",
        "_loads",
        "_measured_bytes",
        "_parameters_b",
        "_window_bytes",
        "answer_tokens_per_s",
        "asked",
        "busy",
        "demand",
        "gpu_share",
        "kept_s",
        "misfit_until",
        "name",
        "prompt_tokens_per_s",
        "used_at",
        "window_tokens",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.window_tokens: int | None = None
        self.gpu_share: float | None = None
        self.prompt_tokens_per_s: float | None = None
        self.answer_tokens_per_s: float | None = None
        self.asked = self.demand = self.used_at = 0.0
        self.busy: set[str] = set()
        self.kept_s = float("inf")
        self.misfit_until = 0.0
        self._expires_at: float | None = None
        self._file_bytes: int | None = None
        self._window_bytes: float | None = None
        self._parameters_b: float | None = None
        self._measured_bytes: int | None = None
        self._loads: deque[float] = deque(maxlen=LOADS)
        self._loaded_at = float("-inf")

    def describe(self, model: ModelReport) -> None:
        """Takes down what the engine says of the model, loaded or not. What it said before stays, where it says nothing now."""
        self._file_bytes = model.file_bytes or self._file_bytes
        self._window_bytes = model.window_bytes or self._window_bytes
        self._parameters_b = model.parameters_b or self._parameters_b

    def occupy(self, occupant: Occupant, now: float) -> None:
        """It is in memory: what it takes there is known from now on, also when it has left.

        ``kept_s``, by which Ollama throws models out, is how long it was to be kept when it was used last. The two clocks
        differ, by the same for all models of an engine.
        """
        if occupant.memory_bytes:
            self._measured_bytes = occupant.memory_bytes
            self.gpu_share = None if occupant.gpu_bytes is None else min(1.0, occupant.gpu_bytes / occupant.memory_bytes)
        if occupant.expires_at is not None and occupant.expires_at != self._expires_at:
            self._expires_at, self.kept_s = occupant.expires_at, occupant.expires_at - now
        self.misfit_until = 0.0

    def size_bytes(self, window_tokens: int | None) -> int | None:
        """What it takes in memory: as measured, else guessed from its file, or from the number of its parameters."""
        file_bytes = self._on_disk()
        if self._measured_bytes is not None or file_bytes is None:
            return self._measured_bytes
        window = file_bytes * SOME_WINDOW if not self._window_bytes or not window_tokens else self._window_bytes * window_tokens
        return round(file_bytes * (1 + BUFFERS) + window)

    @property
    def load_s(self) -> float | None:
        """What a load takes: the median of those that were seen, else a guess from the file."""
        if self._loads:
            return median(self._loads)
        file_bytes = self._on_disk()
        return None if file_bytes is None else START_S + file_bytes / DISK_BYTES_PER_S

    @property
    def loads_seen(self) -> int:
        """How many loads `load_s` is the median of."""
        return len(self._loads)

    def loaded(self, took_s: float, at: float, *, shortest_s: float = SHORTEST_LOAD_S) -> None:
        """A request had waited ``took_s`` for it when it was there, at ``at``. Those who waited for one load are one load.

        Who waited less than ``shortest_s`` did not wait for a load.
        """
        if took_s < shortest_s:
            return
        if at - took_s < self._loaded_at and self._loads:
            self._loads[-1] = max(self._loads[-1], took_s)
        else:
            self._loads.append(took_s)
        self._loaded_at = max(self._loaded_at, at)

    def worked(self, timings: Timings, *, cached: bool) -> None:
        """Takes down how fast it worked. ``cached``: its count may hold tokens that it did not have to read.

        Then it looks faster than it is, and counts only where it looks slower than it was thought to be.
        """
        reading = _rate(timings.prompt_tokens, timings.prompt_s, FEWEST_PROMPT_TOKENS)
        known = self.prompt_tokens_per_s
        if reading is not None and (not cached or known is None or reading < known):
            self.prompt_tokens_per_s = _mixed(known, reading)
        writing = _rate(timings.answer_tokens, timings.answer_s, FEWEST_ANSWER_TOKENS)
        if writing is not None:
            self.answer_tokens_per_s = _mixed(self.answer_tokens_per_s, writing)

    def _on_disk(self) -> float | None:
        if self._file_bytes is not None or self._parameters_b is None:
            return self._file_bytes
        return self._parameters_b * 1e9 * BYTES_PER_PARAMETER


def _rate(tokens: int | None, seconds: float | None, fewest: int) -> float | None:
    return None if tokens is None or not seconds or tokens < fewest else tokens / seconds


def _mixed(known: float | None, new: float) -> float:
    return new if known is None else known + NEWEST * (new - known)
