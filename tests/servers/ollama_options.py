"""The options of a request to Ollama, as the server reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from servers.ollama_models import Body, OllamaError, OllamaModel, OllamaSettings

_INTEGERS = frozenset(
    {"num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict"}
    | {"num_keep", "seed", "num_predict", "top_k", "repeat_last_n"}
)
_FLOATS = frozenset({"temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty", "frequency_penalty"})
KNOWN = _INTEGERS | _FLOATS | {"use_mmap", "stop"}
_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)")
FOREVER_S = float("inf")


@dataclass(frozen=True)
class LoadOptions:
    """The options that a running instance cannot change: another value means another load. ``None``: set nowhere."""

    num_ctx: int | None = None
    num_batch: int | None = None
    num_gpu: int = -1
    main_gpu: int = 0
    use_mmap: bool | None = None
    num_thread: int = 0
    draft_num_predict: int = 0
    shift: bool = True

    def differences(self, running: LoadOptions) -> list[str]:
        """The names of the options that force a reload of an instance that runs with ``running``."""
        wanted = self if self.num_gpu >= 0 else replace(self, num_gpu=running.num_gpu)
        unset = {name for name in ("num_ctx", "num_batch") if getattr(wanted, name) is None}
        names = (field.name for field in fields(wanted) if field.name not in unset)
        return [name for name in names if getattr(wanted, name) != getattr(running, name)]


def merged(model: OllamaModel, body: Body) -> dict[str, Any]:
    """The options of a request over those of the Modelfile, checked as Ollama checks them."""
    options = body.get("options") or {}
    if not isinstance(options, Mapping):
        kind = "string" if isinstance(options, str) else "array"
        raise OllamaError(
            400, f"json: cannot unmarshal {kind} into Go struct field ChatRequest.options of type map[string]interface {{}}"
        )
    for name, value in options.items():
        if name in _INTEGERS and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise OllamaError(500, f'option "{name}" must be of type integer')
        if name in _FLOATS and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise OllamaError(500, f'option "{name}" must be of type float32')
    return {**model.parameters, **{name: value for name, value in options.items() if value is not None}}


def load_options(model: OllamaModel, settings: OllamaSettings, options: Mapping[str, Any], shift: bool) -> LoadOptions:
    """What of ``options`` belongs to the load; a window above what the model was trained for is cut to that."""
    named = {field.name: options[field.name] for field in fields(LoadOptions) if field.name in options}
    wanted = LoadOptions(**{**named, "shift": shift})
    if wanted.num_ctx is None:
        wanted = replace(wanted, num_ctx=settings.context_length)
    if not settings.adopts_loaded:
        wanted = with_defaults(wanted, settings)
    if wanted.num_ctx is not None:
        wanted = replace(wanted, num_ctx=max(4, min(int(wanted.num_ctx), model.trained_tokens)))
    return wanted


def with_defaults(wanted: LoadOptions, settings: OllamaSettings) -> LoadOptions:
    """What a load takes where nobody set anything."""
    window, batch = wanted.num_ctx, wanted.num_batch
    return replace(wanted, num_ctx=window or settings.default_window_tokens, num_batch=batch or 512)


def keep_alive_s(value: Any) -> float | None:
    """Seconds out of a number or Go's notation; negative is for ever, ``None`` was not said."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise OllamaError(400, f"Unsupported type: '{type(value).__name__}'")
    if isinstance(value, str):
        sign, parts = (-1.0 if value.startswith("-") else 1.0), value.lstrip("+-")
        pieces = _DURATION.findall(parts)
        if parts != "0" and "".join(number + unit for number, unit in pieces) != parts:
            raise OllamaError(400, f'time: invalid duration "{value}"')
        if parts != "0" and not pieces:
            raise OllamaError(400, f'time: invalid duration "{value}"')
        value = sign * sum(float(number) * _UNITS_S[unit] for number, unit in pieces)
    return FOREVER_S if value < 0 else float(value)
