"""Rules of prefixes and places: what LiteLLM and Ollama's `/v1` do with a setting that stands in the wrong one."""

from __future__ import annotations

from collections.abc import Iterator

from waypost.config.doctor.case import Case, Entry, place_of_engine
from waypost.config.doctor.finding import Hit, Rule
from waypost.known_settings import KNOWN, fitted

_OLLAMA_PORT = ":11434"
_OPENAI = frozenset({"openai", "custom_openai", "hosted_vllm", "lm_studio", "llamafile"})
# What Ollama reads, and OpenAI does not know: nobody means anything else by these names.
_OLLAMAS = tuple(
    name for name, known in KNOWN.items() if "ollama" in (known.read_as or ()) and "openai" not in (known.read_as or ())
)
_NO_PREFIX = frozenset({"tensorrt", "tensorrt_llm", "tensorrt-llm", "trtllm", "trt-llm", "trt_llm"})


def _prefix(case: Case) -> Iterator[Hit]:
    for entry in case.entries:
        if entry.prefix != "ollama" or entry.deployment.mode != "chat":
            continue
        lost = ["`keep_alive`"] if "keep_alive" in entry.params.children else []
        lost += ["`tools`"] if entry.deployment.capabilities.tools else []
        what = f", and loses {' and '.join(lost)}" if lost else ""
        mend = f"Write `ollama_chat/{entry.deployment.model}`."
        yield Hit(
            entry.params.at(["model"]),
            f"LiteLLM calls `ollama/` by `/api/generate`{what}; Waypost calls it by `/api/chat`",
            mend,
        )


def _over_v1(case: Case) -> Iterator[Hit]:
    for entry in case.entries:
        if not _is_ollama_over_v1(case, entry):
            continue
        given = {name: node.plain() for name, node in entry.params.children.items() if name in KNOWN}
        ignored = [name for name in given if name == "tool_choice" or not fitted({name: given[name]}, "ollama_v1")]
        what = f" ignores {', '.join(f'`{name}`' for name in ignored)}" if ignored else " takes no window and no `keep_alive`"
        heat = (
            "" if "temperature" in entry.params.children else ", and answers at temperature 1.0 unless the request says another"
        )
        yield Hit(
            entry.params.at(["model"]),
            f"`{entry.deployment.model}` is called by the `/v1` of Ollama at {place_of_engine(entry)}, which{what}{heat}",
            f"Write `ollama_chat/{entry.deployment.model}`, and the `api_base` without `/v1`.",
        )


def _is_ollama_over_v1(case: Case, entry: Entry) -> bool:
    if entry.prefix not in _OPENAI or not entry.engine:
        return False
    look = case.looks.get(entry.engine)
    if look is not None and look.report is not None:
        return look.report.kind == "ollama"
    return place_of_engine(entry).endswith(_OLLAMA_PORT)


def _num_predict(case: Case) -> Iterator[Hit]:
    for setting in case.settings("num_predict"):
        if setting.entry is not None and not setting.inside and isinstance(setting.value, int) and setting.value > 0:
            message = (
                f"LiteLLM lets `num_predict: {setting.value}` beat the caller's `max_tokens`; Waypost takes the smaller one"
            )
            yield Hit(setting.node, message, f"Write `max_tokens: {setting.value}`.")


def _class_settings(case: Case) -> Iterator[Hit]:
    for block in ("litellm_settings", "router_settings", "general_settings"):
        settings = case.root.at([block]).children if block in case.root.children else {}
        for name in _OLLAMAS:
            if name in settings:
                yield Hit(settings[name], f"`{name}` stands in `{block}`, and reaches no request")
    for entry in case.entries:
        for name in _OLLAMAS:
            for where, node in entry.elsewhere(name) if name != "keep_alive" else ():  # which has a rule of its own
                yield Hit(node, f"`{name}` stands {where}, and reaches no request")


def _nested(case: Case) -> Iterator[Hit]:
    for entry in case.entries:
        options, extra = entry.params.children.get("options"), entry.params.children.get("extra_body")
        if entry.is_ollama and options is not None and options.children:
            names = ", ".join(f"`{name}`" for name in options.children)
            yield Hit(options, f"{names} stand inside `options`: LiteLLM sends them as `options.options`, which Ollama ignores")
        if extra is not None and "options" in extra.children:
            yield Hit(
                extra.at(["options"]),
                "`extra_body.options` replaces all other options of the request in LiteLLM: what stands beside it is lost",
            )


def _tool_choice(case: Case) -> Iterator[Hit]:
    for setting in case.settings("tool_choice"):
        entry = next((entry for entry in setting.entries if entry.is_ollama), None)
        if entry is not None:
            yield Hit(setting.node, f"`tool_choice` goes to `{entry.deployment.model}` of an Ollama, which does not know it")


def _tensorrt(case: Case) -> Iterator[Hit]:
    for entry in case.entries:
        if entry.prefix in _NO_PREFIX:
            mend = f"Write `custom_openai/{entry.deployment.model}` and the server's address with `/v1`."
            yield Hit(entry.params.at(["model"]), f"LiteLLM has no provider `{entry.prefix}/`: every call fails", mend)


def _triton(case: Case) -> Iterator[Hit]:
    for entry in case.entries:
        if entry.prefix != "triton" or entry.deployment.mode != "chat":
            continue
        base = (entry.deployment.api_base or "").rstrip("/")
        known = base.endswith(("/generate", "/infer"))
        trouble = (
            "is called without tools, images, `temperature` and `stop`"
            if known
            else "is refused by LiteLLM: the address must end in `/generate` or `/infer`"
        )
        yield Hit(entry.params.at(["api_base"]), f"`triton/{entry.deployment.model}` {trouble}")


RULES = (
    Rule(
        "ollama-prefix",
        "note",
        "A chat model under `ollama/`.",
        "LiteLLM sends it to `/api/generate` as one flat text: tools become a prompt, and `keep_alive` lands among the "
        "options, where Ollama ignores it. Waypost takes it for `ollama_chat/`; LiteLLM, with the same file, does not.",
        "Write `ollama_chat/`: then the file means the same to both.",
        _prefix,
    ),
    Rule(
        "ollama-over-v1",
        "warning",
        "An Ollama under `openai/` or another prefix of OpenAI's protocol: its port is 11434, or its engine says so.",
        "Ollama's `/v1` reads no `num_ctx`, no `keep_alive` and no `tool_choice`. The window stays at Ollama's default and "
        "longer prompts are cut in silence; a request without `temperature` or `top_p` gets 1.0, over what the model's own "
        "file says.",
        "Write `ollama_chat/` and the address without `/v1`.",
        _over_v1,
    ),
    Rule(
        "num-predict-beats-max-tokens",
        "note",
        "`num_predict` in `litellm_params`.",
        "Through LiteLLM a deployment's `num_predict` wins over the `max_tokens` of the caller, who asked for 9 tokens and "
        "gets 512. Waypost takes the smaller one.",
        "Write `max_tokens`: it is the cap to both.",
        _num_predict,
    ),
    Rule(
        "class-settings-ignored",
        "warning",
        "An option of Ollama in `litellm_settings`, `router_settings` or `general_settings`, in `model_info`, beside "
        "`litellm_params`, or set on LiteLLM's `OllamaConfig` in Python.",
        "What stands there reaches no request, in LiteLLM as in Waypost: the window that was raised there is still the default "
        "one.",
        "Write it in the `litellm_params` of each deployment.",
        _class_settings,
    ),
    Rule(
        "options-misplaced",
        "note",
        "`options` in the `litellm_params` of an Ollama, or `options` in an `extra_body`.",
        "LiteLLM makes the options itself, out of what stands beside `model`. A mapping of that name becomes "
        "`options.options`, which Ollama ignores; one in `extra_body` replaces all that LiteLLM made. Waypost sends them, but "
        "nothing in there is checked, or settled to one value for the model.",
        "Write each option in `litellm_params`, beside `model`.",
        _nested,
    ),
    Rule(
        "tool-choice-ignored",
        "note",
        "`tool_choice` set for a model of Ollama.",
        "Ollama has no such parameter, and LiteLLM leaves it out without a word: a model that is to be made to call a tool "
        "answers in words, and one that is to call none calls one. Waypost does what it can: it offers no tools, or only the "
        "one that is named, and holds the answer to a call that must come.",
        "Take it out. To have no tool calls, offer no tools.",
        _tool_choice,
    ),
    Rule(
        "tensorrt-prefix",
        "error",
        "A model under `tensorrt/`, `trtllm/` or the like.",
        "LiteLLM has no such provider. What is useful is the OpenAI-compatible door of `trtllm-serve`, or of Triton's "
        "frontend.",
        "Write `custom_openai/` and the address with `/v1`.",
        _tensorrt,
    ),
    Rule(
        "triton-legacy",
        "warning",
        "A chat model under `triton/`.",
        "It is the old door, `/generate` or `/infer`, and needs the whole address of one of them. The prompt becomes one "
        "text by a generic template; tools, images, `temperature` and `stop` do not arrive, and no tokens are counted.",
        "Start Triton's OpenAI-compatible frontend, and write `custom_openai/` with its address and `/v1`.",
        _triton,
    ),
)
