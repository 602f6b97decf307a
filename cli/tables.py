"""Tables for people, as wide as the terminal: no number, name or other word is ever cut.

Cells fold between words, those of numbers never. Where even that needs more room than there is,
every row becomes a list of its cells, one a line, which a terminal breaks as it likes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_BETWEEN, _RULE, _CROSSING = " │ ", "━", "━╇━"

_FILE_WIDTH = 200
"""Where nothing breaks lines: lines stay readable, and are longer where words need it."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a table.

    Attributes:
        is_number: right-aligned, and kept on one line.
    """

    name: str
    is_number: bool


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A table's lines.

    Attributes:
        head: what names the columns; None for a list of cells, each of which is named.
    """

    head: tuple[str, ...] | None
    body: tuple[str, ...]


def lay_out(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> Layout:
    """Lay a table out.

    Args:
        columns: of the table.
        rows: each with a cell for every column; a cell has one line.
        width: terminal cells in a line; None for a file or a pipe, which breaks none.
    """
    widths = _widths(columns, rows, width)
    if widths is None:
        return Layout(head=None, body=tuple(_listed(columns, rows)))
    head = (
        *_lines(columns, [column.name for column in columns], widths),
        _CROSSING.join(_RULE * cells for cells in widths),
    )
    return Layout(
        head=head, body=tuple(line for row in rows for line in _lines(columns, row, widths))
    )


def _widths(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> list[int] | None:
    """Return the columns' widths in terminal cells; None where the longest words do not fit."""
    whole, least = [], []
    for number, column in enumerate(columns):
        cells = [row[number] for row in rows]
        whole.append(max(map(_cells, [column.name, *cells])))
        words = [word for text in [column.name, *cells] for word in text.split()]
        least.append(whole[-1] if column.is_number else max(map(_cells, words), default=0))
    between = len(_BETWEEN) * (len(columns) - 1)
    spare = (_FILE_WIDTH if width is None else width) - between - sum(least)
    if spare < 0:
        return least if width is None else None
    wished = sum(whole) - sum(least)
    if wished <= spare:
        return whole
    return [low + spare * (high - low) // wished for low, high in zip(least, whole, strict=True)]


def _lines(columns: Sequence[Column], row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield a row's lines; there are as many as its tallest cell has."""
    folded = [_folded(text, width) for text, width in zip(row, widths, strict=True)]
    for number in range(max(map(len, folded))):
        parts = []
        for column, lines, width in zip(columns, folded, widths, strict=True):
            text = lines[number] if number < len(lines) else ""
            blank = " " * (width - _cells(text))
            parts.append(blank + text if column.is_number else text + blank)
        yield _BETWEEN.join(parts)


def _folded(text: str, width: int) -> list[str]:
    """Return a cell's lines; every word fits the width."""
    if _cells(text) <= width:
        return [text]
    lines: list[str] = []
    for word in text.split():
        if lines and _cells(lines[-1]) + 1 + _cells(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _listed(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield every row as a list of its cells, an empty line between two rows."""
    width = max(_cells(column.name) for column in columns)
    for number, row in enumerate(rows):
        if number:
            yield ""
        for column, text in zip(columns, row, strict=True):
            yield f"{column.name}{' ' * (width - _cells(column.name))}  {text}".rstrip()


def _cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - most tables need none of it

    return cell_len(text)
