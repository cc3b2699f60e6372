"""What commands share: reports as text, warnings on standard error, progress."""

from __future__ import annotations

import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

import click

from simcore.cli.ascii import speaks_ascii, to_ascii
from simcore.errors import one_line, printable
from simcore.progress import watched
from simcore.report import Block, Column, Grid, Headline, Sentences, Text

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress, TaskID
    from rich.table import Table


AFTER = 1.0
"""Seconds of a run before a bar is shown [s]."""
EVERY = 0.1
"""Seconds between two looks at a bar [s]."""
_NARROW = 90
"""Columns below which words of a table are shortened."""


def warn(message: str) -> None:
    """Print a warning on standard error."""
    click.echo(f"simcore: warning: {one_line(message)}", err=True)


def say_written(files: Sequence[Path], directory: Path | None = None) -> None:
    """Say on standard error which files were written, and where."""
    names = ", ".join(str(each) if directory is None else each.name for each in files)
    click.echo(f"simcore: wrote {one_line(names if directory is None else f'{directory}: {names}')}", err=True)


WIDEST, USUAL = 110, 80
"""Columns of a report at most, and where no terminal says how many."""


def report_width() -> int:
    """Return the columns that a report may take."""
    width = terminal_width()
    return USUAL if width is None else min(WIDEST, width)


def terminal_width() -> int | None:
    """Return the columns of the terminal that is standard output; None for a file or a pipe, which has no width."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def as_text(parts: Iterable[object], width: int) -> str:
    """Return texts and rich tables one below the other, in lines of at most `width` columns, without colours."""
    import io

    from rich.console import Console

    buffer = io.StringIO()
    console = Console(file=buffer, width=width, color_system=None, highlight=False, markup=False, emoji=False)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def render(blocks: Sequence[Block], width: int) -> str:
    """Return a report as text of at most `width` columns, a blank line between two blocks."""
    return "\n\n".join(_rendered(_printable(block), width) for block in blocks)


def _printable(block: Block) -> Block:
    """Return a block without what a terminal would act on: names come from files."""
    if isinstance(block, Headline):
        return Headline(_safe(one_line(block.text)), _safe(block.under))
    if isinstance(block, Sentences):
        return Sentences(_safe(block.title), [_safe(item) for item in block.items])
    if isinstance(block, Text):
        return replace(block, text=_safe(block.text))
    columns = [replace(column, name=_safe(column.name)) for column in block.columns]
    rows = [[_safe(cell) for cell in row] for row in block.rows]
    return replace(block, columns=columns, rows=rows, title=_safe(block.title))


def _safe(text: str) -> str:
    return to_ascii(printable(text)) if speaks_ascii(sys.stdout) else printable(text)


def _rendered(block: Block, width: int) -> str:
    if isinstance(block, Grid):
        block = _shortened(block) if width < _NARROW else block
        if block.keys:
            return _aligned(block, width)
        least = _least(block)
        if _taken(least) > width and len(least) > 2:
            return "\n\n".join(_rendered(_of(block, columns), width) for columns in _folded(least, 1, width))
    if isinstance(block, Text) and block.hang:
        indent = " " * block.hang
        lines = block.text.splitlines()
        return "\n".join(textwrap.fill(each, width, subsequent_indent=indent, break_long_words=False) for each in lines)
    return _plain(block, width) or as_text(_parts(block, width), width)


def _plain(block: Block, width: int) -> str:
    """Return a block of short lines as it is, which needs no rich; an empty text for a table or for long lines."""
    parts = list(_parts(block, width)) if not isinstance(block, Grid) else []
    lines = [line.rstrip() for part in parts for line in str(part).splitlines()]
    return "\n".join(lines) if all(line.isascii() and len(line) <= width for line in lines) else ""


def _parts(block: Block, width: int) -> Iterator[object]:
    if isinstance(block, Grid):
        yield _rich(block, width)
    elif isinstance(block, Headline):
        yield from filter(None, (block.text, block.under))
    elif isinstance(block, Sentences):
        yield from [block.title, *(f"- {item}" for item in block.items)] if block.title else block.items
    else:
        yield block.text


def _aligned(block: Grid, width: int) -> str:
    """Return a table without rules; one of more than `width` columns in several that all have the first `keys`.

    From the second one on they leave out rows that have nothing there.
    """
    cells: list[Sequence[str]] = [[column.name for column in block.columns], *block.rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(block.columns))]
    left, keys = [column.left for column in block.columns], block.keys
    return "\n\n".join(
        "\n".join(
            "  ".join(row[i].ljust(widths[i]) if left[i] else row[i].rjust(widths[i]) for i in columns).rstrip()
            for row in cells
            if not number or any(row[i] for i in columns[keys:])
        )
        for number, columns in enumerate(_folded(widths, keys, width))
    )


def _folded(widths: Sequence[int], keys: int, width: int) -> list[list[int]]:
    """Return which columns stand side by side: as few tables as fit, of about as many columns each.

    Examples
    --------
    >>> _folded([4, 8, 8, 8], 1, 24)
    [[0, 1, 2], [0, 3]]
    """
    values = range(keys, len(widths))
    tables: list[list[int]] = []
    for count in range(1, len(values) + 1):
        each = ceil(len(values) / count)
        tables = [[*range(keys), *values[i : i + each]] for i in range(0, len(values), each)]
        if all(_taken([widths[i] for i in table]) <= width for table in tables):
            break
    return tables


def _taken(widths: Sequence[int]) -> int:
    """Return the columns of a terminal that columns of a table take, with the space between them."""
    return sum(widths) + 2 * (len(widths) - 1)


def _of(block: Grid, columns: Sequence[int]) -> Grid:
    """Return a table with some of its columns alone."""
    return replace(
        block, columns=[block.columns[i] for i in columns], rows=[[row[i] for i in columns] for row in block.rows]
    )


def _texts(block: Grid) -> list[list[str]]:
    """Return the cells of each column, its heading first."""
    return [[column.name, *(row[i] for row in block.rows)] for i, column in enumerate(block.columns)]


def _least(block: Grid) -> list[int]:
    """Return the characters of each column in which nothing of it is cut: its longest word, or line if whole."""
    return [
        max((len(part) for text in texts for part in (text.splitlines() if column.whole else text.split())), default=1)
        for column, texts in zip(block.columns, _texts(block), strict=True)
    ]


def _widths(natural: Sequence[int], least: Sequence[int], width: int) -> list[int]:
    """Return the widths of columns that fit: the widest gives way first, none below what it needs.

    Examples
    --------
    >>> _widths([4, 20, 12], [4, 8, 6], 30)
    [4, 11, 11]
    """
    found = list(natural)
    while _taken(found) > width:
        wider = [i for i in range(len(found)) if found[i] > least[i]]
        if not wider:
            break
        found[max(wider, key=lambda i: found[i])] -= 1
    return found


def _rich(block: Grid, width: int) -> Table:
    """Return a table of a report as one of rich."""
    from rich.cells import cell_len

    table = plain_table(*(column.name for column in block.columns))
    natural = [max(cell_len(line) for text in texts for line in text.splitlines() or [""]) for texts in _texts(block)]
    for column, shown, columns in zip(
        block.columns, table.columns, _widths(natural, _least(block), width), strict=True
    ):
        shown.justify = "left" if column.left else "right"
        shown.width = columns
    for row in block.rows:
        table.add_row(*row)
    if block.title:
        table.title, table.title_justify = block.title, "left"
    return table


def _shortened(block: Grid) -> Grid:
    """Return a table with the shorter words of its columns, for where there is little room."""
    rows = [[_shorter(*pair) for pair in zip(row, block.columns, strict=True)] for row in block.rows]
    return replace(block, rows=rows)


def _shorter(cell: str, column: Column) -> str:
    for word, shorter in column.short.items():
        cell = cell.replace(word, shorter)
    return cell


def plain_table(*columns: str, left: Container[int] = (0,)) -> Table:
    """Return an empty rich table; the columns (from 0) in `left` are aligned left, the others right."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index in left else "right")
    return table


def measuring_progress() -> Callable[[float, float, str], None]:
    """Return what shows measurements by their time: one line on a terminal, else a line for every tenth of the time."""
    told = -1

    def show(passed: float, total: float, what: str) -> None:
        nonlocal told
        ended, terminal = what.startswith("done"), sys.stderr.isatty()
        tenth = int(10 * passed / total) if total else 10
        line = f"[{passed:.0f} s, {total - passed:.0f} s left] {what}" if not ended else f"[{passed:.0f} s] {what}"
        if terminal or ended or tenth > told:
            click.echo(f"\r\x1b[K{line}" if terminal else line, nl=ended or not terminal, err=True)
        told = max(told, tenth)

    return show


@contextmanager
def progress() -> Iterator[None]:
    """Show on a terminal, from the first second of a run on, how far it is and how long it will take yet."""
    if not sys.stderr.isatty():
        yield
        return
    shown = _Shown()
    try:
        with watched(shown.tell):
            yield
    finally:
        shown.end()


class _Shown:
    """A bar that begins by itself after `AFTER` seconds, also where no loop has told anything yet."""

    def __init__(self) -> None:
        self._told: tuple[str, int, int | None] = ("working", 0, None)
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._drawn = 0.0
        self._lock = threading.RLock()  # a run tells from its own thread, the bar begins in the timer's
        self._timer = threading.Timer(AFTER, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def tell(self, what: str, done: int, total: int | None) -> None:
        """Take what a loop tells, and draw it where the last time is long enough ago."""
        with self._lock:
            self._told = (what, done, total)
            if self._bar is not None and (time.monotonic() - self._drawn >= EVERY or done == total):
                self._draw(self._bar)

    def end(self) -> None:
        """Take the bar away."""
        with self._lock:
            self._timer.cancel()
            if self._bar is not None:
                self._bar.stop()

    def _begin(self) -> None:
        with self._lock:
            if not self._timer.finished.is_set():  # the run has not ended meanwhile
                self._bar = _bar()
                self._bar.start()
                self._draw(self._bar)

    def _draw(self, bar: Progress) -> None:
        what, done, total = self._told
        name, self._drawn = printable(what), time.monotonic()
        if name not in self._tasks:
            for each in self._tasks.values():
                bar.remove_task(each)
            self._tasks = {name: bar.add_task(name, total=total)}
        bar.update(self._tasks[name], completed=done, total=total)


def _bar() -> Progress:
    """Return a bar on standard error that vanishes at the end."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.text import Text as Words

    class Left(ProgressColumn):
        """The time left if what is left takes as long as what is done; rich's own waits for a second step."""

        def render(self, task: Task) -> Words:
            if not task.total or not task.completed:
                return Words("-:--:--")
            left = (task.elapsed or 0.0) / task.completed * (task.total - task.completed)
            return Words(str(timedelta(seconds=round(left))))

    columns = [TextColumn("{task.description}", markup=False), MofNCompleteColumn()]
    columns += [TextColumn("for"), TimeElapsedColumn(), TextColumn("left"), Left()]
    if not speaks_ascii(sys.stderr):
        columns.insert(1, BarColumn())
    return Progress(*columns, console=Console(file=sys.stderr, force_terminal=True), transient=True)
