"""RouteLLM's model names: ``router-mf-0.11593`` asks the strong model of the pair ``mf`` where its win rate reaches 0.11593.

The rule is RouteLLM's own (`Router.route`, github.com/lm-sys/RouteLLM): strong, if P(strong wins) >= threshold. So 0 is always
the strong model. Guards come before: where only one of the two may answer, it does.
"""

from __future__ import annotations

from waypost.decide.card import Candidate
from waypost.decide.expectations import Expected, Forecast
from waypost.decide.policy import Route, RouterPair
from waypost.decide.quality import WinRates, win_rate
from waypost.decide.weighing import Order
from waypost.errors import ArtefactError


def route_of(name: str, pair: RouterPair) -> Route:
    """The route of a pair: both groups, without settings."""
    return Route(f"router-{name}", (pair.strong, pair.weak))


def by_threshold(
    candidates: tuple[Candidate, ...], pair: RouterPair, threshold: float, forecast: Forecast, router: WinRates | None
) -> Order:
    """The candidates, those of the side that RouteLLM's rule takes first.

    Where the win rate is not known, the strong side: that costs money, and not quality. ``router`` is RouteLLM's, where the
    pair wants it.
    """
    listed = [one for one in candidates if not one.fallback]
    found, version = forecast.of(listed, judged=pair.router == "waypost")
    strong_groups = {one.id for one in forecast.fleet.exactly(pair.strong) or forecast.fleet.loosely(pair.strong)}
    strong = [one for one in found if one.deployment.id in strong_groups]
    weak = [one for one in found if one.deployment.id not in strong_groups]
    if not strong or not weak:
        return Order(candidates)
    rate = _rate(strong[0], weak[0], pair, forecast, router)
    if isinstance(rate, str):
        said = f"; {rate}, so the strong model answers"
    elif rate >= threshold:
        said = f"; the strong model wins with a probability of {rate:.4f}, and {threshold:g} is enough"
    else:
        said = (
            f"; the strong model wins with a probability of {rate:.4f}, and {threshold:g} would be enough: the weak one answers"
        )
    sides = (strong, weak) if isinstance(rate, str) or rate >= threshold else (weak, strong)
    ordered = [one.told() for side in sides for one in side]
    return Order((*ordered, *candidates[len(listed) :]), said=said, version=version)


def _rate(strong: Expected, weak: Expected, pair: RouterPair, forecast: Forecast, router: WinRates | None) -> float | str:
    """The win rate of the strong model, or why it is not known."""
    if pair.router == "waypost":
        if strong.quality is None or weak.quality is None:
            unknown = (one.deployment.id for one in (strong, weak) if one.quality is None)
            return f"nothing is known of how well {' and '.join(unknown)} would answer"
        return win_rate(strong.quality, weak.quality)
    texts = forecast.turn.user_texts
    if router is None:
        return "RouteLLM's router is not loaded"
    try:
        return router.calculate_strong_win_rate(texts[-1] if texts else "")
    except ArtefactError as error:
        return error.message
