"""The decision: what the name means, which task it is, who may answer, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from waypost.decide.background import no_load, smallest_first
from waypost.decide.balancing import balanced
from waypost.decide.card import Candidate, Decision, Refusal, Removal
from waypost.decide.embedding import guards_for_vectors
from waypost.decide.guards import (
    Chat,
    ContextFit,
    Guard,
    Health,
    Modality,
    Privacy,
    StructuredOutput,
    Tools,
    first_reason,
)
from waypost.decide.ignored import allowed, ignored, load_options
from waypost.decide.keep_alive import KEEP_ALIVE, keep_alive_s
from waypost.decide.names import Meaning, resolve
from waypost.decide.ordering import ORDERED, expand, made_for, reorder
from waypost.decide.policy import Policy, Route
from waypost.decide.residency import by_residency
from waypost.decide.task import TaskModel, TaskScores
from waypost.decide.without_candidates import changing_model, unknown_model
from waypost.errors import NoDeployment
from waypost.fleet.view import Deployment, FleetView, Status, answer_cap
from waypost.turn import EMPTY, Turn


@dataclass(frozen=True, slots=True)
class Artefacts:
    """The learned parts of a decision."""

    task_model: TaskModel


@dataclass(frozen=True, slots=True)
class _Choice:
    """A route picked for a turn, with who may answer on it, in order, and who may not."""

    route: Route
    reason: str
    candidates: tuple[Candidate, ...]
    removed: tuple[tuple[Guard, Removal], ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that one decision looks at."""

    turn: Turn
    fleet: FleetView
    policy: Policy
    meaning: Meaning
    load_options: Mapping[str, Any]

    @property
    def answer_tokens(self) -> int:
        """The length to expect of the answer."""
        return self.policy.answer_tokens_of(self.turn)

    @property
    def in_tool_loop(self) -> str | None:
        """The deployment that called the tool whose result this turn brings: no other one should read it."""
        last = self.fleet.answered_last
        return last[0] if last and self.policy.session_affinity and self.turn.tool_loop_open else None

    def guards(self, route: Route, *, named: bool = False, needs_context: int | None = None) -> tuple[Guard, ...]:
        """Those that this turn can break, in the order of the card: what it can do, what fits, what is allowed, what is up.

        ``named``: for deployments that the caller asked for by name, and not for those behind them. ``needs_context``: for a
        route that the turn's length has sent it to.
        """
        turn, policy = self.turn, self.policy
        private = turn.private or route.private or self.meaning.name == "auto-private"
        if turn.mode == "embedding":
            return guards_for_vectors(self.meaning, self.fleet, policy, private=private)
        found: list[Guard] = [Chat()]
        if inputs := turn.inputs:
            found.append(Modality(inputs, unknown_passes=named))
        if turn.needs_tools:
            found.append(Tools())
        if turn.response_format == "json_schema":
            found.append(StructuredOutput())
        found.append(ContextFit(policy.answer_tokens, policy.headroom_tokens, self.settings(route), needs_context))
        if private:
            found.append(Privacy())
        found.append(Health())
        if not named and (guard := no_load(turn, self.fleet)) is not None:
            found.append(guard)
        return tuple(found)

    def sift(
        self,
        route: Route,
        reason: str,
        first: Sequence[Deployment],
        then: Sequence[Deployment] = (),
        *,
        needs_context: int | None = None,
    ) -> _Choice:
        """Applies the guards to the deployments, and to the fallbacks behind them."""
        candidates: list[Candidate] = []
        removed: list[tuple[Guard, Removal]] = []
        seen: set[str] = set()
        for deployments, is_fallback in ((first, False), (then, True)):
            if not deployments:
                continue
            named = self.meaning.kind == "deployment" and not is_fallback
            guards = self.guards(route, named=named, needs_context=needs_context)
            for deployment in deployments:
                if deployment.id in seen:
                    continue
                seen.add(deployment.id)
                status = self.fleet.status(deployment.id)
                found = first_reason(guards, self.turn, deployment, status)
                if found is None:
                    candidates.append(self.candidate(route, deployment, status, is_fallback))
                else:
                    guard, why = found
                    removed.append((guard, Removal(deployment.id, guard.name, why)))
        return _Choice(route, reason, tuple(candidates), tuple(removed))

    def candidate(self, route: Route, deployment: Deployment, status: Status, is_fallback: bool) -> Candidate:
        """A deployment that passed the guards, with what the card says of it."""
        cost_usd = None
        if deployment.price is not None:
            cap = answer_cap(self.turn, deployment.settings, route.settings)
            cost_usd = deployment.price.cost_usd(self.turn.prompt_tokens, self.policy.answer_tokens if cap is None else cap)
        settings = self.settings(route)
        if self.policy.residency is not None and self.turn.background is None:
            kept_s = keep_alive_s(deployment, status.residency, settings)
            settings = settings if kept_s is None else {**settings, KEEP_ALIVE: kept_s}
        # By position, which is faster: this runs for every deployment of every decision.
        return Candidate(
            deployment.id,
            deployment.group,
            deployment.provider,
            deployment.model,
            self.reason(route, deployment, status, is_fallback),
            settings,
            is_fallback,
            cost_usd,
        )

    def settings(self, route: Route) -> Mapping[str, Any]:
        """What is laid over the deployments' settings: the route's, and how the client wants models loaded, if it may."""
        return {**route.settings, **self.load_options} if self.load_options else route.settings

    def grounds(self, route: Route, deployment: Deployment, is_fallback: bool) -> str:
        """Why a candidate is one."""
        if is_fallback:
            return "fallback"
        if self.meaning.kind == "deployment":
            return "named"
        if deployment.id == self.in_tool_loop:
            return "called the tool whose result this is"
        if deployment.id in route.candidates or deployment.group in route.candidates:
            return "listed by the route"
        return f"the route is open to all{', made for it' if made_for(route.name, deployment) else ''}"

    def reason(self, route: Route, deployment: Deployment, status: Status, is_fallback: bool) -> str:
        """Why a candidate is one, and how it is now."""
        reason = self.grounds(route, deployment, is_fallback)
        if deployment.local:
            reason += ", local"
        if status.loaded is not None:
            reason += ", loaded" if status.loaded else ", not loaded"
        if status.in_flight:
            of = "" if deployment.max_parallel is None else f" of {deployment.max_parallel}"
            reason += f", {status.in_flight}{of} in flight"
        latency_s = status.latency_s if self.turn.stream else status.whole_latency_s
        if latency_s is not None and self.policy.balancing_of(deployment.group) == "latency":
            reason += f", {latency_s:.2f} s latency"
        if self.policy.session_affinity and deployment.id in self.fleet.answered_last:
            reason += ", answered this conversation last"
        return reason

    def fallbacks(self, deployments: Iterable[Deployment], *, only_longer: bool = False) -> tuple[Deployment, ...]:
        """The deployments that the config wants asked when these fail."""
        names = self.policy.fallbacks_of([d.group for d in deployments], only_longer=only_longer)
        return tuple(d for name in names for d in expand(Route("", (name,)), self.turn, self.fleet, self.policy))


def decide(turn: Turn, fleet: FleetView, policy: Policy, artefacts: Artefacts) -> Decision:
    """Which deployments may answer ``turn``, in order, with which settings, and why.

    Pure: the same inputs give the same card. Never raises for a turn that a dialect made; a turn that nothing can serve gets a
    card without candidates, whose ``refusal`` says why.
    """
    scores = artefacts.task_model.predict(turn) if turn.mode == "chat" else TaskScores({}, None)
    meaning = resolve(turn.model, fleet, policy)
    if meaning is None:
        return unknown_model(turn, fleet, policy, scores, artefacts.task_model.version)
    if turn.mode == "embedding" and meaning.kind == "virtual":
        return changing_model(turn, fleet, policy, scores, artefacts.task_model.version)
    wanted = load_options(turn)
    case = _Case(turn, fleet, policy, meaning, allowed(wanted) if policy.client_load_options == "allow" else EMPTY)
    choice = _choose(case, scores)
    if not choice.candidates and policy.last_resort:
        choice = _last_resort(case, choice)
    candidates = by_residency(choice.candidates, turn, fleet, policy, choice.route, fixed=_is_fixed(case, choice))
    return Decision(
        id=turn.id,
        requested=turn.model,
        route=None if meaning.kind == "deployment" else choice.route.name,
        reason=choice.reason if meaning.via is None else f"{turn.model} is an alias of {meaning.name}; {choice.reason}",
        task=scores,
        candidates=candidates,
        removed=tuple(removal for _, removal in choice.removed),
        prompt_tokens=turn.prompt_tokens,
        answer_tokens=case.answer_tokens,
        policy_version=policy.version,
        artefact_version=artefacts.task_model.version,
        refusal=None if candidates else _refusal(case, choice),
        verify=policy.verify_of(turn, choice.route),
        ignored=ignored(turn, fleet, candidates[0], wanted) if candidates else (),
    )


def _is_fixed(case: _Case, choice: _Choice) -> bool:
    """The order of the candidates is what was asked for: by a name or a kind of work that says it, by a tool loop, or as the
    last resort.
    """
    said = case.turn.background is not None or (case.meaning.kind == "virtual" and case.meaning.name in ORDERED)
    first = choice.candidates[0] if choice.candidates else None
    return said or first is None or first.last_resort or first.deployment == case.in_tool_loop


def _choose(case: _Case, scores: TaskScores) -> _Choice:
    """The route, with its candidates. Only ``auto`` may look further than the route that fits the task."""
    meaning, policy = case.meaning, case.policy
    if meaning.kind == "deployment":
        return _named(case, balanced(meaning.deployments, case.turn, case.fleet, policy))
    if case.turn.background is not None:
        return _in_background(case, scores)
    if meaning.kind == "route":
        return _on_route(case, policy.routes[meaning.name], "the caller named this route")
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


def _in_background(case: _Case, scores: TaskScores) -> _Choice:
    """What a client does for itself: whoever answers the conversation, this goes where it disturbs nobody."""
    meaning, policy = case.meaning, case.policy
    name = meaning.name if meaning.kind == "route" else _route_for(scores, policy, policy.default_route_of(case.turn))[0]
    route, listed, first = smallest_first(policy.routes[name], case.fleet, policy)
    return case.sift(route, f"background work of the client ({case.turn.background}): {first}", listed)


def _for_its_length(case: _Case, route: Route) -> _Choice | None:
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


def _last_resort(case: _Case, choice: _Choice) -> _Choice:
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


def _after(before: _Choice, choice: _Choice) -> _Choice:
    """A choice made because nobody was left of the one before, with all that was removed on the way."""
    kept = {candidate.deployment for candidate in choice.candidates}
    dropped = {removal.deployment: (guard, removal) for guard, removal in (*before.removed, *choice.removed)}
    return replace(choice, removed=tuple(pair for name, pair in dropped.items() if name not in kept))


def _named(case: _Case, chosen: tuple[Deployment, ...]) -> _Choice:
    """What the caller named. Its fallbacks stand in for it when it is down or fails, not when it cannot do what is asked."""
    reason = "the caller named this deployment"
    alone = case.sift(Route(""), reason, chosen)
    reasons = {removal.guard for _, removal in alone.removed}
    if not alone.candidates and reasons not in ({Health.name}, {ContextFit.name}):
        return alone
    only_longer = not alone.candidates and reasons == {ContextFit.name}
    behind = case.fallbacks(chosen, only_longer=only_longer)
    return case.sift(Route(""), reason, chosen, behind) if behind else alone


def _on_route(case: _Case, route: Route, reason: str, *, needs_context: int | None = None) -> _Choice:
    """The route's deployments, in the order that the virtual model asks for."""
    listed = expand(route, case.turn, case.fleet, case.policy)
    if case.meaning.kind == "virtual":
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


def _rescues(turn: Turn, policy: Policy, choice: _Choice, default: str) -> list[tuple[str, str]]:
    """Routes to try when nobody on the task's route can take the request, each with what the request needs."""
    too_long = any(removal.guard == ContextFit.name for _, removal in choice.removed)
    wanted = (
        ("vision", turn.has_image, "an image needs eyes"),
        ("tool_calling", turn.needs_tools, "tools need somebody who calls them"),
        ("memory", too_long, "the prompt is long"),
        (default, True, "nobody there can take the request"),
    )
    return [(route, why) for route, needed, why in wanted if needed and route in policy.routes and route != choice.route.name]


def _refusal(case: _Case, choice: _Choice) -> Refusal:
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


def _closest(case: _Case, choice: _Choice) -> type[Guard]:
    """The guard that came closest to letting somebody through."""
    order = [guard.name for guard in case.guards(choice.route)]
    return type(max(choice.removed, key=lambda pair: order.index(pair[0].name))[0])
