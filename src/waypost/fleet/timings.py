"""What an engine says of the work that one answer took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds and tokens of one answer, as the engine measured them. ``None``: it does not say.

    ``load_s`` is how long the request waited for the model to be loaded: a few milliseconds for one that was there, in Ollama.
    ``prompt_tokens`` are those that it read in ``prompt_s``; Ollama counts those too that it had in its cache.
    """

    load_s: float | None = None
    prompt_s: float | None = None
    prompt_tokens: int | None = None
    answer_s: float | None = None
    answer_tokens: int | None = None
