"""What a sweep of PIT's Figure 15 comes to: the quickest of each family, and from which sparsity PIT pays."""

from __future__ import annotations

from simcore.calibrate.measure.failures import NOTHING_LEFT
from simcore.calibrate.sweeps.pit import Row
from simcore.errors import RunError
from simcore.models.compute.sparse.break_even import crossing


def best_rows(rows: list[Row]) -> list[Row]:
    """Return for each granularity and sparsity the quickest of each family beside dense, index with and without.

    PIT is chosen by its total; CSR and BSR by multiplication alone, which favours them. A point whose mask came out
    empty is left out.

    Raises
    ------
    RunError
        If dense or every kernel of PIT did not run somewhere.
    """
    best = []
    for key in dict.fromkeys((row["granularity"], row["sparsity"]) for row in rows):
        point = [row for row in rows if (row["granularity"], row["sparsity"]) == key]
        if all(row["note"] == NOTHING_LEFT for row in point):
            continue
        ran = [row for row in point if row["seconds"]]
        dense = next((row["seconds"] for row in ran if row["way"] == "dense"), None)
        pits = [row for row in ran if row["way"].startswith("pit")]
        out: Row = {"granularity": key[0], "sparsity": key[1], "dense": dense}
        chosen = [row for row in ran if row["way"] == "dense"]
        for family in ("csr", "bsr", "blocks"):
            of_family = [row for row in ran if row["way"] == family]
            chosen += sorted(of_family, key=lambda row: row["seconds"])[:1]
            out[family] = chosen[-1]["seconds"] if of_family else None
        quickest = min(pits, key=lambda row: row["seconds"] + row["index_seconds"], default=None)
        if quickest is None or dense is None:
            notes = "; ".join(dict.fromkeys(row["note"] for row in point if row["note"]))
            raise RunError(f"no {'dense product' if dense is None else 'kernel of PIT'} ran: {notes}")
        total = quickest["seconds"] + quickest["index_seconds"]
        out.update(pit=quickest["seconds"], index=quickest["index_seconds"], total=total)
        out.update(way=quickest["way"], tile=quickest["tile"], speedup=dense / quickest["seconds"])
        best.append({**out, "speedup_total": dense / total, **_sureness([*chosen, quickest])})
    return best


def _sureness(chosen: list[Row]) -> Row:
    """Say how sure several measurements are: the widest spread, the fewest repeats, and which ways are noisy."""
    return {
        "spread": max(max(row["spread"], row["index_spread"]) for row in chosen),
        "repeats": min(row["repeats"] for row in chosen),
        "noisy": ", ".join(dict.fromkeys(row["way"] for row in chosen if row["noisy"])),
    }


def left_out(rows: list[Row]) -> list[str]:
    """Return a sentence on the points of a sweep whose mask came out empty; none where none did."""
    empty = (row for row in rows if row["note"] == NOTHING_LEFT)
    points = dict.fromkeys(f"{row['granularity']} at {row['sparsity']:.0%}" for row in empty)
    return [f"Not timed: {', '.join(points)}; {NOTHING_LEFT}."] if points else []


def break_even(best: list[Row]) -> list[Row]:
    """Return for each granularity the sparsity from which PIT's total beats dense, interpolated between measured ones.

    That is where 'speedup_total' crosses one for the last time; None where dense is quicker at the highest sparsity.
    """
    return [
        {
            "granularity": granularity,
            "break_even": crossing(
                (row["sparsity"], row["speedup_total"] - 1) for row in best if row["granularity"] == granularity
            ),
        }
        for granularity in dict.fromkeys(row["granularity"] for row in best)
    ]
