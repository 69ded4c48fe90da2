"""The order of candidates by quality and cost: what a dial or a floor asks for.

At the dial ``d``, who has the highest ``d x quality - (1 - d) x 0.2 x cost`` goes first (`COST_WEIGHT`). Quality is the
expected score of the answer. Cost is a share of the span between the cheapest and the dearest candidate, for this prompt and
the length that is to be expected of the answer. A price that nobody knows counts like the dearest; a local model without a
price is free. A floor puts those first whose quality is, at the lower bound of its interval, within so much of the best mean;
the dial orders these, and without a dial the cheapest of them goes first.

Whoever answered a conversation last counts as a little better for it: a change of models costs the prompt that is cached, and
shows.

Guards come before: only who may answer is weighed, and fallbacks stay behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from waypost.decide.card import Candidate
from waypost.decide.expectations import Expected, Forecast
from waypost.decide.names import Meaning
from waypost.decide.policy import Policy, ResidencyRules, Route
from waypost.decide.quality import COST_WEIGHT
from waypost.turn import Turn, empty
from waypost.value import value

_RULES = ResidencyRules()
_DIALS = {"auto-cheap": 0.0, "auto-best": 1.0}
# With a dial below this, cost counts as if it were this: more than any quality, and any wait.
_LEAST_DIAL = 1e-3
# Formatting a number takes several times as long as looking it up, and there are four for each candidate.
_HUNDREDTHS = tuple(f"{n / 100:.2f}" for n in range(101))
_GRAIN = 1e9  # Utilities that differ by less than one part in it are equal.
_FAR = 1e4  # more than any worth


@value(frozen=True, slots=True)
class Aim:
    """What the order of the candidates is to serve.

    ``dial`` and ``floor``: see above. ``explore``: the share of turns whose first candidate is drawn. ``all_known``: the dial
    counts only where the quality of everybody is known.
    """

    dial: float | None
    floor: float | None
    explore: float = 0.0
    all_known: bool = False


@value(frozen=True, slots=True)
class Order:
    """The candidates in their order.

    ``worths`` say what speaks for each, by deployment; empty where nothing was weighed. ``dial`` and ``floor`` are those that
    counted, ``said`` is what the card says of them, ``version`` that of the estimates, and ``explore`` the share of turns in
    which chance goes before all of it.
    """

    candidates: tuple[Candidate, ...]
    worths: Mapping[str, float] = field(default_factory=empty)
    dial: float | None = None
    floor: float | None = None
    said: str = ""
    version: str | None = None
    explore: float = 0.0


def aim_of(meaning: Meaning, turn: Turn, policy: Policy, route: Route, *, in_conversation: bool) -> Aim | None:
    """What the candidates are to be ordered for; ``None`` where the order is that of the route.

    The dial is what the name says (``auto-cheap``, ``auto@0.3``), else the header, else the route, else the policy. It is not
    for what the caller named, for background work, or for embeddings. Nothing is drawn where the name says who is wanted, and
    in the middle of something: whoever has begun a conversation or called a tool goes on with it.
    """
    if meaning.kind == "deployment" or meaning.name == "auto-fast" or turn.background or turn.mode == "embedding":
        return None
    if meaning.kind == "pair":
        return Aim(None, None)
    said = _DIALS.get(meaning.name) if meaning.kind == "virtual" else None
    dials = (said, meaning.number, turn.cost_quality, route.cost_quality, policy.cost_quality)
    dial = next((one for one in dials if one is not None), None)
    floor = policy.quality_floor if route.quality_floor is None else route.quality_floor
    may_draw = route.explore and said is None and not in_conversation and not turn.tool_loop_open
    if dial is None and floor is None and not may_draw:
        return None
    return Aim(dial, floor, route.explore if may_draw else 0.0, all_known=said == 1.0)


def weigh(candidates: tuple[Candidate, ...], aim: Aim, forecast: Forecast, policy: Policy) -> Order:
    """The candidates in the order that ``aim`` asks for."""
    listed = [one for one in candidates if not one.fallback]
    if not listed:
        return Order(candidates)
    behind = candidates[len(listed) :]
    found, version = forecast.of(listed, judged=bool(aim.dial) or aim.floor is not None or aim.explore > 0)
    dial, floor, lacking = _counting(aim, found)
    for one in found:
        one.said = _quality_in_words(one)
    if dial is not None or floor is not None:
        _price(found)
        last = forecast.fleet.answered_last[:1] if policy.session_affinity else ()
        found = _ordered(found, dial or 0.0, floor, policy.residency or _RULES, last)
    return Order(
        candidates=(*[one.told() for one in found], *behind),
        worths={} if dial is None and floor is None else {one.deployment.id: one.worth for one in found},
        dial=dial,
        floor=floor,
        said=lacking or _in_words(dial, floor),
        version=version,
        explore=aim.explore,
    )


def _counting(aim: Aim, found: Sequence[Expected]) -> tuple[float | None, float | None, str]:
    """The dial and the floor that can count, with what is known; and why one does not, if so."""
    unknown = [one.deployment.id for one in found if one.quality is None]
    needs_quality = bool(aim.dial) or aim.floor is not None
    if not needs_quality or not unknown or (len(unknown) < len(found) and not aim.all_known):
        return aim.dial, aim.floor, ""
    lacking = f"; nothing is known of how well {', '.join(unknown[:3])} would answer, so "
    if aim.dial == 0.0:
        return 0.0, None, f"{lacking}the floor does not count"
    return None, None, f"{lacking}{'the dearest goes first' if aim.all_known else 'the order is that of the route'}"


def _price(found: Sequence[Expected]) -> None:
    """Gives each its cost as a share of the span between the cheapest and the dearest."""
    costs = [0.0 if one.cost_usd is None and one.deployment.local else one.cost_usd for one in found]
    known = [cost for cost in costs if cost is not None]
    least, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    for one, cost in zip(found, costs, strict=True):
        if cost is None:
            one.share = 1.0
            one.said += ", its price is not known and counts like the dearest"
        else:
            one.share = (cost - least) / span if span > 0 else 0.0
            one.said += f", cost {_HUNDREDTHS[round(one.share * 100)]} of the span"


def _ordered(
    found: list[Expected], dial: float, floor: float | None, rules: ResidencyRules, last: tuple[str, ...]
) -> list[Expected]:
    """Good enough first, then those under the floor, then those of whom nothing is known where that counts.

    ``last`` holds who answered the conversation last.
    """
    judged = dial > 0 or floor is not None
    best = max([one.quality.mean for one in found if one.quality is not None], default=0.0)

    def key(one: Expected) -> tuple[float, ...]:
        quality = one.quality
        away = 0.0 if one.deployment.local else 2.0 if one.cost_usd is None else 1.0
        if quality is None or not judged:
            return 2.0 if judged else 0.0, one.share, 0.0, 0.0, away, one.place
        if floor is not None and quality.mean < best and quality.lower < best - floor:
            return 1.0, -quality.mean, one.share, 0.0, 0.0, one.place
        stays = rules.margin if one.deployment.id in last else 0.0
        utility = dial * (quality.mean + stays) - (1 - dial) * COST_WEIGHT * one.share
        return 0.0, int(utility * -_GRAIN), one.share, -quality.mean, away, one.place

    # Places differ, so that no key is equal to another one.
    ordered = [(keyed[0], one) for keyed, one in sorted([(key(one), one) for one in found])]
    for rank, (behind, one) in enumerate(ordered):
        if behind:
            one.worth = -behind * _FAR - rules.order_step * rank
            one.said += ", below the floor" if behind == 1.0 else ", its quality is not known"
            continue
        quality = one.quality.mean if one.quality is not None and dial else -rules.order_step * rank
        one.worth = quality - one.share * COST_WEIGHT * (1 - dial) / max(dial, _LEAST_DIAL)
    return [one for _, one in ordered]


def _quality_in_words(one: Expected) -> str:
    quality = one.quality
    if quality is None:
        return ""
    mean = _HUNDREDTHS[round(quality.mean * 100)]
    if one.stated:
        return f"; quality {mean} as stated"
    return f"; quality {mean} ({_HUNDREDTHS[round(quality.lower * 100)]} to {_HUNDREDTHS[round(quality.upper * 100)]})"


def _in_words(dial: float | None, floor: float | None) -> str:
    if dial is None and floor is None:
        return ""
    by = "by cost" if not dial else f"by the dial at {dial:g}"
    return f"; ordered {by}" if floor is None else f"; ordered {by} among those within {floor:g} of the best"
