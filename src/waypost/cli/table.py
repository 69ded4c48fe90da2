"""Tables for people, at any width of the terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_GAP = 2
# A longer cell with blanks in it is prose: it may be wrapped, down to this width.
_PROSE_WIDTH = 24


def print_pairs(out: Console, pairs: Mapping[str, str]) -> None:
    """Names and values, in two columns."""
    grid = Table.grid(padding=(0, _GAP))
    for name, value in pairs.items():
        grid.add_row(Text(f"  {name}", style="dim"), Text(value))
    out.print(_Trimmed(grid))


def print_table(
    out: Console,
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    title: str | None = None,
    right: Collection[str] = (),
) -> None:
    """A table where the terminal is wide enough, else a few lines for each row: no name is ever cut.

    The first column names the row. ``right`` are the columns that stand flush right. Without rows it prints nothing, no title
    either.
    """
    cells = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    if not cells:
        return
    if title is not None:
        out.print(f"\n{title}", style="bold")
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    needed = 0
    for name, column in zip(columns, zip(*cells, strict=True), strict=True):
        longest = max(Text(name).cell_len, *(cell.cell_len for cell in column))
        prose = longest > _PROSE_WIDTH and any(" " in cell.plain for cell in column)
        least = _PROSE_WIDTH if prose else longest
        table.add_column(name, no_wrap=not prose, min_width=least, justify="right" if name in right else "left")
        needed += least + _GAP
    for row in cells:
        table.add_row(*row)
    if needed - _GAP <= out.width:
        out.print(_Trimmed(table))
        return
    for first, *facts in cells:
        out.print(first, soft_wrap=True)
        told = [Text.assemble((f"{title} ", "dim"), fact) for title, fact in zip(columns[1:], facts, strict=True) if fact]
        out.print(_Trimmed(Padding(Text(", ").join(told), (0, 0, 0, _GAP), expand=False)))


class _Trimmed:
    """Leaves out the blanks with which rich fills lines up, so that what is piped ends where its words end."""

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines of the inner renderable, each without the blanks at its end."""
        for line in console.render_lines(self._inner, options, pad=False):
            text = Text.assemble(*((segment.text, segment.style or "") for segment in line))
            text.rstrip()
            yield text
