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
    if rate is None:
        said = "; how probable it is that the strong model wins is not known, so it answers"
    elif rate >= threshold:
        said = f"; the strong model wins with {rate:.4f}, and {threshold:g} is enough"
    else:
        said = f"; the strong model wins with {rate:.4f}, and {threshold:g} would be enough: the weak one answers"
    sides = (strong, weak) if rate is None or rate >= threshold else (weak, strong)
    ordered = [one.told() for side in sides for one in side]
    return Order((*ordered, *candidates[len(listed) :]), said=said, version=version)


def _rate(strong: Expected, weak: Expected, pair: RouterPair, forecast: Forecast, router: WinRates | None) -> float | None:
    if pair.router == "waypost":
        return None if strong.quality is None or weak.quality is None else win_rate(strong.quality, weak.quality)
    texts = forecast.turn.user_texts
    return None if router is None else router.calculate_strong_win_rate(texts[-1] if texts else "")
