"""Reads what Ollama says about its models."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from waypost.fleet.deployment import Capabilities, Mode, is_in_ollamas_cloud
from waypost.fleet.probe import Probe
from waypost.fleet.reading import billions, count, has, mapping, number, rows, text, tokens, words
from waypost.fleet.report import EngineReport, ModelReport
from waypost.turn import EMPTY

# Ollama's default window below 24 GiB of GPU memory. Larger machines get more, but a model that is not loaded does not say so,
# and a prompt cut in silence is worse than one refused.
ASSUMED_WINDOW_TOKENS = 4096
# Each description makes Ollama read the head of a model file.
_DESCRIPTIONS_AT_ONCE = 8
_FROM = re.compile(r"^FROM (\S.*)$", re.MULTILINE)


async def read_ollama(probe: Probe, only: Collection[str] | None) -> EngineReport | None:
    """Every model of an Ollama; ``only`` names those worth a description of their own. ``None``: it is no Ollama."""
    version, tags, running = await asyncio.gather(probe.get("/api/version"), probe.get("/api/tags"), probe.get("/api/ps"))
    listed, named = mapping(tags).get("models"), text(mapping(version).get("version"))
    if named is None or not isinstance(listed, list):
        return None
    found = [(name, row) for row in rows(listed) if (name := text(row.get("name")))]
    in_memory = {text(row.get("name")): row for row in rows(mapping(running).get("models"))} if running else None
    gate = asyncio.Semaphore(_DESCRIPTIONS_AT_ONCE)

    async def describe(name: str, row: Mapping[str, Any]) -> tuple[ModelReport, str]:
        shown = None
        if only is None or name in only or name.removesuffix(":latest") in only:
            async with gate:
                shown = await probe.post("/api/show", {"model": name})
        file = _file(mapping(shown).get("modelfile")) or text(row.get("digest")) or name
        return _model(name, row, mapping(shown), in_memory), file

    described = await asyncio.gather(*(describe(name, row) for name, row in found))
    first = {file: model.name for model, file in reversed(described)}
    models = (model if first[file] == model.name else replace(model, weights=first[file]) for model, file in described)
    return EngineReport("ollama", named, tuple(models))


def _file(modelfile: Any) -> str | None:
    """The file of the weights. Ollama holds what has the same file once in memory, under whatever names and settings."""
    found = _FROM.search(modelfile) if isinstance(modelfile, str) else None
    return found[1] if found else None


def _model(
    name: str, row: Mapping[str, Any], shown: Mapping[str, Any], in_memory: Mapping[str | None, Mapping[str, Any]] | None
) -> ModelReport:
    details = mapping(row.get("details"))
    info = mapping(shown.get("model_info"))
    trained = tokens(info.get(f"{info.get('general.architecture')}.context_length")) or tokens(details.get("context_length"))
    allocated = tokens(in_memory.get(name, EMPTY).get("context_length")) if in_memory else None
    window = allocated or _num_ctx(shown.get("parameters"))
    can = words(shown.get("capabilities"))
    can = words(row.get("capabilities")) if can is None else can
    parameters = number(info.get("general.parameter_count"))
    return ModelReport(
        name,
        window_tokens=min(window or ASSUMED_WINDOW_TOKENS, trained or window or ASSUMED_WINDOW_TOKENS),
        window_assumed=window is None,
        capabilities=_capabilities(can),
        loaded=None if in_memory is None else name in in_memory,
        parameters_b=parameters / 1e9 if parameters else billions(details.get("parameter_size")) or billions(name),
        mode=_mode(can),
        remote=bool(row.get("remote_host") or shown.get("remote_host")) or is_in_ollamas_cloud("ollama", name),
        trained_tokens=trained,
        layers=tokens(info.get(f"{info.get('general.architecture')}.block_count")),
        file_bytes=count(row.get("size")) or None,
        window_bytes=_window_bytes(info),
    )


def _window_bytes(info: Mapping[str, Any]) -> float | None:
    """What a token of the window takes: a key and a value for each layer and head, at two bytes (f16, the default) a number.

    Too much for models in which some layers see a part of the window only, and for a cache that is set to be quantised.
    """
    arch = info.get("general.architecture")
    layers, heads = number(info.get(f"{arch}.block_count")), number(info.get(f"{arch}.attention.head_count_kv"))
    key, value = (number(info.get(f"{arch}.attention.{part}_length")) for part in ("key", "value"))
    if key is None:
        width, all_heads = number(info.get(f"{arch}.embedding_length")), number(info.get(f"{arch}.attention.head_count"))
        key = width / all_heads if width and all_heads else None
    return None if not layers or not heads or not key else 2 * layers * heads * (key + (value or key))


def _capabilities(can: frozenset[str] | None) -> Capabilities:
    """Grammars hold every model of Ollama to a schema; the rest depends on the model."""
    return Capabilities(
        tools=has("tools", can),
        vision=has("vision", can),
        audio=has("audio", can),
        files=None if can is None else False,
        structured_output=has("completion", can),
        reasoning=has("thinking", can),
    )


def _mode(can: frozenset[str] | None) -> Mode | None:
    if not can:
        return None
    if "completion" in can:
        return "chat"
    return "embedding" if "embedding" in can else "other"


def _num_ctx(parameters: Any) -> int | None:
    """The window that the Modelfile sets, out of lines such as ``num_ctx    8192``."""
    if not isinstance(parameters, str):
        return None
    for line in parameters.splitlines():
        key, _, value = line.strip().partition(" ")
        if key == "num_ctx" and value.strip().isdecimal():
            return tokens(int(value.strip()[:12]))
    return None
