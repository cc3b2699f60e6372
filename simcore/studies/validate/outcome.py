"""What was found when the model was held against measurements."""

from __future__ import annotations

from abc import ABC
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from simcore.models.training.parallel.stack import Stack
from simcore.results import Result
from simcore.studies.validate.errors import Errors, Group, errors_of, group_of, unexpressed
from simcore.studies.validate.noise import Published, noise_of, published
from simcore.studies.validate.rows import Held


@dataclass(frozen=True)
class Measured:
    """A table of measurements beside their predictions.

    Attributes
    ----------
    what : str
        What its rows are: ``iterations`` or ``collectives``.
    rows : tuple of Held
        Its rows.
    spreads : tuple of (Held, float)
        How far equal rows lie apart, each beside the first of its set.
    """

    what: str
    rows: tuple[Held, ...]
    spreads: tuple[tuple[Held, float], ...] = ()

    @cached_property
    def groups(self) -> dict[Group, Errors]:
        """Errors by source, device, precision and kind."""
        rows: dict[Group, list[Held]] = {}
        for row in self.rows:
            rows.setdefault(group_of(row), []).append(row)
        spreads: dict[Group, list[float]] = {key: [] for key in rows}
        for row, spread in self.spreads:
            spreads[group_of(row)].append(spread)
        return {key: errors_of(of, noise_of(spreads[key])) for key, of in rows.items()}

    @cached_property
    def sources(self) -> dict[str, Errors]:
        """Errors by source alone."""
        spreads: dict[str, list[float]] = {}
        for row, spread in self.spreads:
            spreads.setdefault(row.source, []).append(spread)
        return {name: errors_of(rows, noise_of(spreads.get(name, []))) for name, rows in self.by_source().items()}

    @cached_property
    def total(self) -> Errors:
        """Errors of all rows."""
        return errors_of(self.rows, noise_of([spread for _, spread in self.spreads]))

    def by_source(self) -> dict[str, list[Held]]:
        """Return the rows of each source."""
        sources: dict[str, list[Held]] = {}
        for row in self.rows:
            sources.setdefault(row.source, []).append(row)
        return sources

    def published(self, source: str) -> list[Published]:
        """Return what is published of the noise of a source on its devices here."""
        return published(source, [device for name, device, *_ in self.groups if name == source])

    def reasons(self) -> dict[tuple[str, str], int]:
        """Return the number of rows by source and by the reason why they have no error, most first."""
        counted = Counter((row.source, why) for row in self.rows if (why := unexpressed(row)))
        return dict(counted.most_common())


@dataclass(frozen=True, kw_only=True)
class ValidateOutcome(Result, ABC):
    """The model against measured iterations and collectives.

    Attributes
    ----------
    name : str
        What was read: a file, or the rows that ship with simcore.
    measured : tuple of Measured
        The tables of measurements.
    stack : Stack or None
        The constants that were fitted to the rows; None where none were.
    stacks : tuple of Stack
        Those of the zoo that were fitted to some of the rows.
    fits : tuple of str
        What was fitted, a sentence each.
    """

    name: str
    measured: tuple[Measured, ...]
    stack: Stack | None = None
    stacks: tuple[Stack, ...] = ()
    fits: tuple[str, ...] = ()

    @property
    def rows(self) -> Sequence[Held]:
        """All rows."""
        return [row for each in self.measured for row in each.rows]

    @property
    def groups(self) -> list[tuple[Group, Errors]]:
        """Errors by source, device, precision and kind."""
        return [pair for each in self.measured for pair in each.groups.items()]

    @property
    def sources(self) -> list[tuple[str, Errors]]:
        """Errors by source alone."""
        return [pair for each in self.measured for pair in each.sources.items()]
