"""Rules of routes: whether they lead to somebody who can take what comes, and to different ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from waypost.config.doctor.case import Case, Entry, WrittenRoute, stated
from waypost.config.doctor.finding import Hit, Rule
from waypost.config.doctor.loading import LOAD_OPTIONS
from waypost.config.tree import Node

_OTHER_NAME = (
    "If one is only another name, write it under `aliases`; if it should answer differently, give it another model or other "
    "settings."
)


def _collapsed(case: Case) -> Iterator[Hit]:
    """Routes, and groups, whose turns are answered by the same weights with the same settings."""
    yield from _one_route(case)
    yield from _one_group(case)


def _one_route(case: Case) -> Iterator[Hit]:
    seen: dict[Any, WrittenRoute] = {}
    for route in case.routes:
        named, entry = next(((where, entries[0]) for where, entries in route.candidates if entries), (None, None))
        if entry is None or named is None or named.value == "*":
            continue
        rules = route.route
        # What is private, checked, kept or told by examples is another route even with the same model.
        told = (rules.private, rules.verify, rules.cache_s, rules.examples)
        first = seen.setdefault((*_answers_as(entry, rules.settings), *told), route)
        if first is not route:
            message = f"this route and `{first.route.name}` (line {first.node.line}) are one: both go to "
            yield Hit(route.node, f"{message}`{entry.deployment.model}` with the same settings")


def _one_group(case: Case) -> Iterator[Hit]:
    seen: dict[Any, Entry] = {}
    for entry in case.entries:
        deployment = entry.deployment
        # Two names of a model in the cloud are what many give it on purpose; here, one model is all that there is room for.
        if not deployment.local or deployment.is_pattern or deployment.mode != "chat":
            continue
        key = deployment.api_key.reference if deployment.api_key else None
        first = seen.setdefault((*_answers_as(entry, {}), key), entry)
        if first.deployment.group != deployment.group:
            message = f"`{deployment.group}` and `{first.deployment.group}` (line {first.node.line}) are one: both are "
            options = ", ".join(f"`{name}`" for name in LOAD_OPTIONS if _written(entry, name) != _written(first, name))
            same = "the same settings" + (f" ({options} is one value for a model)" if options else "")
            yield Hit(entry.node, f"{message}`{deployment.model}` with {same}", _OTHER_NAME)


def _answers_as(entry: Entry, over: Mapping[str, Any]) -> tuple[Any, ...]:
    settings = json.dumps({**entry.deployment.settings, **over}, sort_keys=True, default=repr)
    return entry.deployment.provider, *entry.weights, settings


def _written(entry: Entry, name: str) -> Any:
    node = entry.params.children.get(name)
    return None if node is None else stated(name, node)


def _below_threshold(case: Case) -> Iterator[Hit]:
    for route in case.routes:
        needs = route.route.needs_context
        windows = {entry.deployment.id: entry.deployment.window_tokens for entry in route.entries}
        known = {name: window for name, window in windows.items() if window is not None}
        if needs is not None and known and len(known) == len(windows) and max(known.values()) < needs:
            where = route.node.at(["needs", "context"])
            holds = ", ".join(f"`{name}` {window}" for name, window in known.items())
            yield Hit(where, f"turns of more than {needs} tokens are to come here, and nobody here holds them: {holds}")


def _lacking(case: Case, name: str, lacks: Callable[[Entry], bool]) -> Iterator[Node]:
    """Where the route names candidates that cannot take what comes to it; ``*`` means whoever can."""
    for route in case.routes:
        for where, entries in route.candidates if route.route.name == name else ():
            if where.value != "*" and entries and all(map(lacks, entries)):
                yield where


def _no_tools(case: Case) -> Iterator[Hit]:
    for where in _lacking(case, "tool_calling", lambda entry: entry.deployment.capabilities.tools is False):
        yield Hit(
            where, f"`{where.value}` takes no tools, so that it gets no turn with tools: there are few others on this route"
        )


def _no_vision(case: Case) -> Iterator[Hit]:
    def blind(entry: Entry) -> bool:
        sees = entry.deployment.capabilities.vision
        # Who was not asked may yet say that it does.
        return sees is False or (sees is None and entry.model is not None)

    for where in _lacking(case, "vision", blind):
        yield Hit(where, f"`{where.value}` is not known to take images, so that it gets none")


def _private(case: Case) -> Iterator[Hit]:
    for route in case.routes:
        if route.route.private and route.entries and not any(entry.deployment.local for entry in route.entries):
            where = route.node.at(["private"])
            yield Hit(
                where, f"the route `{route.route.name}` is private, and none of its candidates is local: its turns are refused"
            )


def _think_refused(case: Case) -> Iterator[Hit]:
    for setting in case.settings("think"):
        for entry in setting.entries:
            if setting.value and not setting.inside and entry.is_ollama and entry.deployment.capabilities.reasoning is False:
                yield Hit(
                    setting.node, f"`think: {json.dumps(setting.value)}` goes to `{entry.deployment.model}`, which cannot think"
                )


RULES = (
    Rule(
        "collapsed-routes",
        "warning",
        "Two routes of this file, or two local groups of `model_list`, that the same model answers with the same settings. Of "
        "a route the first candidate counts: the others answer only when it does not.",
        "The route promises something else for its turns, and gives the same. It comes about when a model is replaced in "
        "one place: one assistant had four routes and one model behind them, unnoticed.",
        "Give one of them another model, or other settings (`think`, `temperature`, a cap: with the same weights these "
        "cost no load). If no difference is meant, take the route out: what it was for goes to the model that fits.",
        _collapsed,
    ),
    Rule(
        "window-below-threshold",
        "error",
        "`needs.context` of a route that is more than any of its candidates holds. For Ollama, what counts is `num_ctx`: "
        "what it allocates, not what the model was trained for.",
        "The route is for long turns, and every one of them is too long for it. Without Waypost's guard the engine cuts "
        "the oldest messages, and answers as if they had never been.",
        "Raise `num_ctx` of a candidate above the threshold (memory grows with it), name a candidate with a larger window, "
        "or lower `needs.context`.",
        _below_threshold,
    ),
    Rule(
        "no-tools-model-on-tool-route",
        "error",
        "A candidate of `tool_calling` that cannot call tools, by `supports_function_calling` or by what its engine says.",
        "Turns of this route bring tools. Waypost passes the candidate over; asked all the same, Ollama refuses with "
        "status 400.",
        "Name a model that calls tools, or take this one out of the route.",
        _no_tools,
    ),
    Rule(
        "no-vision-on-vision-route",
        "error",
        "A candidate of `vision` that does not take images, by `supports_vision` or by what its engine says; or whose engine "
        "was asked, and does not say.",
        "An image goes only to a model that is known to take it. Where none of the route does, the turn is refused, or "
        "leaves for another route.",
        "Name a model that takes images; if this one does and its engine does not tell, say `supports_vision: true` in "
        "`model_info`.",
        _no_vision,
    ),
    Rule(
        "private-route-without-local",
        "error",
        "A route with `private: true` whose candidates are all beyond this house.",
        "Private turns go to local deployments only, so each of them is refused.",
        "Name a local candidate. If one of them is yours under a name, say `model_info: {waypost: {local: true}}`.",
        _private,
    ),
    Rule(
        "think-refused",
        "error",
        "`think` switched on for a model of Ollama that cannot think, by `supports_reasoning` or by what its engine says.",
        "Ollama refuses the request with status 400.",
        "Take `think` out for this model, or name a model that thinks.",
        _think_refused,
    ),
)
