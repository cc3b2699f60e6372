"""How far off the terms of a prediction are to which no constant was fitted: intervals from public measurements."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated

from pydantic import Field

from simcore.files import read_bytes, read_yaml
from simcore.models.training.terms import TermError
from simcore.readers.quantities import Measure, Strict, Whole
from simcore.readers.zoo import ROOT

FILE = ROOT / "_measured" / "terms.yaml"
"""File of the zoo; ``benchmarks/term_errors.py`` makes it."""

OTHER_GROUPS = "collectives in groups that were not measured"
"""What the file calls measured collectives that lines of algorithms scale to another group, kind or size."""


class _Term(Strict):
    low: Annotated[Measure, Field(gt=0)]
    high: Annotated[Measure, Field(gt=0)]
    rows: Annotated[Whole, Field(ge=1)]
    basis: str


class _Terms(Strict):
    source: str
    terms: dict[str, _Term]


@cache
def read_term_errors() -> Mapping[str, TermError]:
    """Return what public measurements say of terms, by their name.

    Examples
    --------
    >>> found = read_term_errors()["kernels from data sheets"]
    >>> found.low > 1, found.basis.partition(" ")[0]
    (True, '1,460')
    """
    data = read_yaml(FILE, _Terms, "terms", read_bytes(FILE, "terms").decode())
    return {name: TermError(one.low, one.high, f"{one.rows:,} {one.basis}") for name, one in data.terms.items()}
