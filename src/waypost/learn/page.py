"""Reports as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any


def page(title: str, body: Iterable[str]) -> str:
    """A page with these parts, those that are empty left out."""
    css = (resources.files("waypost.learn") / "page.css").read_text(encoding="utf-8")
    # The page cannot load anything, whatever a row of the data says.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Waypost: {escape(title[:1].lower() + title[1:])}</title>\n<style>\n{css}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(part for part in body if part) + "\n</body>\n</html>\n"
    )


def tiles_of(tiles: Mapping[str, str]) -> str:
    """Values in large letters, each over its name."""
    drawn = (f"<b>{escape(value)}</b><span>{escape(name)}</span>" for name, value in tiles.items())
    inside = "".join(f'<div class="tile">{tile}</div>' for tile in drawn)
    return f'<div class="tiles">{inside}</div>'


def table_of(
    title: str,
    columns: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str]]],
    *,
    folded: bool = False,
    words: bool = False,
) -> str:
    """A table under its title, or, ``folded``, behind it; nothing without rows. ``words`` stand flush left."""
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in (name, *cells)) for name, cells in rows]
    if not lines:
        return ""
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in columns)
    inner = "".join(f"<tr>{line}</tr>" for line in lines)
    kind = ' class="words"' if words else ""
    table = f'<div class="scroll"><table{kind}><tr>{head}</tr>{inner}</table></div>'
    return f"<details><summary>{escape(title)}</summary>{table}</details>" if folded else f"<h2>{escape(title)}</h2>{table}"


def shown(value: Any) -> str:
    """A value in words: what is not known is unknown."""
    return "unknown" if value is None else str(value)
