"""What a shell completes: the words of a field, names of the zoo, and files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from simcore.studies.request import Description

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

ZOO: Mapping[str, tuple[str, ...]] = {
    "cluster": ("clusters",),
    "communicator": ("collectives",),
    "cost": ("costs",),
    "device": ("devices",),
    "devices": ("profiles",),
    "files": ("profiles",),
    "fit_to": ("rates",),
    "model": ("models",),
    "model_instead": ("models",),
    "models": ("models",),
    "name": ("devices",),
    "network": ("networks",),
    "profile": ("profiles",),
    "profiles": ("profiles",),
    "rates": ("rates",),
    "rest": ("collectives",),
    "sheet": ("devices",),
    "sources": ("profiles",),
    "stack": ("stacks",),
    "workload": ("models", "groups"),
    "workload_instead": ("models",),
    "network_instead": ("networks",),
}
"""Folders of the zoo whose entries a field may name."""

TRACES = ("sc23", "synthetic:", "synthetic-elastic:")


def words_for(name: str, description: Description | None) -> list[str]:
    """Return the words that a field may be: its choices, and names of the zoo."""
    from simcore.readers.zoo import names

    words = list(description.choices) if description is not None else []
    if name == "trace":
        words += TRACES
    if name == "policies":
        from simcore.models.cluster.policies.registry import POLICIES

        words += POLICIES
    if name == "target" and not words:
        from simcore.studies.evaluate.targets import TARGETS

        words += TARGETS
    return words + [each for folder in ZOO.get(name, ()) for each in names(folder)]


def completer(name: str, description: Description | None = None, *, files: bool) -> Completer:
    """Return what completes the value of an option, files too where `files`; behind a comma a further one begins."""

    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return items(words_for(name, description), incomplete, files=files)

    return complete


def positions_completer(places: Mapping[str, Description], files: Collection[str]) -> Completer:
    """Return what completes arguments: how many stand there says which field the next one is, some of `files`."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before = [word for word in ctx.params.get("arguments") or () if not word.startswith("-")]
        names = list(places)
        if not names or (len(before) >= len(names) and not places[names[-1]].many):
            return []
        name = names[min(len(before), len(names) - 1)]
        return items(words_for(name, places[name]), incomplete, files=name in files)

    return complete


def items(words: Sequence[str], incomplete: str, *, files: bool = False) -> list[CompletionItem]:
    """Return the words that begin as what is typed does, in any case, and a mark for files where they may stand too.

    Examples
    --------
    >>> [each.value for each in items(["fifo", "tiresias"], "F")], [each.value for each in items(["t4"], "a10,t")]
    (['fifo'], ['a10,t4'])
    """
    head, comma, last = incomplete.rpartition(",")
    found = [CompletionItem(f"{head}{comma}{word}") for word in words if word.lower().startswith(last.lower())]
    return found or ([CompletionItem(incomplete, type="file")] if files else [])
