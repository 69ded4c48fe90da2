"""The report on routers as a picture: quality against cost, the gap recovered, and reliability."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from waypost.errors import ArtefactError
from waypost.learn.quality_evaluation import ORACLE

FORMATS = ("png", "svg")


def require_plottable(path: Path) -> None:
    """Raises ArtefactError where no plot can be written under this name, or matplotlib is missing."""
    if path.suffix[1:].lower() not in FORMATS:
        raise ArtefactError(f"{path.name} is no name of a plot: it must end with .png or .svg")
    try:
        import matplotlib.figure  # noqa: F401, PLC0415  large, and only for who wants a picture
    except ImportError as error:
        raise ArtefactError("a plot needs matplotlib: pip install 'waypost[plots]'") from error


def write_quality_plot(report: Mapping[str, Any], path: Path) -> None:
    """Writes a PNG or an SVG, as the name of ``path`` says.

    Raises what `require_plottable` raises, and OSError where the file cannot be written.
    """
    require_plottable(path)
    from matplotlib.figure import Figure  # noqa: PLC0415  large, and only for who wants a picture

    draw = [_quality]
    if any(one["gap_curve"] for one in report["policies"].values()):
        draw.append(_gap)
    if report["reliability"] is not None:
        draw.append(_reliability)
    figure = Figure(figsize=(5 * len(draw), 4.2), layout="constrained")
    for axes, one in zip(figure.subplots(1, len(draw), squeeze=False)[0], draw, strict=True):
        one(axes, report)
    figure.suptitle(f"{', '.join(report['files'])}: {report['n']} prompts")
    figure.savefig(path, format=path.suffix[1:].lower(), dpi=110)


def _quality(axes: Any, report: Mapping[str, Any]) -> None:
    """Against cost, whose mixtures lie on straight lines; or, where costs are unknown, as bars."""
    policies = report["policies"].items()
    if all(one["curve"] is None for _, one in policies):
        axes.barh([name for name, _ in policies], [one["quality"]["value"] for _, one in policies])
        axes.invert_yaxis()
        axes.set(xlabel="quality", title="Quality")
        return
    for name, one in policies:
        costs, qualities = zip(*sorted({(point["cost_usd"], point["quality"]) for point in one["curve"]}), strict=True)
        axes.plot(costs, qualities, label=name, marker="." if len(costs) == 1 else None, **_line(name, report))
    axes.set(xlabel="dollars a prompt", ylabel="quality", title="Quality against cost", xlim=(0, None))
    axes.locator_params(axis="x", nbins=5)
    axes.legend(fontsize="x-small")


def _gap(axes: Any, report: Mapping[str, Any]) -> None:
    for name, one in report["policies"].items():
        if one["gap_curve"] is not None:
            axes.plot(*zip(*one["gap_curve"], strict=True), label=name, **_line(name, report))
    axes.set(xlabel="share of strong calls", ylabel="share of the gap recovered", title="Gap recovered")
    axes.legend(fontsize="x-small")


def _reliability(axes: Any, report: Mapping[str, Any]) -> None:
    bins = report["reliability"]
    axes.plot([0, 1], [0, 1], linestyle="--", color="grey")
    axes.plot([one["expected"] for one in bins], [one["score"] for one in bins], marker="o")
    axes.set(xlabel="expected score", ylabel="score", title=f"Reliability of {report['policy']}")


def _line(name: str, report: Mapping[str, Any]) -> dict[str, Any]:
    """The router on trial is the broad line. The oracle is black: there are no more colours than other policies."""
    return {"linewidth": 2.5 if name == report["policy"] else 1.0, **({"color": "black"} if name == ORACLE else {})}
