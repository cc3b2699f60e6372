"""What is said of kernel profiles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from simcore.models.compute.profile import KernelProfile
from simcore.report import Block, Column, Grid, Headline, Sentences, Text
from simcore.results import Table
from simcore.studies.profile.table import TableValidation
from simcore.studies.profile.validation import Validation

_KEYS = {"kernel", "pass", "dtype", "state", "parameter"}
_SHORT = {"published measurement": "published"}


def of_profile(profile: KernelProfile, fits: Table, sizes: Table) -> list[Block]:
    """Return where a profile is from, its fits with their errors, also by size, and the parameters of each."""
    about = [f"sha256 {profile.sha256}", *([f"source: {profile.source}"] if profile.source else [])]
    about += [f"{key}: {value}" for key, value in profile.fingerprint.items() if value]
    # errors first, for where one line has no room for all
    shown = {"profile": False, "parameters": False, "origin": False, "noisy": any(fits.column("noisy"))}
    columns = [*(name for name in fits.columns if shown.get(name, True)), "origin"]
    lines = [f"  {row['kernel']} {row['dtype']} {row['state']}: {row['parameters']}" for row in fits]
    return [
        Headline(f"{profile.name} ({profile.origin}): {profile.description}", "\n".join(about)),
        _grid(fits, columns),
        *by_size(sizes),
        Text("\n".join(["parameters, in SI units:", *lines]), hang=4),
    ]


def by_size(sizes: Table) -> list[Block]:
    """Return errors by how long a call takes; nothing where there are none."""
    if not len(sizes):
        return []
    return [Text("errors by how long a call takes:"), _grid(sizes, [one for one in sizes.columns if one != "profile"])]


def of_parameters(parameters: Table) -> list[Block]:
    """Return parameters side by side."""
    return [_grid(parameters, parameters.columns, ".4g")]


def of_validation(one: Validation | TableValidation) -> list[Block]:
    """Return how a profile was measured again, errors by kernel, and what else there is to say."""
    first, *others = one.measured()
    regret = one.sentences()
    table = one.shown if isinstance(one, TableValidation) else one.table
    blocks: list[Block] = [Headline(f"{one.file}: {first}", "\n".join(others)), _grid(table, table.columns)]
    if isinstance(one, Validation):
        blocks += by_size(one.sizes)
    return [*blocks, Sentences("", regret)] if regret else blocks


def _grid(table: Table, columns: Sequence[str], form: str = ".1%") -> Grid:
    """Return a table whose leading columns say of which kernel a row is."""
    cells = [[_cell(row[name], form) for name in columns] for row in table]
    shown = [Column(name, left=index == 0, short=_SHORT) for index, name in enumerate(columns)]
    return Grid(shown, cells, keys=len(list(takewhile(_KEYS.__contains__, columns))))


def _cell(value: object, form: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:{form}}"
    return "-" if value is None else str(value)
