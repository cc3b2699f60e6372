"""Hold the stacks of the zoo against public iterations: what docs/validation.md says of them, as its tables.

    python benchmarks/public_iterations.py

The table is read from ``../shared``; without it the script says so and ends. Rows that constants were fitted to are
left out. Exits with 1 if the rows take too long.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from simcore.readers.measured import read_rows
from simcore.readers.stacks import read_stacks
from simcore.studies.validate.iterations import held
from simcore.studies.validate.rows import Held

from tables import ITERATIONS, table

Row = Mapping[str, str]

BUDGET = 60.0
"""What all public rows may take [s]."""


def _gpus(row: Row) -> int:
    return int(row["gpus"] or 0)


AIMS: Sequence[tuple[str, Callable[[Row], bool], float | None]] = (
    ("vTrain, one node", lambda row: "vTrain" in row["source"] and _gpus(row) <= 8, 0.05),
    ("vTrain, several nodes", lambda row: "vTrain" in row["source"] and _gpus(row) > 8, 0.08),
    ("BLOOM grid, A100", lambda row: "bigscience" in row["source"] and "a100" in row["device"], 0.06),
    ("MLPerf GPT-3, fp8", lambda row: "mlcommons" in row["source"], 0.07),
    (
        "DGX Cloud H100, bf16",
        lambda row: "dgxc" in row["source"] and "h100" in row["device"] and row["precision"] == "bf16",
        0.07,
    ),
    ("DGX Cloud H100, fp8", lambda row: "dgxc" in row["source"] and row["device"] == "h100_80gb" and
     row["precision"] == "fp8", None),
    ("Mosaic FSDP, A100 80 GB", lambda row: "mosaicml" in row["source"] and row["device"] == "a100_80gb", 0.07),
    ("Mosaic FSDP, A100 40 GB", lambda row: "mosaicml" in row["source"] and row["device"] == "a100_40gb", 0.07),
    ("Mosaic FSDP, H100", lambda row: "mosaicml" in row["source"] and row["device"] == "h100_80gb", 0.07),
    ("torchtitan, bf16", lambda row: "torchtitan" in row["source"] and row["precision"] == "bf16", 0.10),
    ("torchtitan, fp8", lambda row: "torchtitan" in row["source"] and row["precision"] != "bf16", 0.10),
    ("Megatron-Bridge, H100", lambda row: "Bridge" in row["source"] and row["device"] == "h100", 0.10),
    ("NeMo, H100, fp8", lambda row: "NeMo@" in row["source"], 0.10),
    ("Sailor, GH200", lambda row: "sailor" in row["source"], 0.10),
    ("Jean Zay, V100", lambda row: "bigscience" in row["source"] and "v100" in row["device"], None),
    ("GB200, GB300, B300", lambda row: row["device"] in {"gb200", "gb300", "b300"}, None),
    ("NeuSight, one GPU, fp32", lambda row: "NeuSight" in row["source"], None),
)  # fmt: skip
"""What is aimed at: a name, which rows, and the mean absolute error; None where there is no aim."""

NOISE = 0.06
"""Iterations of BLOOM that differ by less are taken for equal: the median of its repeats."""


def main() -> None:
    """Print the tables."""
    path = table(ITERATIONS)
    if path is None:
        return
    rows = [row for _, row in read_rows(path).rows()]
    started = time.process_time()
    judged = held(rows, read_stacks())
    spent = time.process_time() - started
    pairs = [(row, one) for row, one in zip(rows, judged, strict=True) if one.predicted is not None and not one.fitted]
    print(f"{len(rows):,} rows in {spent:.1f} CPU-seconds (budget {BUDGET:g})")
    print("\n| rows | not fitted to | MAPE | median | P90 | bias | in the interval | aimed at |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, of, aim in AIMS:
        line, error = line_of([one for row, one in pairs if of(row)])
        goal = "" if aim is None else f"{aim:.0%}".replace("%", " %") + (", missed" if error > aim else "")
        print(f"| {name} | {line} | {goal} |")
    print(f"| all | {line_of([one for _, one in pairs])[0]} | 85 to 95 % |")
    right, compared = ranked([(row, one) for row, one in pairs if AIMS[2][1](row)])
    print(f"\nBLOOM: the better of two named right in {right:,} of {compared:,} pairs, {right / compared:.1%} (80 %)")
    constants()
    sys.exit(spent > BUDGET)


def line_of(of: Sequence[Held]) -> tuple[str, float]:
    """Return a line of the table, and the mean absolute error."""
    off = [one.predicted / one.measured - 1 for one in of if one.predicted and one.measured]
    inside = [one.low <= one.measured <= one.high for one in of if one.low and one.high and one.measured]
    size = sorted(map(abs, off))
    shares = statistics.fmean(size), statistics.median(size), size[int(0.9 * (len(size) - 1))]
    text = " | ".join(f"{share:.1%}".replace("%", " %") for share in shares)
    bias, inside_share = (f"{share:{sign}.1%}".replace("%", " %") for share, sign in
                          ((statistics.fmean(off), "+"), (statistics.fmean(inside), "")))  # fmt: skip
    return f"{len(off):,} | {text} | {bias} | {inside_share}", shares[0]


def ranked(pairs: Sequence[tuple[Row, Held]]) -> tuple[int, int]:
    """Return of how many pairs of configurations the quicker one is named right, and how many pairs there are.

    Pairs are of one model, batch and number of GPUs; repeats count by their median.
    """
    groups: dict[tuple[str, ...], dict[tuple[str, ...], list[Held]]] = defaultdict(lambda: defaultdict(list))
    for row, one in pairs:
        same = tuple(row[name] for name in ("layers", "hidden", "gpus", "global_batch", "seq_len"))
        groups[same][tuple(row[name] for name in ("tp", "pp", "micro_batch", "dp"))].append(one)
    right = compared = 0
    for group in groups.values():
        times = [
            (statistics.median(one.measured or 0.0 for one in of), of[0].predicted or 0.0) for of in group.values()
        ]
        for (mine, said), (other, said_other) in itertools.combinations(times, 2):
            if max(mine, other) > (1 + NOISE) * min(mine, other):
                compared += 1
                right += (mine < other) == (said < said_other)
    return right, max(compared, 1)


def constants() -> None:
    """Print the constants, and whether halves of the rows give them."""
    print("\n| stack | rows | products | launch [us] | network | halves differ by |")
    print("|---|---:|---:|---:|---:|---|")
    for one in read_stacks().values():
        halves = ", ".join(f"{part:.0%}".replace("%", " %") for part in one.split) or "too few rows: not identified"
        print(
            f"| {one.name} | {one.rows} | {one.products:.3f} | {one.launch * 1e6:.1f} | {one.network:.2f} | {halves} |"
        )


if __name__ == "__main__":
    main()
