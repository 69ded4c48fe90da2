"""What one decision looks at, and who of a route's deployments may answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from waypost.decide.background import no_load
from waypost.decide.card import Candidate, Removal
from waypost.decide.embedding import guards_for_vectors
from waypost.decide.findings import Finding, Findings
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
from waypost.decide.keep_alive import KEEP_ALIVE, keep_alive_s
from waypost.decide.names import Meaning
from waypost.decide.ordering import expand, made_for
from waypost.decide.policy import Policy, Route
from waypost.fleet.view import UNSEEN, Deployment, FleetView, Status, answer_cap
from waypost.turn import Turn
from waypost.value import value


@value(frozen=True, slots=True)
class Choice:
    """A route picked for a turn, with who may answer on it, in order, and who may not."""

    route: Route
    reason: str
    candidates: tuple[Candidate, ...]
    removed: tuple[tuple[Guard, Removal], ...]


@value(frozen=True, slots=True)
class Case:
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
        private = self._is_private(route)
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

    def _is_private(self, route: Route) -> bool:
        return self.turn.private or route.private or self.meaning.name == "auto-private"

    def sift(
        self,
        route: Route,
        reason: str,
        first: Sequence[Deployment],
        then: Sequence[Deployment] = (),
        *,
        needs_context: int | None = None,
    ) -> Choice:
        """Applies the guards to the deployments, and to the fallbacks behind them."""
        turn, fleet = self.turn, self.fleet
        tokens = turn.prompt_tokens + (turn.answer_tokens or 0)
        candidates: list[Candidate] = []
        removed: list[tuple[Guard, Removal]] = []
        seen: set[str] = set()
        for deployments, is_fallback in ((first, False), (then, True)):
            if not deployments:
                continue
            named = self.meaning.kind == "deployment" and not is_fallback
            guards: Sequence[Guard] = ()
            known = {} if needs_context is not None else self._known(route, named=named, is_fallback=is_fallback)
            for deployment in deployments:
                name = deployment.id
                if name in seen:
                    continue
                seen.add(name)
                status = fleet.statuses.get(name, UNSEEN)
                found = known.get(name)
                if (
                    found is None
                    or found.deployment is not deployment
                    or found.room_tokens < tokens
                    or name in fleet.answered_last
                ):
                    guards = guards or self.guards(route, named=named, needs_context=needs_context)
                    found = self._find(guards, route, deployment, status, is_fallback)
                    if name not in fleet.answered_last:
                        known[name] = found
                elif found.status is not status:
                    found = known[name] = self._find_again(found, route, status, is_fallback)
                if found.candidate is not None:
                    candidates.append(self._priced(found.candidate, deployment, route))
                elif found.removed is not None:
                    removed.append(found.removed)
        return Choice(route, reason, tuple(candidates), tuple(removed))

    def _known(self, route: Route, *, named: bool, is_fallback: bool) -> dict[str, Finding]:
        """What is kept of a route's deployments for turns like this one; for what is rare, nothing is."""
        turn = self.turn
        if self.load_options or turn.background is not None or turn.mode == "embedding":
            return {}
        needs = turn.inputs, turn.needs_tools, turn.response_format == "json_schema", self._is_private(route)
        kind = needs, turn.stream, turn.answer_tokens is None, named, is_fallback
        return Findings.of(self.policy, self.fleet.roster).on(route, kind)

    def _find(
        self, guards: Sequence[Guard], route: Route, deployment: Deployment, status: Status, is_fallback: bool
    ) -> Finding:
        """Asks the guards about a deployment, and makes a candidate of one that passes."""
        fit = next((guard for guard in guards if isinstance(guard, ContextFit)), None)
        room_tokens = 0.0 if fit is None else fit.room_tokens(self.turn, deployment)
        dropped = first_reason(guards, self.turn, deployment, status)
        if dropped is None:
            candidate = self.candidate(route, deployment, status, is_fallback)
            return Finding(status, deployment, room_tokens, candidate, None)
        guard, why = dropped
        removed = guard, Removal(deployment.id, guard.name, why)
        # Too long is this turn, and not all of its kind.
        return Finding(status, deployment, -1.0 if guard is fit else room_tokens, None, removed)

    def _find_again(self, found: Finding, route: Route, status: Status, is_fallback: bool) -> Finding:
        """The same after its status has changed: of all guards, only that of health looks at it."""
        if found.removed is not None and found.removed[0].name != Health.name:
            return found._replace(status=status)
        again = self._find((Health(),), route, found.deployment, status, is_fallback)
        return again._replace(room_tokens=found.room_tokens)

    def candidate(self, route: Route, deployment: Deployment, status: Status, is_fallback: bool) -> Candidate:
        """A deployment that passed the guards, with what the card says of it, but for its cost."""
        settings = self.settings(route)
        if self.policy.residency is not None and self.turn.background is None:
            kept_s = keep_alive_s(deployment, status.residency, settings)
            settings = settings if kept_s is None else {**settings, KEEP_ALIVE: kept_s}
        reason = self.reason(route, deployment, status, is_fallback)
        return Candidate(deployment.id, deployment.group, deployment.provider, deployment.model, reason, settings, is_fallback)

    def _priced(self, candidate: Candidate, deployment: Deployment, route: Route) -> Candidate:
        """The candidate with its cost, where its price is known."""
        if deployment.price is None:
            return candidate
        cap = answer_cap(self.turn, deployment.settings, route.settings)
        # By position, which is faster: this runs for every deployment of every decision.
        return Candidate(
            candidate.deployment,
            candidate.group,
            candidate.provider,
            candidate.model,
            candidate.reason,
            candidate.settings,
            candidate.fallback,
            deployment.price.cost_usd(self.turn.prompt_tokens, self.policy.answer_tokens if cap is None else cap),
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
        names = self.policy.fallbacks_of((d.group for d in deployments), only_longer=only_longer)
        return tuple(d for name in names for d in expand(Route("", (name,)), self.turn, self.fleet, self.policy))
