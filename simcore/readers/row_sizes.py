"""Sizes that a row of measured iterations may have: what no model and no cluster has is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

from simcore.numerals import as_real
from simcore.readers.memory_rows import Unexpressed

MOST = {
    "hidden": 10**6, "layers": 10**4, "heads": 10**5, "kv_heads": 10**5, "ffn": 10**7, "vocab": 10**8, "topk": 10**5,
    "seq_len": 10**9, "gpus": 10**6, "tp": 10**6, "pp": 10**6, "vp": 10**4, "cp": 10**6, "ep": 10**6,
    "global_batch": 10**9, "micro_batch": 10**9,
}  # fmt: skip
"""The largest of each column; the largest models and clusters of today are a hundredth of it or less."""

MOST_PARAMETERS = 1e6
"""The most parameters of a model, in billions."""

MAY_BE_ZERO = "experts"
"""Column in which a model without any may say so."""


def check_sizes(row: Mapping[str, str]) -> None:
    """Refuse a row with a size that is 0, or larger than any.

    Raises
    ------
    Unexpressed
        Naming the column.

    Examples
    --------
    >>> check_sizes({"hidden": "4096", "tp": "8 (attention) / 1"})
    >>> check_sizes({"layers": "0"})
    Traceback (most recent call last):
    simcore.readers.memory_rows.Unexpressed: layers is 0
    """
    for column, most in (MOST | {MAY_BE_ZERO: 10**5}).items():
        found = re.match(r"\s*(\d+)", row.get(column, ""))
        digits = "" if found is None else found[1].lstrip("0")
        if found is not None and not digits and column != MAY_BE_ZERO:
            raise Unexpressed(f"{column} is 0")
        if len(digits) > len(str(most)) or int(digits or 0) > most:
            raise Unexpressed(f"{column} is above {most:,}")
    parameters = as_real(row.get("params_b", ""))
    if parameters is not None and not 0 <= parameters <= MOST_PARAMETERS:
        raise Unexpressed(f"params_b is {parameters:g}, not from 0 to {MOST_PARAMETERS:,.0f}")
