"""Which columns tables of measurements need."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from simcore.errors import InputError
from simcore.files import read_bytes
from simcore.outputs import is_there
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


@contextmanager
def lasting(path: str | Path) -> Iterator[str | Path]:
    """Give a path that can be read more than once: a pipe's content goes to a file that is removed afterwards."""
    if not is_there(Path(path)) or not Path(path).is_fifo():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / Path(path).name
        copy.write_bytes(read_bytes(Path(path), "measurements"))
        yield copy


def read_columns(path: str | Path, needed: Sequence[str]) -> Rows:
    """Read a table of measurements that has some columns.

    Raises
    ------
    InputError
        If it cannot be read, lacks one of the columns or has it twice, or has no rows.
    """
    file = read_rows(path)
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
