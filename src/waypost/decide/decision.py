"""The decision: what the name means, which task it is, who may answer, in which order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from waypost.decide.background import smallest_first
from waypost.decide.balancing import balanced
from waypost.decide.card import Decision, Refusal
from waypost.decide.case import Case, Choice
from waypost.decide.expectations import Forecast
from waypost.decide.exploration import Draw, draw
from waypost.decide.findings import NO_ROUTE
from waypost.decide.guards import ContextFit, Guard, Health
from waypost.decide.ignored import allowed, ignored, load_options
from waypost.decide.names import resolve
from waypost.decide.ordering import expand, reorder
from waypost.decide.policy import ORDERED, Policy, Route
from waypost.decide.quality import AnswerLengths, QualityEstimator, WinRates
from waypost.decide.residency import by_residency
from waypost.decide.router_pairs import by_threshold, route_of
from waypost.decide.task import TaskModel, TaskScores
from waypost.decide.weighing import Order, aim_of, weigh
from waypost.decide.without_candidates import changing_model, unknown_model
from waypost.errors import NoDeployment
from waypost.fleet.view import Deployment, FleetView
from waypost.turn import EMPTY, Turn, empty


@dataclass(frozen=True, slots=True)
class Artefacts:
    """The learned parts of a decision. ``win_rates`` are the routers of RouteLLM, by the name of their pair.

    Nobody but the task model is asked unless a dial, a floor, a pair of models or exploration wants to know.
    """

    task_model: TaskModel
    quality: QualityEstimator | None = None
    lengths: AnswerLengths | None = None
    win_rates: Mapping[str, WinRates] = field(default_factory=empty)


def decide(turn: Turn, fleet: FleetView, policy: Policy, artefacts: Artefacts) -> Decision:
    """Which deployments may answer ``turn``, in order, with which settings, and why.

    Pure: the same inputs give the same card. Never raises for a turn that a dialect made; a turn that nothing can serve gets a
    card without candidates, whose ``refusal`` says why.
    """
    scores = artefacts.task_model.predict(turn) if turn.mode == "chat" else TaskScores({}, None)
    meaning = resolve(turn.model, fleet, policy)
    if meaning is None:
        return unknown_model(turn, fleet, policy, scores, artefacts.task_model.version)
    if turn.mode == "embedding" and meaning.kind in ("virtual", "pair"):
        return changing_model(turn, fleet, policy, scores, artefacts.task_model.version)
    wanted = load_options(turn)
    case = Case(turn, fleet, policy, meaning, allowed(wanted) if policy.client_load_options == "allow" else EMPTY)
    choice = _choose(case, scores)
    if not choice.candidates and policy.last_resort:
        choice = _last_resort(case, choice)
    order = _order(case, choice, scores, artefacts)
    fixed = _is_fixed(case, choice)
    candidates = by_residency(order.candidates, turn, fleet, policy, choice.route, fixed=fixed, worths=order.worths)
    drawn = draw(candidates, turn, order.explore) if order.explore else Draw(candidates)
    via = "" if meaning.via is None else f"{turn.model} is an alias of {meaning.spelled}; "
    return Decision(
        id=turn.id,
        requested=turn.model,
        route=None if meaning.kind == "deployment" else choice.route.name,
        reason=f"{via}{choice.reason}{order.said}",
        task=scores,
        candidates=drawn.candidates,
        removed=tuple(removal for _, removal in choice.removed),
        prompt_tokens=turn.prompt_tokens,
        answer_tokens=case.answer_tokens,
        policy_version=policy.version,
        artefact_version=artefacts.task_model.version,
        refusal=None if candidates else _refusal(case, choice),
        verify=policy.verify_of(turn, choice.route),
        ignored=ignored(turn, fleet, drawn.candidates[0], wanted) if candidates else (),
        cost_quality=order.dial,
        quality_floor=order.floor,
        propensity=drawn.propensity,
        explored=drawn.explored,
        quality_version=order.version,
    )


def _is_fixed(case: Case, choice: Choice) -> bool:
    """The order of the candidates is what was asked for: by a name or a kind of work that says it, by a tool loop, or as the
    last resort.
    """
    named = case.meaning.kind == "pair" or (case.meaning.kind == "virtual" and case.meaning.name in ORDERED)
    return named or case.turn.background is not None or _is_taken(case, choice)


def _is_taken(case: Case, choice: Choice) -> bool:
    """There is nobody to order, or who comes first does so for a reason that outweighs all others."""
    first = choice.candidates[0] if choice.candidates else None
    return first is None or first.last_resort or first.deployment == case.in_tool_loop


def _order(case: Case, choice: Choice, scores: TaskScores, artefacts: Artefacts) -> Order:
    """The candidates as a dial, a floor or a threshold wants them, if one does."""
    aim = aim_of(case.meaning, case.turn, case.policy, choice.route, in_conversation=bool(case.fleet.answered_last))
    if aim is None or _is_taken(case, choice):
        return Order(choice.candidates)
    is_pair = case.meaning.kind == "pair"
    # A pair is no route for which a config would state a quality: what is stated for the one that `auto` means counts.
    route = Route(_route_for(scores, case.policy, case.policy.default_route_of(case.turn))[0]) if is_pair else choice.route
    forecast = Forecast(case.turn, case.fleet, route, scores, artefacts.quality, artefacts.lengths)
    if is_pair:
        pair, router = case.policy.pairs[case.meaning.name], artefacts.win_rates.get(case.meaning.name)
        return by_threshold(choice.candidates, pair, case.meaning.number or 0.0, forecast, router)
    return weigh(choice.candidates, aim, forecast, case.policy)


def _choose(case: Case, scores: TaskScores) -> Choice:
    """The route, with its candidates. Only ``auto`` may look further than the route that fits."""
    meaning, policy = case.meaning, case.policy
    if meaning.kind == "deployment":
        return _named(case, balanced(meaning.deployments, case.turn, case.fleet, policy))
    if case.turn.background is not None:
        return _in_background(case, scores)
    if meaning.kind == "pair":
        pair = route_of(meaning.name, policy.pairs[meaning.name])
        return _on_route(case, pair, "the caller named these two models and a threshold")
    if meaning.kind == "route":
        return _on_route(case, policy.routes[meaning.name], "the caller named this route")
    return _on_the_route_of_its_task(case, scores)


def _on_the_route_of_its_task(case: Case, scores: TaskScores) -> Choice:
    """What ``auto`` means."""
    policy = case.policy
    default = policy.default_route_of(case.turn)
    name, reason = _route_for(scores, policy, default)
    route = policy.routes[name]
    long = _for_its_length(case, route)
    if long is not None and long.candidates:
        return long
    if long is None:
        choice = _on_route(case, route, reason)
    else:
        reason = f"{long.reason}, but nobody there can take it; {reason}"
        choice = _after(long, _on_route(case, _kept_private(route, long.route), reason))
    for other, why in _rescues(case.turn, policy, choice, default) if not choice.candidates else ():
        beside = _kept_private(policy.routes[other], choice.route)
        rescue = _on_route(case, beside, f"{reason}, but {why}: route {other} answers")
        if rescue.candidates:
            return _after(choice, rescue)
    return choice


def _in_background(case: Case, scores: TaskScores) -> Choice:
    """What a client does for itself: whoever answers the conversation, this goes where it disturbs nobody."""
    meaning, policy = case.meaning, case.policy
    name = meaning.name if meaning.kind == "route" else _route_for(scores, policy, policy.default_route_of(case.turn))[0]
    route, listed, first = smallest_first(policy.routes[name], case.fleet, policy)
    return case.sift(route, f"background work of the client ({case.turn.background}): {first}", listed)


def _for_its_length(case: Case, route: Route) -> Choice | None:
    """The route for turns as long as this one, if the config has one; ``route`` is that of its task.

    An image that is asked about and a tool loop that is open stay where the task sends them: the next step of both is known.
    """
    turn = case.turn
    tokens = turn.prompt_tokens + case.answer_tokens
    long = case.policy.long_route(tokens)
    if long is None or turn.tool_loop_open or turn.asks_about_image:
        return None
    reason = f"prompt and answer have {tokens} tokens, and route {long.name} is for more than {long.needs_context}"
    return _on_route(case, _kept_private(long, route), reason, needs_context=long.needs_context)


def _last_resort(case: Case, choice: Choice) -> Choice:
    """Those whom the config wants asked when nobody is up, if health alone stands in the way of everybody else."""
    if not choice.removed or _closest(case, choice) is not Health:
        return choice
    wanted = expand(Route("", case.policy.last_resort), case.turn, case.fleet, case.policy)
    # As if nobody had looked: every guard but health counts.
    found = replace(case, fleet=FleetView(case.fleet.deployments)).sift(choice.route, choice.reason, wanted)
    why = "the last resort, as everybody is down or cools"
    asked = tuple(replace(candidate, reason=f"{why}; {candidate.reason}", last_resort=True) for candidate in found.candidates)
    return _after(choice, replace(found, candidates=asked)) if asked else choice


def _kept_private(route: Route, before: Route) -> Route:
    """A route that takes over from another one: what was private stays so."""
    return replace(route, private=True) if before.private and not route.private else route


def _after(before: Choice, choice: Choice) -> Choice:
    """A choice made because nobody was left of the one before, with all that was removed on the way."""
    kept = {candidate.deployment for candidate in choice.candidates}
    dropped = {removal.deployment: (guard, removal) for guard, removal in (*before.removed, *choice.removed)}
    return replace(choice, removed=tuple(pair for name, pair in dropped.items() if name not in kept))


def _named(case: Case, chosen: tuple[Deployment, ...]) -> Choice:
    """What the caller named. Its fallbacks stand in for it when it is down or fails, not when it cannot do what is asked."""
    reason = "the caller named this deployment"
    alone = case.sift(NO_ROUTE, reason, chosen)
    reasons = {removal.guard for _, removal in alone.removed}
    if not alone.candidates and reasons not in ({Health.name}, {ContextFit.name}):
        return alone
    only_longer = not alone.candidates and reasons == {ContextFit.name}
    behind = case.fallbacks(chosen, only_longer=only_longer)
    return case.sift(NO_ROUTE, reason, chosen, behind) if behind else alone


def _on_route(case: Case, route: Route, reason: str, *, needs_context: int | None = None) -> Choice:
    """The route's deployments, in the order that the virtual model asks for."""
    listed = expand(route, case.turn, case.fleet, case.policy)
    if case.meaning.kind == "virtual" and case.meaning.name in ORDERED:
        listed = reorder(case.meaning.name, listed, case.turn, case.fleet, case.answer_tokens)
    caller = case.in_tool_loop
    if caller is not None:
        # Found in the whole fleet: without its text, the turn may have been sent to another route than the one before it.
        among = case.fleet.deployments if case.meaning.kind == "virtual" else listed
        listed = (*[one for one in among if one.id == caller and not one.is_pattern], *listed)
    return case.sift(route, reason, listed, case.fallbacks(listed), needs_context=needs_context)


def _route_for(scores: TaskScores, policy: Policy, default: str) -> tuple[str, str]:
    """The route of a task of the user's own, else that of the task, or the default route where the model abstains."""
    if scores.own is not None and scores.own.name in policy.routes:
        return scores.own.name, f"it is like the examples of route {scores.own.name} ({scores.own.probability:.2f})"
    if scores.task is not None and scores.task in policy.routes:
        return scores.task, f"the task is {scores.task} (confidence {scores.confidence:.2f})"
    if scores.task is not None:
        return default, f"the task is {scores.task}, which has no route: the default route answers"
    known = scores.confidence > 1 / max(len(scores.probabilities), 1) + 1e-3
    guess = max(scores.probabilities, key=scores.probabilities.__getitem__) if known else None
    sure = "" if guess is None else f" (best guess {guess}, confidence {scores.confidence:.2f})"
    return default, f"not clear what is asked{sure}: the default route answers"


def _rescues(turn: Turn, policy: Policy, choice: Choice, default: str) -> list[tuple[str, str]]:
    """Routes to try when nobody on the task's route can take the request, each with what the request needs."""
    too_long = any(removal.guard == ContextFit.name for _, removal in choice.removed)
    wanted = (
        ("vision", turn.has_image, "an image needs eyes"),
        ("tool_calling", turn.needs_tools, "tools need somebody who calls them"),
        ("memory", too_long, "the prompt is long"),
        (default, True, "nobody there can take the request"),
    )
    return [(route, why) for route, needed, why in wanted if needed and route in policy.routes and route != choice.route.name]


def _refusal(case: Case, choice: Choice) -> Refusal:
    """The error of the guard that came closest to letting somebody through, with what would help."""
    route = choice.route
    if not choice.removed:
        listed = ", ".join(name for name in route.candidates if name != "*")
        absent = f"route {route.name} lists {listed}, and no such deployment is here now" if listed and route.name else None
        nobody = "no deployment is configured or was found: start an engine, or list one under model_list"
        if any(deployment.is_pattern for deployment in case.fleet):
            nobody = (
                "only patterns such as `openai/*` are configured: ask for a model by its name, or list one under model_list"
            )
        return Refusal(NoDeployment, absent or nobody)
    last = _closest(case, choice)
    near = [removal for guard, removal in choice.removed if guard.name == last.name]
    said = "; ".join(f"{removal.deployment} {removal.reason}" for removal in near[:3])
    more = f"; and {len(near) - 3} more" if len(near) > 3 else ""
    where = f"route {route.name}" if route.name else f"model {case.meaning.name}"
    pauses = [pause for removal in near if (pause := case.fleet.status(removal.deployment).cooling_s) is not None]
    message = f"no deployment of {where} can answer this ({last.name}): {said}{more}"
    return Refusal(last.error, message, retry_after_s=min(pauses, default=None) if last.name == Health.name else None)


def _closest(case: Case, choice: Choice) -> type[Guard]:
    """The guard that came closest to letting somebody through."""
    order = [guard.name for guard in case.guards(choice.route)]
    return type(max(choice.removed, key=lambda pair: order.index(pair[0].name))[0])
