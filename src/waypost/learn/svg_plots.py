"""Small plots as SVG, to stand inside an HTML page. Their colours are classes of the page; every word is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 460, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 16, 44
_TICKS = 5
_BAR, _BAR_GAP, _BAR_NAME, _BAR_VALUE = 18, 8, 150, 120
_CELL_WIDTH, _CELL_HEIGHT, _ROW_NAME, _HEAD = 84, 34, 100, 44
_LEAST_DOT, _MOST_DOT = 3.0, 14.0
_LINES, _LEGEND_WIDTH, _LEGEND_HEIGHT = 8, 190, 16
# From this share on a cell is dark enough for light letters.
_DARK_CELL = 0.55


@dataclass(frozen=True, slots=True)
class Axes:
    """A square of shares: both axes end at 1; the upright one begins at ``y_from``."""

    x_label: str
    y_label: str
    y_from: float = 0.0

    def x(self, share: float) -> float:
        """The place of a share on the level axis, in pixels from the left."""
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, share: float) -> float:
        """The place of a share on the upright axis, in pixels from the top."""
        return _TOP + (1 - share) / (1 - self.y_from) * (_HEIGHT - _TOP - _BOTTOM)

    def frame(self) -> str:
        """Lines, numbers and names of the axes."""
        parts = []
        for tick in range(_TICKS + 1):
            across, up = tick / _TICKS, self.y_from + (1 - self.y_from) * tick / _TICKS
            x, y = self.x(across), self.y(up)
            parts += [
                _line(_LEFT, y, _WIDTH - _RIGHT, y, "grid"),
                _text(_LEFT - 8, y + 4, _percent(up), "tick", "end"),
                _text(x, _HEIGHT - _BOTTOM + 18, _percent(across), "tick", "middle"),
            ]
        parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, self.x_label, "axis", "middle"))
        parts.append(f'<g transform="translate(12 {(_TOP + _HEIGHT - _BOTTOM) / 2:.0f}) rotate(-90)">')
        parts.append(_text(0, 0, self.y_label, "axis", "middle") + "</g>")
        return "".join(parts)


def curve(title: str, axes: Axes, points: Sequence[tuple[float, float]]) -> str:
    """A line through shares."""
    places = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in points)
    dots = "".join(_dot(axes, x, y, _LEAST_DOT) for x, y in points)
    return _svg(title, _WIDTH, _HEIGHT, axes.frame() + f'<polyline class="curve" points="{places}"/>' + dots)


def curves(title: str, axes: Axes, lines: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> str:
    """Lines through shares, each with its name below. The first one stands out; a line of one point is a dot."""
    parts = [axes.frame()]
    for number, (name, points) in enumerate(lines):
        kind = f"line{number % _LINES}"
        places = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in points)
        x, y = _LEFT + number % 2 * _LEGEND_WIDTH, _HEIGHT + 14 + number // 2 * _LEGEND_HEIGHT
        if len(points) > 1:
            parts.append(f'<polyline class="{kind}" points="{places}"><title>{escape(name)}</title></polyline>')
        parts += [_dot(axes, *point, _LEAST_DOT, name, kind) for point in points if len(points) == 1]
        parts += [f'<rect class="{kind}" x="{x}" y="{y - 9}" width="12" height="9" rx="2"/>', _text(x + 18, y, name, "tick")]
    return _svg(title, _WIDTH, _HEIGHT + 20 + (len(lines) + 1) // 2 * _LEGEND_HEIGHT, "".join(parts))


def dots(title: str, axes: Axes, points: Sequence[tuple[float, float, int]]) -> str:
    """Shares against shares, each dot as large as it has rows, and the line on which both are equal."""
    most = max((n for _, _, n in points), default=1)
    diagonal = _line(axes.x(axes.y_from), axes.y(axes.y_from), axes.x(1), axes.y(1), "equal")
    # Area, not width, tells how many: the eye compares areas.
    drawn = (_dot(axes, x, y, max(_LEAST_DOT, _MOST_DOT * (n / most) ** 0.5), f"{n} rows") for x, y, n in points)
    return _svg(title, _WIDTH, _HEIGHT, axes.frame() + diagonal + "".join(drawn))


def bars(title: str, rows: Sequence[tuple[str, float | None, str]]) -> str:
    """A bar for each name, with its share and a note behind it. The first one stands out. Unknown has no bar."""
    full = _WIDTH - _BAR_NAME - _BAR_VALUE
    parts = []
    for number, (name, share, note) in enumerate(rows):
        y = number * (_BAR + _BAR_GAP)
        length = full * (share or 0.0)
        kind = "bar" if number == 0 else "bar other"
        parts += [
            _text(_BAR_NAME - 8, y + 13, name, "tick", "end"),
            f'<rect class="{kind}" x="{_BAR_NAME}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2"/>',
            _text(_BAR_NAME + length + 6, y + 13, f"{_percent(share, 1)} {note}".strip(), "value"),
        ]
    return _svg(title, _WIDTH, max(1, len(rows)) * (_BAR + _BAR_GAP), "".join(parts))


def heat_map(title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]]) -> str:
    """Counts, each cell as strong as its share of the row."""
    parts = [_text(_ROW_NAME + (at + 0.5) * _CELL_WIDTH, _HEAD - 8, name, "tick", "middle") for at, name in enumerate(columns)]
    parts.append(_text(_ROW_NAME, 12, "answered", "axis"))
    for down, (name, counts) in enumerate(rows):
        y = _HEAD + down * _CELL_HEIGHT
        parts.append(_text(_ROW_NAME - 8, y + 21, name, "tick", "end"))
        total = sum(counts) or 1
        for at, count in enumerate(counts):
            x, share = _ROW_NAME + at * _CELL_WIDTH, count / total
            label = "cell dark" if share > _DARK_CELL else "cell"
            place = f'x="{x}" y="{y}" width="{_CELL_WIDTH - 2}" height="{_CELL_HEIGHT - 2}" rx="2"'
            told = f"<title>{_percent(share, 1)} of {escape(name)}</title>"
            parts += [
                f'<rect class="heat" {place} fill-opacity="{0.04 + 0.96 * share:.3f}">{told}</rect>',
                _text(x + (_CELL_WIDTH - 2) / 2, y + 21, str(count), label, "middle"),
            ]
    return _svg(title, _ROW_NAME + len(columns) * _CELL_WIDTH, _HEAD + len(rows) * _CELL_HEIGHT, "".join(parts))


def _svg(title: str, width: float, height: float, inner: str) -> str:
    named = escape(title)
    return f'<svg role="img" aria-label="{named}" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}">{inner}</svg>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _dot(axes: Axes, x: float, y: float, radius: float, note: str = "", kind: str = "dot") -> str:
    told = escape(f"{_percent(x, 1)}, {_percent(y, 1)} {note}".strip())
    return f'<circle class="{kind}" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="{radius:.1f}"><title>{told}</title></circle>'


def _percent(share: float | None, digits: int = 0) -> str:
    return "unknown" if share is None else f"{share:.{digits}%}"
