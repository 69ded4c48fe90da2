"""Compiles LiteLLM's `model_list` into deployments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from waypost.addresses import host_of
from waypost.config.endpoint import Endpoint, find_endpoint
from waypost.config.model_entry import ModelEntry, ModelInfo
from waypost.config.params import is_secret_name, resolved, sort_params
from waypost.config.providers import lane_of, mode_of, split_model
from waypost.config.report import Report, quoted
from waypost.config.tree import Node
from waypost.fleet.deployment import (
    KINDS,
    OLLAMA,
    Capabilities,
    Deployment,
    LaneName,
    Price,
    Timeouts,
    is_in_ollamas_cloud,
)

# LiteLLM's `supports_…` and our words for them.
_CAPABILITIES = {
    "tools": "supports_function_calling",
    "vision": "supports_vision",
    "audio": "supports_audio_input",
    "files": "supports_pdf_input",
    "structured_output": "supports_response_schema",
    "reasoning": "supports_reasoning",
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all deployments of a file share."""

    env: Mapping[str, str]
    report: Report
    credentials: Mapping[str, Mapping[str, Any]]
    timeouts: Timeouts
    drop_params: bool


@dataclass(frozen=True, slots=True)
class Fleet:
    """The deployments, and the groups of entries that were left out: a reference to one of those is no mistake.

    ``entries`` holds the entry of the file that each deployment was made from, by id.
    """

    deployments: tuple[Deployment, ...]
    left_out: frozenset[str]
    entries: Mapping[str, Node]


def compile_fleet(entries: Sequence[ModelEntry], nodes: Sequence[Node], around: Surroundings) -> Fleet:
    """Every entry as a deployment, in the order of the file, with ids that are unique and the same at every load."""
    made: list[tuple[ModelEntry, Node, Deployment]] = []
    left_out: set[str] = set()
    for entry, node in zip(entries, nodes, strict=True):
        deployment = _compile(entry, node, around)
        if deployment is None:
            left_out.add(entry.model_name)
        else:
            made.append((entry, node, deployment))
    named = _with_ids(made, around.report)
    deployments = tuple(deployment for deployment, _ in named)
    entries_by_id = {deployment.id: node for deployment, node in named}
    return Fleet(deployments, frozenset(left_out) - {deployment.group for deployment in deployments}, entries_by_id)


def _with_ids(made: Sequence[tuple[ModelEntry, Node, Deployment]], report: Report) -> list[tuple[Deployment, Node]]:
    """An id that the file gives, else the group's name, numbered in the order of the file where a group has several."""
    replicas = Counter(entry.model_name for entry, _, _ in made)
    numbers: Counter[str] = Counter()
    taken: dict[str, Node] = {}
    found = []
    for entry, node, deployment in made:
        group = entry.model_name
        numbers[group] += 1
        stated = entry.model_info.id if entry.model_info else None
        derived = group if replicas[group] == 1 else f"{group}#{numbers[group]}"
        name = derived if stated in (None, "") else str(stated)
        if name in taken:
            report.problem(node, f"the id {quoted(name)} is taken by the deployment in line {taken[name].line}")
            continue
        taken[name] = node
        found.append((replace(deployment, id=name), node))
    return found


def _compile(entry: ModelEntry, node: Node, around: Surroundings) -> Deployment | None:
    report = around.report
    where = node.at(["litellm_params"])
    if entry.litellm_params.model.startswith("auto_router/"):
        report.warning(where, "an `auto_router/` entry is left out: Waypost decides itself; write `routes` for what it did")
        return None
    params = _with_credential(entry, where, around)
    custom = params.get("custom_llm_provider")
    provider, model = split_model(entry.litellm_params.model, custom if isinstance(custom, str) else None)
    if model == "*" and provider is None:
        report.warning(
            where,
            '`model: "*"` is every model of every provider, and is left out: write one entry a provider, such as `openai/*`',
        )
        return None
    if provider is None:
        report.problem(where, "`model` names no provider: write `provider/model`, such as `openai/…` with an `api_base`")
        return None
    info = entry.model_info or ModelInfo()
    mode = mode_of(info.mode, model)
    if provider == "ollama" and mode == "chat":
        provider = "ollama_chat"
    endpoint = find_endpoint(provider, params, where, around.env, report)
    if endpoint is None:
        return None
    _tell_unused(entry, node, report)
    lane = lane_of(provider, model, has_address=endpoint.address is not None)
    settings, transport = _settings(lane, params, info, where, around)
    window = _window(provider, settings, info)
    price = _price(info, params, where, report)
    capabilities = Capabilities(**{ours: getattr(info, theirs) for ours, theirs in _CAPABILITIES.items()})
    stated = {ours: getattr(capabilities, ours) for ours in _CAPABILITIES}
    stated |= {"window_tokens": window, "max_output_tokens": info.max_output_tokens or None, "price": price, "mode": info.mode}
    stated["local"] = info.waypost.local
    return Deployment(
        id="",
        group=entry.model_name,
        provider=provider,
        model=model,
        lane=lane,
        local=_is_local(info, endpoint, lane, model),
        api_base=endpoint.address.url if endpoint.address else None,
        api_key=next(iter(endpoint.keys), None),
        mode=mode,
        capabilities=capabilities,
        window_tokens=window,
        max_output_tokens=info.max_output_tokens or None,
        price=price,
        settings=MappingProxyType(settings),
        headers=MappingProxyType(_headers(params, where, endpoint, around)),
        transport=MappingProxyType(transport),
        timeouts=_timeouts(params, where, around),
        sources=MappingProxyType({fact: "config" for fact, value in stated.items() if value is not None}),
        weight=entry.litellm_params.weight or 1.0,
        api_keys=endpoint.keys if len(endpoint.keys) > 1 else (),
        max_parallel=entry.litellm_params.max_parallel_requests,
        quality=MappingProxyType(_quality(info)),
        engine_kind=KINDS.get(provider) or ("openai" if _is_openais(endpoint) else None),
    )


def _quality(info: ModelInfo) -> dict[str, float]:
    stated = info.waypost.quality
    return stated if isinstance(stated, dict) else {} if stated is None else {"*": stated}


def _settings(
    lane: LaneName, params: Mapping[str, Any], info: ModelInfo, where: Node, around: Surroundings
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What goes with each request, and what only LiteLLM's transport reads; what no lane reads is told."""
    made = sort_params(params, where, around.env, around.report)
    settings, transport = made.settings, made.transport
    if lane == "litellm" and not around.drop_params:
        transport = {"drop_params": False, **transport}
    if lane != "litellm":
        # LiteLLM merges `extra_body` into the body of an OpenAI-compatible call; so do we.
        body = settings.pop("extra_body", None)
        settings = {**settings, **body} if isinstance(body, dict) else settings
        for name in sorted(transport.keys() - {"organization", "drop_params"}):
            around.report.unused("litellm_params", name, where.at([name]))
        transport = {}
    if info.base_model:
        transport = {**transport, "base_model": info.base_model}
    return settings, transport


def _with_credential(entry: ModelEntry, where: Node, around: Surroundings) -> dict[str, Any]:
    """The entry's own params over those of the credential that it names."""
    own = {name: value for name, value in entry.litellm_params.model_dump(exclude_unset=True).items() if value is not None}
    name = own.get("litellm_credential_name")
    if name is None:
        return own
    shared = around.credentials.get(name) if isinstance(name, str) else None
    if shared is None:
        around.report.warning(where, "`litellm_credential_name` names no entry of `credential_list`")
        return own
    return {**shared, **own}


def _window(provider: str, settings: Mapping[str, Any], info: ModelInfo) -> int | None:
    """What the engine will allocate: for Ollama that is ``num_ctx``, whatever the model could hold."""
    allocated = settings.get("num_ctx")
    if provider in OLLAMA and isinstance(allocated, int) and allocated > 0:
        return allocated
    return info.max_input_tokens or info.max_tokens or None


def _price(info: ModelInfo, params: Mapping[str, Any], where: Node, report: Report) -> Price | None:
    found: dict[str, float | None] = {}
    for name in ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"):
        value = params.get(name, getattr(info, name))
        found[name] = _number(value)
        if value is not None and found[name] is None:
            report.warning(where.at([name]), f"{quoted(name)} must be a number")
    given, answered, cached = found.values()
    if given is None or answered is None:
        if given is not None or answered is not None:
            report.warning(where, "a price needs both input_cost_per_token and output_cost_per_token; this one is not used")
        return None
    return Price(given, answered, cached)


def _number(value: Any) -> float | None:
    # YAML takes 1e-6 for text: it wants 1.0e-6.
    try:
        number = None if isinstance(value, bool) or not isinstance(value, int | float | str) else float(value)
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None


def _timeouts(params: Mapping[str, Any], where: Node, around: Surroundings) -> Timeouts:
    made = around.timeouts
    for name, field in (("timeout", "total_s"), ("stream_timeout", "first_byte_s")):
        value = params.get(name)
        if value is None:
            continue
        seconds = _number(resolved(value, where.at([name]), around.env, around.report))
        if seconds:
            made = replace(made, **{field: seconds})
        else:
            around.report.warning(where.at([name]), f"{quoted(name)} must be a number of seconds; it is not used")
    return made


def _headers(params: Mapping[str, Any], where: Node, endpoint: Endpoint, around: Surroundings) -> dict[str, str]:
    made: dict[str, str] = {}
    for name in ("default_headers", "headers", "extra_headers"):
        given = params.get(name)
        if given is None:
            continue
        if not isinstance(given, dict):
            around.report.warning(where.at([name]), f"{quoted(name)} must be a mapping; it is not used")
            continue
        for header, value in given.items():
            at = where.at([name, header])
            if is_secret_name(header) and isinstance(value, str) and not value.startswith("os.environ/"):
                around.report.warning(at, f"the header {quoted(header)} stands in the file: use a reference `os.environ/NAME`")
            filled = resolved(value, at, around.env, around.report)
            if filled is not None:
                made[header] = str(filled)
    if endpoint.address is not None and endpoint.address.authorization and not endpoint.keys:
        made.setdefault("Authorization", endpoint.address.authorization)
    organization = resolved(params.get("organization"), where.at(["organization"]), around.env, around.report)
    if organization and endpoint.provider == "openai":
        made.setdefault("OpenAI-Organization", str(organization))
    return made


def _is_local(info: ModelInfo, endpoint: Endpoint, lane: LaneName, model: str) -> bool:
    if info.waypost.local is not None:
        return info.waypost.local
    here = endpoint.address is not None and endpoint.address.local and not is_in_ollamas_cloud(endpoint.provider, model)
    return lane == "simulated" or here


def _is_openais(endpoint: Endpoint) -> bool:
    """OpenAI itself, and not one of the many servers that are called like it."""
    return endpoint.address is not None and host_of(endpoint.address.url) == "api.openai.com"


def _tell_unused(entry: ModelEntry, node: Node, report: Report) -> None:
    for key in entry.model_extra or {}:
        report.unused("model_list", key, node.at([key]))
    for key in (entry.model_info.model_extra if entry.model_info else None) or {}:
        report.unused("model_info", key, node.at(["model_info", key]))
