"""What a sweep of PIT's Figure 15 comes to: the quickest of each family, and from which sparsity PIT pays."""

from __future__ import annotations

from itertools import pairwise

from simcore.calibrate.pit_sweeps import Row
from simcore.errors import RunError


def best_rows(rows: list[Row]) -> list[Row]:
    """Return for each granularity and sparsity the quickest of each family beside dense, index with and without.

    PIT is chosen by its total; CSR and BSR by multiplication alone, which favours them.

    Raises
    ------
    RunError
        If dense or every kernel of PIT did not run somewhere.
    """
    found = []
    for key in dict.fromkeys((row["granularity"], row["sparsity"]) for row in rows):
        ran = [row for row in rows if (row["granularity"], row["sparsity"]) == key and row["seconds"]]
        dense = next((row["seconds"] for row in ran if row["way"] == "dense"), None)
        pits = [row for row in ran if row["way"].startswith("pit")]
        out: Row = {"granularity": key[0], "sparsity": key[1], "dense": dense}
        for family in ("csr", "bsr", "blocks"):
            times = [row["seconds"] for row in ran if row["way"] == family]
            out[family] = min(times) if times else None
        quickest = min(pits, key=lambda row: row["seconds"] + row["index_seconds"], default=None)
        if quickest is None or dense is None:
            notes = "; ".join(dict.fromkeys(row["note"] for row in rows if row["note"]))
            raise RunError(f"no {'dense product' if dense is None else 'kernel of PIT'} ran: {notes}")
        total = quickest["seconds"] + quickest["index_seconds"]
        out.update(pit=quickest["seconds"], index=quickest["index_seconds"], total=total)
        out.update(way=quickest["way"], tile=quickest["tile"], speedup=dense / quickest["seconds"])
        found.append({**out, "speedup_total": dense / total})
    return found


def break_even(best: list[Row]) -> list[Row]:
    """Return for each granularity the sparsity from which PIT's total beats dense, interpolated between measured ones.

    That is where 'speedup_total' crosses one for the last time; None where dense is quicker at the highest sparsity.
    """
    found = []
    for granularity in dict.fromkeys(row["granularity"] for row in best):
        line = sorted((row["sparsity"], row["speedup_total"]) for row in best if row["granularity"] == granularity)
        edge = line[0][0]
        for (low, slow), (high, fast) in pairwise(line):
            if slow < 1 <= fast:
                edge = low + (high - low) * (1 - slow) / (fast - slow)
        if line[-1][1] < 1:
            edge = None
        found.append({"granularity": granularity, "break_even": edge})
    return found
