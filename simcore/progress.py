"""How far a run is, told by whatever loop takes long to whoever watches: one seam for all studies.

A loop names what it counts. Where nobody watches, which is everywhere but at a terminal, it costs a look at a variable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

Watcher = Callable[[str, int, int | None], None]
"""Called with what is counted, how many are done, and how many there are, None where nobody knows."""

_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tell a watcher how far the loops are that run in the block.

    Examples
    --------
    >>> with watched(print):
    ...     for layout in tracked(["a", "b"], "layouts"):
    ...         pass
    layouts 0 2
    layouts 1 2
    layouts 2 2
    """
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def tell(what: str, done: int, total: int | None = None) -> None:
    """Tell the watcher, if there is one, how far a loop is."""
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(what, done, total)


def tracked(items: Collection[T], what: str) -> Iterable[T]:
    """Return items as they are, or where somebody watches an iterator that tells how many were taken."""
    return items if _WATCHER.get() is None else _told(items, what)


def _told(items: Collection[T], what: str) -> Iterator[T]:
    for done, item in enumerate(items):
        tell(what, done, len(items))
        yield item
    tell(what, len(items), len(items))


def counter(what: str, total: int | None = None) -> Callable[[], None] | None:
    """Return what counts one more each time that it is called; None where nobody watches.

    Examples
    --------
    >>> counter("chunks", 2) is None
    True
    >>> with watched(print):
    ...     count = counter("chunks", 2)
    ...     count()
    chunks 1 2
    """
    if _WATCHER.get() is None:
        return None
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        tell(what, done, total)

    return count
