"""Rules of how Ollama loads models and what it keeps in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from waypost.config.doctor.case import Case, Entry, Setting, place_of_engine
from waypost.config.doctor.finding import Hit, Rule
from waypost.config.tree import Node
from waypost.known_settings import LOAD_TIME

# `keep_alive` is one value for a model too, and costs no load.
LOAD_OPTIONS = tuple(sorted(LOAD_TIME - {"keep_alive"}))
# No model in use has as many layers, or as few: who writes such a number means all of them, or GPUs.
_ALL_LAYERS, _FEW_LAYERS = 90, 5


def _differ(case: Case) -> Iterator[Hit]:
    """One finding for each option and model: at the first place that differs from the first one."""
    for name in LOAD_OPTIONS:
        placed: dict[tuple[str, str], list[tuple[Any, Setting, Entry]]] = defaultdict(list)
        for setting in case.settings(name):
            if isinstance(setting.value, str):
                continue  # a reference; what it will be is not known
            if name == "num_gpu" and isinstance(setting.value, int) and setting.value < 0:
                continue  # Ollama takes any negative number for "as it is"
            for entry in setting.entries:
                if entry.is_ollama:
                    placed[entry.weights].append((setting.value, setting, entry))
        for uses in placed.values():
            (value, first, entry), *others = uses
            other = next((one for one in others if one[0] != value), None)
            if other is not None:
                there = f"{first.node.file}:{first.node.line}"
                message = f"`{name}` is {other[0]} here and {value} in {there}, both for `{entry.deployment.model}`"
                used = entry.deployment.settings.get(name)
                yield Hit(
                    other[1].node, f"{message}: Ollama would load it at each change, so Waypost asks for {used} everywhere"
                )


def _layers(case: Case) -> Iterator[Hit]:
    for setting in case.settings("num_gpu"):
        entries = [entry for entry in setting.entries if entry.is_ollama]
        if entries and isinstance(setting.value, int) and not isinstance(setting.value, bool) and setting.value > 0:
            yield Hit(setting.node, _what_layers_mean(setting.value, entries[0]))


def _what_layers_mean(asked: int, entry: Entry) -> str:
    """What this many layers are for a model whose layers its engine may have told."""
    model = entry.deployment.model
    layers = entry.model.layers if entry.model else None
    if layers is not None and asked > layers + 1:  # the output layer is one more
        return f"`num_gpu: {asked}` asks for {asked} layers on the GPU, and `{model}` has {layers + 1} to put there"
    if layers is not None and asked <= layers:
        return f"`num_gpu: {asked}` puts {asked} of the {layers + 1} layers of `{model}` on the GPU; the CPU computes the rest"
    if layers is not None or asked >= _ALL_LAYERS:
        return f"`num_gpu: {asked}` is every layer of `{model}`, fit or not: where they do not fit, the load fails"
    if asked < _FEW_LAYERS:
        return f"`num_gpu: {asked}` counts layers, not GPUs: nearly all of `{model}` is computed by the CPU"
    return f"`num_gpu: {asked}` is {asked} layers: where `{model}` has more, the CPU computes the rest; where fewer, it is all"


def _cpu_only(case: Case) -> Iterator[Hit]:
    for setting in case.settings("num_gpu"):
        entries = [entry for entry in setting.entries if entry.is_ollama]
        if entries and setting.value == 0 and not isinstance(setting.value, bool):
            yield Hit(
                setting.node, f"`num_gpu: 0` keeps all of `{entries[0].deployment.model}` on the CPU, also when the GPU is idle"
            )


def _keep_alive_misplaced(case: Case) -> Iterator[Hit]:
    for setting in case.settings("keep_alive"):
        if setting.route is not None:
            message = "`keep_alive` stands in a route: it is the model that stays or leaves, and it is the same for all routes"
            yield Hit(setting.node, message)
        elif setting.inside:
            yield Hit(
                setting.node, f"`keep_alive` stands inside `{'.'.join(setting.inside)}`, where Ollama does not look for it"
            )
    for entry in case.entries:
        for where, node in entry.elsewhere("keep_alive"):
            yield Hit(node, f"`keep_alive` stands {where}, and goes with no request")


def _keep_alive_uniform(case: Case) -> Iterator[Hit]:
    """One finding for each engine and value, at the first model that has it."""
    same: dict[tuple[str, str], dict[tuple[str, str], tuple[Node, Entry]]] = defaultdict(dict)
    for setting in case.settings("keep_alive"):
        entry = setting.entry
        if entry is not None and entry.is_ollama and not setting.inside:
            same[entry.engine, str(setting.value)].setdefault(entry.weights, (setting.node, entry))
    for (_, value), models in same.items():
        if len(models) > 1:
            where, first = next(iter(models.values()))
            names = ", ".join(f"`{entry.deployment.model}`" for _, entry in models.values())
            yield Hit(
                where,
                f"{len(models)} models of {place_of_engine(first)} have `keep_alive: {value}` ({names}): which of them is "
                "thrown out first is chance",
            )


def _loaded_otherwise(case: Case) -> Iterator[Hit]:
    for setting in case.settings("num_ctx"):
        entry = setting.entry
        model = entry.model if entry and entry.is_ollama and not setting.inside else None
        if entry is None or model is None or not model.loaded or model.window_assumed or model.window_tokens is None:
            continue
        possible = min(setting.value, model.trained_tokens or setting.value) if isinstance(setting.value, int) else None
        if possible is not None and possible != model.window_tokens:
            message = f"`{entry.deployment.model}` is loaded with a window of {model.window_tokens} tokens just now"
            yield Hit(setting.node, f"{message}, and this file asks for {setting.value}: the next request loads it again")


RULES = (
    Rule(
        "load-options-differ",
        "error",
        "Two entries or routes that give the same model of the same Ollama different values of `num_ctx`, `num_gpu`, "
        "`num_batch`, `num_thread`, `main_gpu`, `use_mmap`, `shift` or another option of the load. A negative `num_gpu` "
        "differs from none.",
        "These are options of the load, not of the request. A request whose value is not the loaded one makes Ollama throw "
        "the model out and load it again, for 20 to 60 seconds, and the other route's next request turns it back. LiteLLM lets "
        "that happen; Waypost asks for one value, so that one of the two is not what the file says.",
        "Give the model one value, the largest that is needed, and write it once. Vary `temperature`, `think`, `stop` or "
        "the cap by route: those cost no load.",
        _differ,
    ),
    Rule(
        "num-gpu-misunderstood",
        "warning",
        "A positive `num_gpu`.",
        "It counts layers to put on the GPU, not GPUs. `1` leaves nearly everything to the CPU; `99` asks for all layers, and "
        "the load fails where they do not fit; a number that was right for one model is wrong for the next. It is an option "
        "of the load, too: a client that sends another number makes Ollama load the model again.",
        "Leave it out, or write -1: Ollama then puts on the GPU what fits.",
        _layers,
    ),
    Rule(
        "cpu-only",
        "note",
        "`num_gpu: 0`.",
        "The model is computed by the CPU alone, many times slower, even while the GPU has nothing to do. It is right "
        "where a small model must never push a larger one out of the GPU's memory.",
        "Leave it out, unless that is meant.",
        _cpu_only,
    ),
    Rule(
        "keep-alive-misplaced",
        "warning",
        "`keep_alive` inside `options` or `extra_body`, in `model_info`, beside `litellm_params`, or in the settings of a "
        "route.",
        "Ollama reads it at the top level of a request only, and ignores it elsewhere without a word: the model leaves "
        "after five minutes, and the next request waits for a load. In a route it looks as if it held there; it "
        "holds for the model.",
        "Write it in `litellm_params`, beside `model`.",
        _keep_alive_misplaced,
    ),
    Rule(
        "keep-alive-uniform",
        "warning",
        "Several models of one Ollama with the same `keep_alive`.",
        "When memory is short, Ollama throws out the idle model with the shortest `keep_alive`, and breaks a tie by the "
        "name of the file: the model that everybody talks to may go for one that is used once a day.",
        "Give the models different values, the longest to the one that is asked most: `-1` (for ever), `60m`, `5m`. Or "
        "leave it out, so that Waypost may set it.",
        _keep_alive_uniform,
    ),
    Rule(
        "loaded-with-another-window",
        "warning",
        "A model that its Ollama has loaded with another window than the `num_ctx` of this file. Only seen while it is loaded.",
        "Another client asks for another window: Home Assistant, for one, sends its own `num_ctx` with each turn. Each "
        "change of turns is a load.",
        "Let that client talk to Waypost, or set the same window there.",
        _loaded_otherwise,
    ),
)
