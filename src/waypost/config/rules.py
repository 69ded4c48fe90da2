"""Compiles routes, aliases and fallbacks into the policy; every name in them must mean something."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from waypost.config import settings as request_settings
from waypost.config.adopted import Adopted, Named
from waypost.config.names import Names
from waypost.config.params import is_setting
from waypost.config.report import Report, did_you_mean, quoted
from waypost.config.schema import ConfigFile, RouteBlock
from waypost.config.tree import Node
from waypost.decide.labels import ACTION, TASKS
from waypost.decide.policy import ORDERED, VIRTUAL_MODELS, Balancing, Policy, Route, RouterPair
from waypost.turn import channel_of, share_of

# Routes on which nothing may come from the cache, and why.
_NO_CACHE: Mapping[str, str] = {
    "memory": "what is remembered is one person's own, and changes",
    "tool_calling": "what is asked for there is to be done each time",
    "vision": "answers to images are never kept",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What names are checked against. ``expected``: discovery may bring names that the file does not hold."""

    names: Names
    left_out: frozenset[str]
    expected: bool
    report: Report

    def keeps(self, name: str, where: Node, what: str, *, strict: bool) -> bool:
        """Whether the reference can stay. A mistake in our blocks is a problem; in LiteLLM's, which it accepts, a warning."""
        if self.names.find(name):
            return True
        if name in self.left_out:
            self.report.warning(where, f"{what} {quoted(name)} is not used, as that model is left out")
            return False
        hint = did_you_mean(name, self.names.known)
        if strict and not self.expected:
            self.report.problem(where, f"{what} {quoted(name)} is no model of this file{hint}")
        elif strict:
            self.report.warning(where, f"{what} {quoted(name)} is not in `model_list`; discovery may find it{hint}")
            return True
        else:
            self.report.warning(where, f"{what} {quoted(name)} is no model of this file, and not used{hint}")
        return False


def compile_policy(file: ConfigFile, root: Node, adopted: Adopted, checked: Checked) -> Policy:
    """The rules, without their version."""
    report = checked.report
    pairs = _pairs(file, root, checked)
    aliases = _aliases(file, root, adopted, checked)
    routes = {task: Route(task) for task in TASKS}
    for name, block in file.routes.items():
        where = root.at(["routes", name])
        if name in VIRTUAL_MODELS:
            report.problem(where, f"a route cannot have the name {quoted(name)}: it is built in")
        elif name not in TASKS and checked.names.exactly(name):
            report.problem(where, f"the route {quoted(name)} has the name of a model; give it another")
        if name in TASKS and block.examples:
            told = "the six tasks are known already; examples are for a route with a name of your own"
            report.problem(where.at(["examples"]), f"{quoted(name)}: {told}")
        if name in _NO_CACHE and block.cache is not None:
            report.problem(where.at(["cache"]), f"the route {quoted(name)} cannot have a cache: {_NO_CACHE[name]}")
        made = _route(name, block, where, {*routes, *file.routes}, aliases, checked)
        routes[name] = replace(made, cache_s=_cache_s(block, file))
    _tell_shared_examples(file, root, report)
    _tell_shadowed(root, {*routes, *VIRTUAL_MODELS}, checked)
    _tell_quality_of_nothing(file, root, routes, report)
    rules = file.policy
    _tell_unsafe(rules.default_route, root.at(["policy", "default_route"]), "`default_route`", routes, checked)
    channel_routes = _channel_routes(rules.channel_routes, root, routes, checked)
    own = root.at(["policy", "default_fallbacks"])
    default = [
        name for i, name in enumerate(rules.default_fallbacks) if checked.keeps(name, own.at([i]), "the fallback", strict=True)
    ]
    default += [name for name, where in adopted.default_fallbacks if checked.keeps(name, where, "the fallback", strict=False)]
    resort = root.at(["policy", "last_resort"])
    return Policy(
        version="",
        routes=MappingProxyType(routes),
        aliases=MappingProxyType(aliases),
        fallbacks=MappingProxyType(_chains(adopted.fallbacks, checked)),
        context_fallbacks=MappingProxyType(_chains(adopted.context_fallbacks, checked)),
        default_fallbacks=tuple(dict.fromkeys(default)),
        last_resort=tuple(
            name
            for i, name in enumerate(rules.last_resort)
            if checked.keeps(name, resort.at([i]), "the last resort", strict=True)
        ),
        default_route=rules.default_route,
        channel_routes=MappingProxyType(channel_routes),
        answer_tokens=rules.answer_tokens,
        headroom_tokens=rules.headroom_tokens,
        balancing=adopted.balancing if adopted.balancing and "balancing" not in rules.model_fields_set else rules.balancing,
        group_balancing=MappingProxyType(_group_balancing(rules.group_balancing, root, checked)),
        session_affinity=rules.session_affinity,
        verify=rules.verify,
        residency=None if rules.residency is None else rules.residency.rules(),
        client_load_options=rules.client_load_options,
        cost_quality=rules.cost_quality,
        quality_floor=rules.quality_floor,
        pairs=MappingProxyType(pairs),
    )


def _pairs(file: ConfigFile, root: Node, checked: Checked) -> dict[str, RouterPair]:
    """The pairs, whose two groups must be models of this file."""
    made = {}
    for name, block in file.router_pairs.items():
        where = root.at(["router_pairs", name])
        known = [_is_one_model(side, getattr(block, side), where.at([side]), checked) for side in ("strong", "weak")]
        both = {one.id for one in checked.names.of(block.strong)} & {one.id for one in checked.names.of(block.weak)}
        if both or block.strong == block.weak:
            checked.report.problem(where, f"the pair {quoted(name)} needs two models: {quoted(block.weak)} is both")
        if all(known):
            made[name] = RouterPair(block.strong, block.weak, block.router, block.checkpoint)
    return made


def _is_one_model(side: str, name: str, where: Node, checked: Checked) -> bool:
    if "*" in name:
        checked.report.problem(where, f"the {side} model {quoted(name)} is a pattern: name one model")
        return False
    return checked.keeps(name, where, f"the {side} model", strict=True)


def _group_balancing(given: Mapping[str, Balancing], root: Node, checked: Checked) -> dict[str, Balancing]:
    groups = {deployment.group for deployment in checked.names.deployments}
    for name in () if checked.expected else given.keys() - groups - checked.left_out:
        where = root.at(["policy", "group_balancing", name])
        checked.report.problem(where, f"{quoted(name)} is no `model_name` of this file{did_you_mean(name, groups)}")
    return dict(given)


def _channel_routes(given: Mapping[str, str], root: Node, routes: Iterable[str], checked: Checked) -> dict[str, str]:
    """The routes by channel, as turns name it."""
    first: dict[str, str] = {}
    for name, route in given.items():
        where = root.at(["policy", "channel_routes", name])
        _tell_unsafe(route, where, f"`channel_routes.{name}`", routes, checked)
        other = first.setdefault(channel_of(name), name)
        if other != name:
            checked.report.problem(where, f"the channels {quoted(other)} and {quoted(name)} are the same: case does not count")
    return {channel: given[name] for channel, name in first.items()}


def _tell_unsafe(route: str, where: Node, key: str, routes: Iterable[str], checked: Checked) -> None:
    """The route of turns that are not clear must exist, and must not be the one for actions: nobody asked for any."""
    if route not in routes:
        checked.report.problem(where, f"{key} {quoted(route)} is no route{did_you_mean(route, routes)}")
    elif route == ACTION:
        checked.report.problem(where, f"{key} cannot be {quoted(route)}: what is not clear must not become an action")


def _route(
    name: str, block: RouteBlock, where: Node, routes: Iterable[str], aliases: Mapping[str, str], checked: Checked
) -> Route:
    found: list[str] = []
    names = where.at(["candidates"])
    for position, candidate in enumerate(block.candidates):
        at = names.at([position])
        target = aliases.get(candidate, candidate)
        is_model = checked.names.exactly(target)
        if not is_model and (target in routes or target in VIRTUAL_MODELS):
            checked.report.problem(at, f"a route cannot lead to a route: {quoted(candidate)} is one; name the models instead")
        elif target == "*" or checked.keeps(target, at, "the candidate", strict=True):
            found.append(target)
            _tell_too_small(target, at, block.needs.context, checked)
    for key, value in block.settings.items():
        at = where.at(["settings", key])
        wrong = request_settings.wrong_type(key, value)
        if not is_setting(key):
            checked.report.problem(at, f"{quoted(key)} is not a setting: only `model_list` says where and how a request goes")
        elif wrong:
            checked.report.problem(at, wrong)
        elif near := request_settings.near_miss(key):
            checked.report.warning(at, near)
    return Route(
        name=name,
        candidates=tuple(dict.fromkeys(found)) or ("*",),
        settings=MappingProxyType(request_settings.for_a_route(block.settings)),
        private=block.private,
        needs_context=block.needs.context,
        description=block.description,
        examples=block.examples,
        verify=block.verify,
        band=block.band,
        cost_quality=block.cost_quality,
        quality_floor=block.quality_floor,
        explore=block.explore,
    )


def _cache_s(block: RouteBlock, file: ConfigFile) -> float | None:
    return None if block.cache is None else block.cache.ttl_s or file.cache.ttl_s


def _tell_shared_examples(file: ConfigFile, root: Node, report: Report) -> None:
    first: dict[str, str] = {}
    for name, block in file.routes.items():
        for position, example in enumerate(block.examples):
            other = first.setdefault(" ".join(example.split()).casefold(), name)
            if other != name:
                where = root.at(["routes", name, "examples", position])
                report.warning(where, f"this example stands in route {quoted(other)} too: it cannot tell the two apart")


def _tell_quality_of_nothing(file: ConfigFile, root: Node, routes: Iterable[str], report: Report) -> None:
    for position, entry in enumerate(file.model_list or ()):
        quality = entry.model_info.waypost.quality if entry.model_info else None
        for name in quality if isinstance(quality, dict) else ():
            if name != "*" and name not in routes:
                where = root.at(["model_list", position, "model_info", "waypost", "quality", name])
                report.warning(where, f"`quality` names {quoted(name)}, which is no route{did_you_mean(name, routes)}")


def _tell_too_small(candidate: str, where: Node, needs_context: int | None, checked: Checked) -> None:
    windows = [deployment.window_tokens for deployment in checked.names.of(candidate)]
    known = [window for window in windows if window is not None]
    if needs_context is None or not known or len(known) < len(windows) or max(known) >= needs_context:
        return
    checked.report.warning(
        where,
        f"{quoted(candidate)} gets none of the long turns of this route: its window holds {max(known)} tokens, and they have "
        f"more than {needs_context}",
    )


def _aliases(file: ConfigFile, root: Node, adopted: Adopted, checked: Checked) -> dict[str, str]:
    """Every alias with its final target, so that one look is enough; LiteLLM's may not take a name that is in use."""
    report = checked.report
    routes = {*TASKS, *file.routes, *VIRTUAL_MODELS}
    given: dict[str, tuple[str, Node, bool]] = {
        name: (wanted, root.at(["aliases", name]), True) for name, wanted in file.aliases.items()
    }
    for name, (adopted_target, where) in adopted.aliases.items():
        if name in given:
            report.warning(where, f"`aliases` has {quoted(name)} too; that one is used")
        else:
            given[name] = (adopted_target, where, False)
    made: dict[str, str] = {}
    for name, (_, where, strict) in given.items():
        target = _final(name, given)
        tell = report.problem if strict else report.warning
        if name in routes or checked.names.exactly(name):
            tell(where, f"the alias {quoted(name)} has the name of a {'route' if name in routes else 'model'}")
        elif target is None:
            tell(where, f"the alias {quoted(name)} leads back to itself")
        elif (
            target in routes
            or _has_a_number(target, routes, file.router_pairs)
            or checked.keeps(target, where, f"the target of the alias {quoted(name)},", strict=strict)
        ):
            made[name] = target
    return made


def _has_a_number(target: str, routes: Iterable[str], pairs: Iterable[str]) -> bool:
    """It is a name such as ``auto@0.3`` or ``router-mf-0.11593``."""
    base, _, dial = target.rpartition("@")
    if base in routes and base not in ORDERED and share_of(dial) is not None:
        return True
    prefixes = (f"router-{pair}-" for pair in pairs)
    return any(target.startswith(prefix) and share_of(target.removeprefix(prefix)) is not None for prefix in prefixes)


def _final(name: str, given: Mapping[str, tuple[str, Node, bool]]) -> str | None:
    seen = {name}
    target = given[name][0]
    while target in given:
        if target in seen:
            return None
        seen.add(target)
        target = given[target][0]
    return target


def _chains(given: Mapping[str, Sequence[Named]], checked: Checked) -> dict[str, tuple[str, ...]]:
    """Fallbacks, and behind them theirs, as LiteLLM would ask them; nobody is asked twice, so none loops. ``*`` is everyone."""
    kept: dict[str, list[str]] = {}
    for group, targets in given.items():
        if not targets or (group != "*" and not checked.keeps(group, targets[0][1], "the model", strict=False)):
            continue
        kept[group] = [name for name, where in targets if checked.keeps(name, where, "the fallback", strict=False)]
    made: dict[str, tuple[str, ...]] = {}
    for group in kept:
        order: dict[str, None] = {}
        _follow(group, kept, order)
        order.pop(group, None)
        made[group] = tuple(order)
    return {group: chain for group, chain in made.items() if chain}


def _follow(group: str, kept: Mapping[str, Sequence[str]], order: dict[str, None]) -> None:
    waiting = list(reversed(kept.get(group, ())))
    while waiting:
        name = waiting.pop()
        if name not in order:
            order[name] = None
            waiting.extend(reversed(kept.get(name, ())))


def _tell_shadowed(root: Node, routes: set[str], checked: Checked) -> None:
    for node in root.at(["model_list"]).items:
        name = node.at(["model_name"]).value
        if isinstance(name, str) and name in routes:
            checked.report.warning(
                node, f"the model {quoted(name)} has the name of a route: who asks for {quoted(name)} gets it"
            )
