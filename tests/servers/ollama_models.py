"""What an Ollama for tests is made of: its models, what they say, and the settings of the server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GIB = 1024**3

Body = Mapping[str, Any]


class OllamaError(Exception):
    """An answer that is an error, in Ollama's words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True)
class Answer:
    """What a model says to one request. Each word is a token; a tool call counts as one for each four bytes.

    ``thinking`` is left out where the request switches it off, ``json`` takes the place of ``text`` where it asks for a format.
    ``error`` breaks the answer off after ``error_after`` tokens: with a status of its own if that is 0, else in the stream.
    """

    text: str = ""
    thinking: str = ""
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    json: str = '{"answer": "yes"}'
    error: str | None = None
    error_after: int = 0


Script = Answer | Callable[[Body], Answer]


@dataclass(frozen=True)
class OllamaModel:
    """One model of the library.

    ``weights_bytes`` (the file, unless told) plus ``kv_bytes_per_token`` for each token of ``num_ctx`` times the parallel
    requests is what it takes in memory. ``blob`` is the file of its weights: models with the same one share an instance.
    ``parameters`` are the Modelfile's. Speeds are those on the GPU; the part in main memory is ``cpu_slowdown`` times slower.
    """

    name: str
    says: Script | None = None
    capabilities: Sequence[str] = ("completion", "tools")
    trained_tokens: int = 32_768
    file_bytes: int = 5 * GIB
    weights_bytes: int | None = None
    kv_bytes_per_token: int = 131_072
    layers: int = 32
    parameters: Mapping[str, Any] = field(default_factory=dict)
    family: str = "llama"
    parameter_size: str = "8.0B"
    parameter_count: int = 8_000_000_000
    quantization: str = "Q4_K_M"
    embedding_size: int = 4
    load_s: float = 10.0
    prompt_tokens_per_s: float = 1_000.0
    answer_tokens_per_s: float = 50.0
    cpu_slowdown: float = 10.0
    bytes_per_token: float = 4.0
    blob: str | None = None
    load_error: str | None = None
    """Makes every load fail, after its seconds, with these words."""
    runner: str | None = None
    """The base URL of a real llama.cpp server: the tokens, tool calls and timings are then its own."""

    @property
    def full_name(self) -> str:
        return full(self.name)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.full_name.encode()).hexdigest()

    @property
    def path(self) -> str:
        """The file of the weights: what instances are kept by, and what breaks a tie between two that may be evicted."""
        return self.blob or f"/usr/share/ollama/.ollama/models/blobs/sha256-{self.digest}"

    def can(self, capability: str) -> bool:
        return capability in self.capabilities

    def memory_bytes(self, num_ctx: int, num_parallel: int) -> int:
        weights = self.file_bytes if self.weights_bytes is None else self.weights_bytes
        return weights + self.kv_bytes_per_token * num_ctx * num_parallel

    def answer_to(self, body: Body) -> Answer:
        if self.says is None:
            thinking = "A greeting, it seems." if self.can("thinking") else ""
            return Answer(f"Hello from {self.name}.", thinking)
        return self.says if isinstance(self.says, Answer) else self.says(body)


@dataclass(frozen=True)
class OllamaSettings:
    """The machine and the environment of the server. ``gpu_bytes`` 0 is a machine without a GPU.

    ``context_length`` is ``OLLAMA_CONTEXT_LENGTH``. ``adopts_loaded``: a request without a window takes that of the running
    instance, as versions since June 2026 do; before, it reloaded.
    """

    version: str = "0.32.0"
    gpu_bytes: int = 24 * GIB
    ram_bytes: int = 64 * GIB
    gpus: int = 1
    max_loaded_models: int | None = None
    num_parallel: int = 1
    max_queue: int = 512
    keep_alive_s: float = 300.0
    context_length: int | None = None
    adopts_loaded: bool = True

    @property
    def default_window_tokens(self) -> int:
        """4k below 24 GiB of GPU memory, 32k up to 48, 256k from there."""
        if self.context_length is not None:
            return self.context_length
        if self.gpu_bytes < 23 * GIB:
            return 4_096
        return 32_768 if self.gpu_bytes < 47 * GIB else 262_144

    @property
    def most_models(self) -> int:
        return 3 * max(1, self.gpus) if self.max_loaded_models is None else self.max_loaded_models


def full(name: str) -> str:
    """The name with its tag."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
