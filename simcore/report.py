"""What a study says, as neutral blocks: a console renders them as text, a page as HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Headline:
    """What was studied, in one line.

    Attributes
    ----------
    text : str
        The line.
    under : str
        What belongs to it, in lines; empty for nothing.
    """

    text: str
    under: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes
    ----------
    text : str
        Its text; line breaks are kept.
    hang : int
        Columns by which a line is moved in where it goes on.
    """

    text: str
    hang: int = 0


@dataclass(frozen=True)
class Sentences:
    """Sentences that each stand for themselves.

    Attributes
    ----------
    title : str
        What they answer, such as ``Why``; empty for sentences without one.
    items : sequence of str
        The sentences. With a title they are a list, without one paragraphs.
    """

    title: str
    items: Sequence[str]


@dataclass(frozen=True)
class Column:
    """A column of a `Grid`.

    Attributes
    ----------
    name : str
        Its heading.
    left : bool
        Whether cells are aligned left; numbers are aligned right.
    whole : bool
        Whether its cells are never broken into lines.
    short : mapping of str to str
        Words of its cells, to shorter ones for where there is little room.
    """

    name: str
    left: bool = False
    whole: bool = False
    short: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """A table as a person reads it: values written out with their units.

    Attributes
    ----------
    columns : sequence of Column
        The columns.
    rows : sequence of sequence of str
        A cell for each column.
    title : str
        A line above; empty for none.
    keys : int
        Columns that say what a row is of. Where there are some, a table that is too wide is set in several, one below
        the other, each with these columns first; it has no rules, and nothing of it is cut or broken into lines.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    title: str = ""
    keys: int = 0


Block = Headline | Text | Sentences | Grid


def grid(*columns: str, left: Sequence[int] = (0,), rows: Sequence[Sequence[str]] = ()) -> Grid:
    """Return a table; the columns (from 0) in `left` are aligned left, the others right."""
    return Grid([Column(name, index in left) for index, name in enumerate(columns)], rows)


def as_html(blocks: Sequence[Block]) -> str:
    """Return blocks as a fragment of HTML.

    Examples
    --------
    >>> print(as_html([Headline("4D & 1T"), Sentences("Why", ["It is so."])]))
    <h3>4D &amp; 1T</h3>
    <p>Why</p><ul><li>It is so.</li></ul>
    """
    return "\n".join(part for block in blocks for part in _html(block))


def as_lines(blocks: Sequence[Block], width: int = 100) -> list[str]:
    """Return blocks as lines of plain text, which needs no terminal; a table keeps its width.

    Examples
    --------
    >>> as_lines([Headline("4D"), Sentences("Why", ["It is so."]), grid("dim", "time", rows=[("1", "2 s")])])
    ['4D', 'Why', '- It is so.', 'dim  time', '1     2 s']
    """
    return [
        line
        for block in blocks
        for text in _texts(block)
        for line in ([text] if isinstance(block, Grid) else textwrap.wrap(text, width, break_long_words=False))
    ]


def _texts(block: Block) -> Iterator[str]:
    if isinstance(block, Grid):
        yield from filter(None, [block.title])
        yield from _aligned(block)
    elif isinstance(block, Headline):
        yield from (line for text in (block.text, block.under) for line in text.splitlines())
    elif isinstance(block, Text):
        yield from block.text.splitlines()
    else:
        yield from filter(None, [block.title])
        yield from (f"- {item}" if block.title else item for item in block.items)


def _aligned(block: Grid) -> Iterator[str]:
    texts = [[column.name for column in block.columns], *block.rows]
    cells = [[" ".join(text.splitlines()) for text in row] for row in texts]  # a cell may have several lines
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        each = zip(row, widths, block.columns, strict=True)
        yield "  ".join(cell.ljust(w) if column.left else cell.rjust(w) for cell, w, column in each).rstrip()


def _html(block: Block) -> Iterator[str]:
    if isinstance(block, Headline):
        yield f"<h3>{_escape(block.text)}</h3>" + (f"<p>{_lines(block.under)}</p>" if block.under else "")
    elif isinstance(block, Text):
        yield f"<p>{_lines(block.text)}</p>"
    elif isinstance(block, Sentences):
        items = "".join(f"<li>{_escape(item)}</li>" for item in block.items)
        yield (f"<p>{_escape(block.title)}</p>" if block.title else "") + f"<ul>{items}</ul>"
    elif isinstance(block, Grid):
        head = "".join(f"<th>{_escape(column.name)}</th>" for column in block.columns)
        body = "".join("<tr>" + "".join(f"<td>{_escape(cell)}</td>" for cell in row) + "</tr>" for row in block.rows)
        title = f"<caption>{_escape(block.title)}</caption>" if block.title else ""
        yield f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _lines(text: str) -> str:
    return "<br>".join(_escape(line) for line in text.splitlines())


def _escape(text: str) -> str:
    from html import escape  # which only pages need

    return escape(text)
