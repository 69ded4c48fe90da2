"""The order of candidates by what is loaded: a warm model that is good enough goes before one that has to be loaded.

Only the order: who may be asked is for the guards to say. Where nothing is known of an engine's memory, the order stays.

The utility of a candidate is its quality, less what the caller waits for it, and what later ones will wait for what it throws
out of memory, each second at `ResidencyRules.quality_per_s`. A load that throws something out has to pay a margin besides,
which shrinks with each request that waits for the same weights, so that models are not swapped to and fro for single requests.
Quality is what the config states for the route; where it states none, each place down the route's list counts as a little
worse than the one before. Then how fast a model reads and writes is left out: whoever wrote the list knew that, but could not
know what would be loaded. Where a dial or a floor has weighed the candidates, what they are worth by it stands for their
quality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from waypost.decide.card import Candidate
from waypost.decide.eviction import known_weights
from waypost.decide.ordering import made_for
from waypost.decide.policy import Policy, ResidencyRules, Route
from waypost.decide.waiting import Outlook, fresh_tokens, outlook
from waypost.fleet.view import Deployment, FleetView, Status, answer_cap
from waypost.turn import EMPTY, Turn

# On a route that is open to all, a model made for its task counts as this many places better than the next one that is not.
_MADE_FOR_PLACES = 3
# A load that throws nothing out is made once, and so many requests share it.
_SHARED_BY = 10
# So many requests after this one count for what is in memory then. With more, the machine keeps to what was asked for most,
# whatever is asked for now; with fewer, it is drawn to and fro. Measured with `waypost simulate`.
_LATER_REQUESTS = 2
_ROUNDING = 1e-9
_ELSEWHERE = Outlook(warm=None)
_ALWAYS_THERE = Outlook(warm=True, loads=False)


@dataclass(slots=True, eq=False)
class _Seen:
    """A candidate with all that is known of it, and what is found out on the way: its worth, and what the card says of it.

    ``misfit``: the last attempt to load it failed.
    """

    candidate: Candidate
    deployment: Deployment
    status: Status
    outlook: Outlook
    wait_s: float | None
    misfit: bool = False
    quality: float = 0.0
    utility: float = 0.0
    said: str = ""

    def told(self) -> Candidate:
        """The candidate as the card has it."""
        one, seen = self.candidate, self.outlook
        reason = one.reason
        if seen.loads:
            reason += ", to be loaded" if seen.load_s is None else f", to be loaded in {seen.load_s:.0f} s"
            if seen.evicts:
                reason += f", would evict {' and '.join(seen.evicts)}"
        if self.said:
            reason += f"; {self.said}"
        # By position, as in `decide`.
        return Candidate(
            one.deployment,
            one.group,
            one.provider,
            one.model,
            reason,
            one.settings,
            one.fallback,
            one.expected_cost_usd,
            one.last_resort,
            self.wait_s,
            seen.loads,
            one.expected_quality,
            one.expected_answer_tokens,
        )


def by_residency(
    candidates: tuple[Candidate, ...],
    turn: Turn,
    fleet: FleetView,
    policy: Policy,
    route: Route,
    *,
    fixed: bool = False,
    worths: Mapping[str, float] = EMPTY,
) -> tuple[Candidate, ...]:
    """The same candidates in the order in which to ask them, with what asking each would mean.

    ``worths`` are what a dial or a floor found that they are worth, by deployment; empty where neither did. ``fixed``: their
    order is not to be touched. Even so, a model that did not fit into memory when it was last loaded is asked after all others.
    """
    rules = policy.residency
    if rules is None:
        return candidates
    statuses = [fleet.status(one.deployment) for one in candidates]
    if not any(status.residency for status in statuses) or all(_tells_nothing(status, turn, fleet) for status in statuses):
        return candidates
    order = _look(candidates, turn, fleet, policy)
    if not fixed:
        listed = [one for one in order if not one.candidate.fallback]
        _arrange(listed, turn, fleet, policy, route, rules, worths)
        if rules.spill_s is not None:
            _spill(listed, rules.spill_s)
        order = listed + order[len(listed) :]
    last = [one for one in order if one.misfit]
    for one in last:
        one.said = "asked last, as it did not fit into memory when it was last loaded"
        order.remove(one)
    return tuple([one.told() for one in (*order, *last)])


def _tells_nothing(status: Status, turn: Turn, fleet: FleetView) -> bool:
    """Nobody knows what is in its engine's memory, or how long it takes: there is nothing to order it by or to say of it."""
    residency = status.residency
    if residency is None:
        return not status.loaded and (status.latency_s if turn.stream else status.whole_latency_s) is None
    return status.loaded is None and residency.engine not in fleet.memories and not residency.misfit


def _look(candidates: Sequence[Candidate], turn: Turn, fleet: FleetView, policy: Policy) -> list[_Seen]:
    """Each with its outlook. One that no engine loads or unloads is expected to take as long as it took lately."""
    deployments = fleet.roster.by_id
    weights = known_weights(fleet)
    order = []
    last = fleet.answered_last[0] if fleet.answered_last else None
    for candidate in candidates:
        deployment, status = deployments[candidate.deployment], fleet.status(candidate.deployment)
        residency = status.residency
        if residency is None:
            wait_s = status.latency_s if turn.stream else status.whole_latency_s
            order.append(_Seen(candidate, deployment, status, _ALWAYS_THERE if status.loaded else _ELSEWHERE, wait_s))
            continue
        cap = answer_cap(turn, deployment.settings, candidate.settings)
        seen = outlook(
            deployment,
            status,
            residency,
            fleet.memories.get(residency.engine),
            weights,
            prompt_tokens=turn.prompt_tokens,
            fresh_tokens=fresh_tokens(turn) if candidate.deployment == last else turn.prompt_tokens,
            answer_tokens=policy.answer_tokens if cap is None else cap,
        )
        wait_s = seen.first_s if turn.stream else seen.whole_s
        order.append(_Seen(candidate, deployment, status, seen, wait_s, residency.misfit and not seen.warm))
    return order


def _arrange(
    listed: list[_Seen],
    turn: Turn,
    fleet: FleetView,
    policy: Policy,
    route: Route,
    rules: ResidencyRules,
    worths: Mapping[str, float],
) -> None:
    """Those whose memory is known share the places that they hold; all others keep theirs."""
    contenders = [one for one in listed if one.outlook.warm is not None and not one.misfit]
    if len(contenders) < 2:
        return
    before = contenders[0]
    timed = _rate(listed, contenders, route, rules, worths)
    staying, back = _conversation(contenders, turn, fleet) if policy.session_affinity else (None, False)
    if staying is not None:
        staying.utility += rules.margin + (0.0 if timed else rules.quality_per_s * staying.outlook.kept_s)
    # Replicas that are alike in warmth keep the order in which balancing has put them.
    best: dict[tuple[str, bool | None], float] = {}
    for one in contenders:
        key = one.candidate.group, one.outlook.warm
        if (known := best.get(key)) is None or known < one.utility:
            best[key] = one.utility
    ranked = sorted(contenders, key=lambda one: -best[one.candidate.group, one.outlook.warm])
    least = max([one.quality for one in contenders]) - rules.band_of(turn, route) - _ROUNDING
    near = next((one for one in ranked if one.outlook.warm and one.quality >= least), None)
    best_first = ranked[0].outlook
    if near is not None and best_first.swaps is not False and near.outlook.delay_s <= best_first.delay_s:
        _put_first(near, ranked)
    if staying is not None and back:
        _put_first(staying, ranked)
    _join_loads(ranked)
    if ranked[0] is not before:
        ranked[0].said = _why(ranked[0], before, staying, near, back=back)
    if len(contenders) == len(listed):
        listed[:] = ranked
        return
    places = [place for place, one in enumerate(listed) if one.outlook.warm is not None and not one.misfit]
    for place, one in zip(places, ranked, strict=True):
        listed[place] = one


def _rate(
    listed: Sequence[_Seen], contenders: Sequence[_Seen], route: Route, rules: ResidencyRules, worths: Mapping[str, float]
) -> bool:
    """Gives each its quality, and contenders their utility. Says whether that counts how fast they read and write.

    It does where all have a quality that was stated or estimated, and known speeds: one that is not known is not taken for a
    quick one.
    """
    shares = [worths.get(one.deployment.id, one.deployment.quality_on(route.name)) for one in listed]
    for one, quality in zip(listed, _qualities(listed, shares, route, rules.order_step), strict=True):
        one.quality = quality
    timed = all(
        one.outlook.read_s is not None
        and one.outlook.answer_s is not None
        and (one.deployment.id in worths or one.deployment.quality_on(route.name) is not None)
        for one in contenders
    )
    for one in contenders:
        seen = one.outlook
        wait_s = (seen.queue_s or 0.0) + (seen.load_s or 0.0) / (1 if seen.swaps is not False else _SHARED_BY)
        if timed:
            wait_s += (seen.read_s or 0.0) + (seen.answer_s or 0.0)
        margin = 0.0
        if seen.loads:
            wait_s += _LATER_REQUESTS * (seen.later_s or 0.0)
            if seen.swaps is not False:
                margin = rules.margin / (1 + seen.waiting)
        one.utility = one.quality - rules.quality_per_s * wait_s - margin
    return timed


def _put_first(one: _Seen, order: list[_Seen]) -> None:
    order.remove(one)
    order.insert(0, one)


def _join_loads(order: list[_Seen]) -> None:
    """Of cold replicas, puts one whose load is under way before those that would start another, unless its turn came later."""
    for one in [one for one in order if _is_coming(one)]:
        alike = (other for other in order if other.candidate.group == one.candidate.group and other.outlook.warm is False)
        first = next(alike)
        if first.outlook.loads and one.outlook.delay_s <= first.outlook.delay_s:
            order.remove(one)
            order.insert(order.index(first), one)


def _is_coming(one: _Seen) -> bool:
    """Its weights are being loaded just now."""
    return one.outlook.warm is False and one.outlook.loads is False


def _why(first: _Seen, before: _Seen, staying: _Seen | None, near: _Seen | None, *, back: bool) -> str:
    """Why one goes ahead of who was first on the route."""
    ahead = f"goes ahead of {before.deployment.group}"
    if first is staying and back:
        return f"{ahead}: the conversation goes back to it, as no image is left"
    if first is staying:
        return f"{ahead}: the conversation stays where it was"
    if first is near and before.outlook.loads:
        return f"{ahead}: it is warm, and about as good"
    if before.outlook.loads and _is_coming(first):
        return f"{ahead}: it is being loaded already"
    if before.outlook.loads:
        return f"{ahead}: a load would take longer than it is worth"
    return f"{ahead}: the wait there would be longer than it is worth"


def _qualities(listed: Sequence[_Seen], shares: Sequence[float | None], route: Route, step: float) -> list[float]:
    """The stated quality of each on this route; where none is stated, a step below the one before, or above the one behind."""
    if None not in shares:
        return [share for share in shares if share is not None]
    steps = [step * _places(before, behind, route) for before, behind in pairwise(listed)]
    known, first = next(((place, share) for place, share in enumerate(shares) if share is not None), (0, 1.0))
    found = [first] * len(listed)
    for place in range(known - 1, -1, -1):
        found[place] = found[place + 1] + steps[place]
    for place in range(known + 1, len(listed)):
        share = shares[place]
        found[place] = found[place - 1] - steps[place - 1] if share is None else share
    return found


def _places(before: _Seen, behind: _Seen, route: Route) -> int:
    """How many places lie between two neighbours of a route: none between replicas."""
    one, other = before.deployment, behind.deployment
    if one.group == other.group:
        return 0
    if "*" not in route.candidates or one.group in route.candidates or one.id in route.candidates:
        return 1
    return _MADE_FOR_PLACES if made_for(route.name, one) and not made_for(route.name, other) else 1


def _conversation(contenders: Sequence[_Seen], turn: Turn, fleet: FleetView) -> tuple[_Seen | None, bool]:
    """Who of these the conversation belongs to: who answered it last, or before it had to go to one that sees.

    Such a detour is over when no image is left in the conversation: then it has to go back, which is said too. Who sees may be
    on another route, and is none of these then.
    """
    here = {one.candidate.deployment: one for one in contenders}
    known = [name for name in fleet.answered_last if name in here]
    if not known:
        return None, False
    if not turn.has_image:
        blind = next((name for name in fleet.answered_last if not _sees(fleet, name)), None)
        if blind in here and blind != fleet.answered_last[0]:
            return here[blind], True
    return here[known[0]], False


def _sees(fleet: FleetView, deployment_id: str) -> bool:
    deployment = fleet.deployment(deployment_id)
    return deployment is not None and deployment.capabilities.vision is True


def _spill(listed: list[_Seen], spill_s: float) -> None:
    """One that is not local goes first where every local one would keep the caller waiting for longer than ``spill_s``."""
    waits = [one.wait_s for one in listed if one.deployment.local and not one.misfit]
    known = [wait_s for wait_s in waits if wait_s is not None]
    least_s = min(known, default=0.0)
    if len(known) < len(waits) or least_s <= spill_s:
        return
    away = next((one for one in listed if not one.deployment.local and not one.misfit and (one.wait_s or 0.0) < least_s), None)
    if away is not None and away is not listed[0]:
        away.said = (
            f"goes ahead: every local one would take {least_s:.0f} s or more, and policy.residency.spill_s is {spill_s:g}"
        )
        _put_first(away, listed)
