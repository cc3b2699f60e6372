"""Which columns tables of measurements need."""

from __future__ import annotations

from collections.abc import Sequence

from simcore.errors import InputError
from simcore.readers.measured import Rows, read_rows

ITERATIONS = (
    "source", "model", "params_b", "layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "experts", "topk",
    "seq_len", "device", "gpus", "gpus_per_node", "interconnect", "precision", "tp", "pp", "vp", "cp", "ep", "dp",
    "zero_or_fsdp", "sequence_parallel", "recompute", "global_batch", "micro_batch", "grad_accum", "iteration_s",
    "framework", "kind", "note",
)  # fmt: skip
"""Of measured training iterations; ``row_id`` and others may stand beside them."""

COLLECTIVES = ("source", "device", "gpus", "collective", "bytes", "time_us", "dtype", "note")
"""Of measured collectives."""


def read_columns(path: object, needed: Sequence[str]) -> Rows:
    """Read a table of measurements that has some columns.

    Raises
    ------
    InputError
        If it cannot be read, lacks one of the columns or has it twice, or has no rows.
    """
    file = read_rows(str(path))
    place = f"{path}, header"
    for name in needed:
        if name not in file.header:
            remedy = "Add it; a row may leave a cell empty." if "source" in file.header else "Check the path."
            raise InputError(place, f"no column '{name}'", f"the columns {', '.join(needed)}", remedy)
        if file.header.count(name) > 1:
            raise InputError(place, f"column '{name}' twice", "each column once", "Remove one of them.")
    if not file.fields:
        raise InputError(str(path), "no rows", "a row per measurement")
    return file
