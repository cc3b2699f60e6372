"""Sizes that a row of measured iterations may have: what no model and no cluster has is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

from simcore.numerals import as_real
from simcore.readers.memory_rows import Unexpressed, whole

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


FAR = 0.25
"""Parameters of public rows and of their sizes differ by 11 % at most; by more than this share they contradict."""


def check_parameters(row: Mapping[str, str], parameters: float) -> None:
    """Refuse a row whose sizes make another model than its parameters say.

    Parameters
    ----------
    row : mapping of str to str
        With ``params_b``, which may be empty.
    parameters : float
        Of the model that the sizes make.

    Raises
    ------
    Unexpressed
        With both numbers.
    """
    said = as_real(row.get("params_b", ""))
    if said and abs(parameters / (said * 1e9) - 1) > FAR:
        raise Unexpressed(f"params_b is {said:g}, and the sizes in the row make {parameters / 1e9:.3g}")


def check_batch(row: Mapping[str, str], replicas: int) -> None:
    """Refuse a row whose ``grad_accum`` x ``micro_batch`` x replicas is another batch than ``global_batch``.

    Raises
    ------
    Unexpressed
        With the product.

    Examples
    --------
    >>> check_batch({"grad_accum": "2", "micro_batch": "4", "global_batch": "64"}, 8)
    >>> check_batch({"grad_accum": "", "micro_batch": "4", "global_batch": "128"}, 8)
    """
    if not row.get("grad_accum"):
        return
    steps, each, batch = (whole(row, name) for name in ("grad_accum", "micro_batch", "global_batch"))
    if steps * each * replicas != batch:
        made = f"grad_accum {steps} x micro_batch {each} x DP {replicas}"
        raise Unexpressed(f"{made} is {steps * each * replicas:,}, not the global_batch of {batch:,}")


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
