"""``simcore zoo``: list and show the data that simcore ships."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from simcore.cli.completion import items
from simcore.cli.console import render, report_width
from simcore.report import Column, Grid
from simcore.results import to_json

if TYPE_CHECKING:
    from simcore.readers.catalogue import ZooEntry

_DEEPEST = 13
"""Columns by which lines that go on are moved in at most."""


def _kinds(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from simcore.readers.catalogue import catalogued

    return items(list(catalogued()), incomplete)


def _names(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from simcore.readers.catalogue import catalogued

    return items(catalogued().get(ctx.params["kind"], []), incomplete)


@click.command("zoo")
@click.argument("kind", required=False, shell_complete=_kinds)
@click.argument("name", required=False, shell_complete=_names)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(kind: str | None, name: str | None, as_json: bool) -> None:
    """List and show the data that simcore ships, each number with its source.

    Without arguments: all kinds and their entries. With KIND: its entries, a line each. With KIND and NAME: the entry.

    \b
    $ simcore zoo groups
    groups: show one with simcore zoo groups NAME
      Group  The mean of the three language models of the SC'22 study
    """  # noqa: D301 - click reads the backspace character as "keep these line breaks"; a raw one it would print
    from simcore.readers.catalogue import DIRECTIONS, catalogued, entries, entry, kind_of, listed

    if kind is None:
        listing = catalogued()
        lines = [_line("", f"{each}: ", ", ".join(names)) for each, names in listing.items()]
        lines.append("Show one with: simcore zoo KIND NAME")
        click.echo(to_json(listing) if as_json else "\n".join(lines), nl=not as_json)
    elif name is None:
        kind = kind_of(kind)
        if as_json:
            click.echo(to_json(listed(kind)), nl=False)
        else:
            found = entries(kind)
            width = max((len(one.name) for one in found), default=0)
            click.echo(f"{kind}: show one with simcore zoo {kind} NAME")
            click.echo("\n".join(line for one in found for line in _listed(one, width)))
            if kind in DIRECTIONS:
                click.echo(_line("", "note: ", DIRECTIONS[kind]))
    else:
        one = entry(kind, name)
        if as_json:
            click.echo(to_json(one.as_dict()), nl=False)
            return
        click.echo(f"{one.name} ({one.kind})")
        click.echo("\n".join(_line("", "", line) for line in (one.description, *one.comments) if line))
        if one.source:
            click.echo(_line("", "source: ", one.source))
        if one.kind in DIRECTIONS:
            click.echo(_line("", "note: ", DIRECTIONS[one.kind]))
        click.echo()
        click.echo(_table(one) if one.header else "\n".join(_lines(one.fields or {})))


def _listed(one: ZooEntry, width: int) -> Iterator[str]:
    """Write an entry in a list: a line, and below it what else its kind shows there."""
    if not one.below:
        yield _line("", f"  {one.name:<{width}}  ", one.summary)
        return
    yield f"  {one.name}"
    for key, text in (("rule", one.summary), *one.below):
        yield _line("", f"    {key + ':':<9}", text)


def _line(indent: str, key: str, text: str) -> str:
    """Write a text behind its key in lines that fit the terminal, the further ones moved in as far as the text."""
    moved = indent + " " * min(len(key), _DEEPEST)
    return textwrap.fill(
        text,
        report_width(),
        initial_indent=indent + key,
        subsequent_indent=moved,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(one: ZooEntry) -> str:
    """Write the rows of an entry; where they are too wide, in several tables that share the first columns."""
    keys = max(1, min(3, len(one.header) - 1))
    return render([Grid(list(map(Column, one.header)), one.rows, keys=keys)], report_width())


def _lines(value: Any, indent: str = "") -> Iterator[str]:
    """Write nested mappings and lists with one thing per line; flat ones stay on one line."""
    pairs = value.items() if isinstance(value, dict) else ((f"{index}", each) for index, each in enumerate(value, 1))
    for key, each in pairs:
        if isinstance(each, dict) and not any(isinstance(inner, dict | list) for inner in each.values()):
            yield _line(indent, f"{key}: ", ", ".join(f"{name} {inner}" for name, inner in each.items()))
        elif isinstance(each, list) and not any(isinstance(inner, dict | list) for inner in each):
            yield _line(indent, f"{key}: ", ", ".join(str(inner) for inner in each))
        elif isinstance(each, dict | list):
            yield f"{indent}{key}:"
            yield from _lines(each, indent + "  ")
        else:
            yield _line(indent, f"{key}: ", str(each))
