"""Rules of what the engines say: whether they are there, and have what the file says they have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from waypost.config.doctor.case import Case, Entry
from waypost.config.doctor.finding import Hit, Rule
from waypost.config.report import did_you_mean, quoted
from waypost.config.tree import Node
from waypost.fleet.places import Place, concerning, is_missing
from waypost.fleet.report import EngineReport, Examined

# Engines whose window is set when they start: a request cannot change it.
_FIXED_WINDOW = frozenset({"vllm", "llamacpp", "lm_studio", "tensorrt_llm"})


def _examined(case: Case) -> Iterator[tuple[Examined, Node, str]]:
    """Every engine that was looked at, where the file first names it, and who needs it."""
    for engine, look in case.looks.items():
        entries = [entry for entry in case.entries if entry.engine == engine]
        if entries:
            names = ", ".join(quoted(entry.deployment.id) for entry in entries)
            report = look.report and concerning(entries[0].deployment, look.report)
            yield replace(look, report=report), entries[0].params.at(["api_base"]), f"; {names} can answer nothing"
            continue
        for target in case.root.at(["discovery", "targets"]).items:
            url = target.at(["url"])
            if isinstance(url.value, str) and Place(url.value).engine == engine:
                yield look, url, ""


def _silent(case: Case, silence: str, message: str) -> Iterator[Hit]:
    for look, where, needed in _examined(case):
        if look.silence == silence:
            yield Hit(where, message.format(place=look.place) + needed)


def _down(case: Case) -> Iterator[Hit]:
    yield from _silent(case, "refused", "no engine listens at {place}")


def _slow(case: Case) -> Iterator[Hit]:
    yield from _silent(case, "slow", "what listens at {place} gave no answer in time")


def _strange(case: Case) -> Iterator[Hit]:
    yield from _silent(case, "strange", "what listens at {place} answers, and not as an engine does: it lists no models")


def _trouble(case: Case) -> Iterator[Hit]:
    for look, where, needed in _examined(case):
        if look.report is not None and look.report.problem is not None:
            yield Hit(where, f"{look.place}: {look.report.problem}{'' if look.report.serves else needed}")


def _absent(case: Case) -> Iterator[Hit]:
    for entry, report in _answered(case):
        if is_missing(report, entry.deployment):
            model = entry.deployment.model
            hint = did_you_mean(model, (listed.name for listed in report.models))
            pull = f"`ollama pull {model}`" if report.kind == "ollama" else "Load it there"
            yield Hit(
                entry.params.at(["model"]), f"the engine has no model {quoted(model)}{hint}", f"{pull}, or correct the name."
            )


def _beyond_trained(case: Case) -> Iterator[Hit]:
    for setting in case.settings("num_ctx"):
        for entry in setting.entries:
            trained = entry.model.trained_tokens if entry.model and entry.is_ollama and not setting.inside else None
            if trained is not None and isinstance(setting.value, int) and setting.value > trained:
                model = quoted(entry.deployment.model)
                yield Hit(
                    setting.node, f"{model} was trained for {trained} tokens, and Ollama allocates no more: not {setting.value}"
                )


def _smaller_window(case: Case) -> Iterator[Hit]:
    for entry, report in _answered(case):
        stated = entry.deployment.window_tokens if entry.deployment.sources.get("window_tokens") == "config" else None
        told = entry.model.window_tokens if entry.model and not entry.model.window_assumed else None
        if report.kind in _FIXED_WINDOW and stated is not None and told is not None and told < stated:
            info = entry.node.at(["model_info"])
            where = info.at(["max_input_tokens" if "max_input_tokens" in info.children else "max_tokens"])
            yield Hit(
                where, f"the file says that {quoted(entry.deployment.id)} holds {stated} tokens, and its engine says {told}"
            )


def _answered(case: Case) -> Iterator[tuple[Entry, EngineReport]]:
    for entry in case.entries:
        look = case.looks.get(entry.engine)
        if look is not None and look.report is not None and look.report.problem is None:
            yield entry, look.report


RULES = (
    Rule(
        "engine-down",
        "warning",
        "An engine on this machine or near it where nothing listens.",
        "Its deployments are passed over. If a route has no others, its requests fail.",
        "Start the engine, or correct `api_base`.",
        _down,
    ),
    Rule(
        "engine-slow",
        "warning",
        "An engine that takes the connection and does not answer a question about itself within `discovery.timeout_s`.",
        "It hangs, or it is starting, or the machine is far over its limits. Waypost takes it for down after two such looks.",
        "Look at its log; restart it. If it is only slow, raise `discovery.timeout_s`.",
        _slow,
    ),
    Rule(
        "engine-strange",
        "warning",
        "An address that answers, and not as an engine does: a page instead of JSON, no list of models, far too long a list.",
        "Something else has the port, or a proxy stands in between and answers with its own page.",
        "Correct `api_base`. `curl ADDRESS/v1/models` shows what answers.",
        _strange,
    ),
    Rule(
        "engine-trouble",
        "warning",
        "An engine that says itself what is wrong: it wants a key, its process has died, it is loading, it has no "
        "OpenAI-compatible door.",
        "As it is, its requests fail or wait.",
        "The message says it.",
        _trouble,
    ),
    Rule(
        "model-absent",
        "error",
        "A model that its engine does not have. Ollama, vLLM and LM Studio list all that they serve.",
        "Every call to it is answered with status 404. Waypost passes it over once it has looked.",
        "Pull it, or correct the name.",
        _absent,
    ),
    Rule(
        "window-beyond-trained",
        "error",
        "`num_ctx` of a model of Ollama that is more than the model was trained for, as its engine says.",
        "Ollama takes the smaller number and only logs it. The file counts on the larger one, so prompts are sent that do not "
        "fit, and their oldest messages are cut in silence.",
        "Write what the model was trained for, or name a model with a larger window.",
        _beyond_trained,
    ),
    Rule(
        "window-not-the-engines",
        "error",
        "`max_input_tokens` of `model_info` that is more than the engine holds, for engines whose window is set when they "
        "start.",
        "The file counts more than the engine, so Waypost sends prompts that do not fit: they are refused, or cut.",
        "Take it out, so that the engine is asked; or start the engine with a larger window.",
        _smaller_window,
    ),
)
