"""Rules of stop strings and of how long an answer may get."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from waypost.config.doctor.case import Case, Entry, Setting, stated
from waypost.config.doctor.finding import Hit, Rule
from waypost.config.tree import Node

# "User:", "### Human:", "Zoe:": somebody's turn in a dialogue that is written out as text.
_ROLE = re.compile(r"\s*(#+ ?)?([A-Z]\w*( \w+)?|user|human|assistant):\s*")
_TOOL_CALL = re.compile(r"tool_?calls?\b|<function\b|python_tag", re.IGNORECASE)
_CAPS = ("max_tokens", "max_completion_tokens", "num_predict", "n_predict")
# Zoe's replies were empty at 256 with thinking on; a plan or a sum is often thought about for several hundred tokens.
ROOM_TO_THINK = 1024


def _stops(case: Case) -> Iterator[tuple[Setting, list[str]]]:
    for setting in case.settings("stop"):
        given = setting.value if isinstance(setting.value, list) else [setting.value]
        yield setting, [text for text in given if isinstance(text, str) and text]


def _quoted(texts: Iterable[str]) -> str:
    return ", ".join(f"`{json.dumps(text, ensure_ascii=True)}`" for text in texts)


def _cuts_replies(case: Case) -> Iterator[Hit]:
    for setting, texts in _stops(case):
        blank = [text for text in texts if not text.strip()]
        if blank:
            end = ("blank", "line end", "blank line")[min(2, *(text.count("\n") for text in blank))]
            yield Hit(setting.node, f"`stop` has {_quoted(blank)}: an answer ends at its first {end}, mid-thought")


def _role_markers(case: Case) -> Iterator[Hit]:
    for setting, texts in _stops(case):
        roles = [text for text in texts if _ROLE.fullmatch(text)]
        if roles:
            yield Hit(
                setting.node, f"`stop` has {_quoted(roles)}: an answer that quotes a dialogue or has such a label is cut there"
            )


def _cuts_tool_calls(case: Case) -> Iterator[Hit]:
    for setting, texts in _stops(case):
        markers = [text for text in texts if _TOOL_CALL.search(text)]
        if markers:
            yield Hit(setting.node, f"`stop` has {_quoted(markers)}: the model is stopped as it begins to call a tool")


def _small_cap_for_thoughts(case: Case) -> Iterator[Hit]:
    told: set[tuple[str, int]] = set()
    for entry, block, settings in _effective(case):
        cap, where = _cap(entry, block)
        place = (where.file, where.line)
        asked_to = _asked_to_think(settings)
        unasked = asked_to is None and entry.is_ollama and entry.deployment.capabilities.reasoning is True
        if cap is None or cap >= ROOM_TO_THINK or place in told or not (asked_to or unasked):
            continue
        told.add(place)
        asked = "thinks unless `think: false` is set" if unasked else "is told to think"
        mended = "; Waypost sets it here, LiteLLM does not" if unasked and entry.deployment.lane == "ollama" else ""
        yield Hit(where, f"`{entry.deployment.id}` {asked}, and its thoughts count against the cap of {cap} tokens{mended}")


def _cap_fills_window(case: Case) -> Iterator[Hit]:
    headroom = case.config.setup.policy.headroom_tokens
    for entry, block, _ in _effective(case):
        cap, where = _cap(entry, block)
        window = entry.deployment.window_tokens
        if cap is not None and window is not None and cap + headroom >= window:
            left = max(0, window - cap)
            yield Hit(
                where, f"an answer of {cap} tokens leaves {left} of the {window} of `{entry.deployment.id}` for the prompt"
            )


def _effective(case: Case) -> Iterator[tuple[Entry, Node | None, Mapping[str, Any]]]:
    """Every entry with its own settings, then with those of each route that it is a candidate of, and the route's block."""
    chats = [entry for entry in case.entries if entry.deployment.mode == "chat"]
    yield from ((entry, None, entry.deployment.settings) for entry in chats)
    for route in case.routes:
        if route.route.settings:
            block = route.node.at(["settings"])
            yield from ((entry, block, {**entry.deployment.settings, **route.route.settings}) for entry in route.entries)


def _cap(entry: Entry, block: Node | None) -> tuple[int | None, Node]:
    """The cap that holds, and where it stands: a route's replaces the deployment's."""
    for node in filter(None, (block, entry.params)):
        found = [(cap, one) for name in _CAPS if (one := node.children.get(name)) and (cap := _positive(stated(name, one)))]
        if found:
            return min(found, key=lambda pair: pair[0])
    return None, entry.node


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _asked_to_think(settings: Mapping[str, Any]) -> bool | None:
    """``None`` where no setting speaks of it."""
    think, effort, thinking = (settings.get(name) for name in ("think", "reasoning_effort", "thinking"))
    asked = [] if think is None else [bool(think)]
    asked += [] if effort is None else [effort not in ("none", "minimal")]
    asked += [thinking.get("type") != "disabled"] if isinstance(thinking, Mapping) else []
    return any(asked) if asked else None


RULES = (
    Rule(
        "stop-cuts-replies",
        "error",
        'A `stop` string of nothing but blanks and line ends, such as `"\\n\\n"`.',
        "Generation ends at the first blank line: lists, code and second paragraphs never arrive, and nothing says that "
        "the answer is not whole. One assistant's replies went from about 50 tokens to their full length when it was taken "
        "away.",
        "Take it out of `stop`. A chat model ends its own turn.",
        _cuts_replies,
    ),
    Rule(
        "stop-role-marker",
        "warning",
        "A `stop` string that is a label of a dialogue: `User:`, `Human:`, `Assistant:`, a name with a colon.",
        "It belonged to prompts that wrote a dialogue out as text. Engines apply the model's own template now, and the "
        "string only cuts answers that hold such a label themselves: a transcript, a form, an explanation of a protocol.",
        "Take it out of `stop`. The template's own end of a turn stays in force.",
        _role_markers,
    ),
    Rule(
        "stop-cuts-tool-calls",
        "error",
        "A `stop` string out of the syntax of tool calls: `<tool_call>`, `[TOOL_CALLS]`, `<|python_tag|>`, `<function`.",
        "Models write their tool calls as text with these marks, and the engine reads them from it. Stopped there, the "
        "model calls nothing, and often says that it did.",
        "Take it out of `stop`. To have no tool calls, offer no tools.",
        _cuts_tool_calls,
    ),
    Rule(
        "think-small-cap",
        "warning",
        f"A model that thinks, with a cap of less than {ROOM_TO_THINK} tokens. It thinks because `think`, `reasoning_effort` "
        "or `thinking` says so, or because it can and, with Ollama, nothing says that it must not.",
        "Thoughts are part of the answer's tokens. Where they use the cap up, the answer is empty, after the full time.",
        "Switch thinking off (`think: false`, or `reasoning_effort: none`) where the answer should be short, or raise the cap "
        "where thinking is wanted.",
        _small_cap_for_thoughts,
    ),
    Rule(
        "cap-fills-window",
        "error",
        "A cap on the answer that is as large as the window, or leaves less than `policy.headroom_tokens` of it.",
        "The window holds the prompt and the answer. Waypost finds that no prompt fits and asks others; an engine that is "
        "asked all the same cuts the prompt.",
        "Raise `num_ctx` (or the engine's window), or lower the cap.",
        _cap_fills_window,
    ),
)
