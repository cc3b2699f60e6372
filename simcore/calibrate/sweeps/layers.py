"""Sweeps of experts and of sequences of different lengths, row by row, see `simcore.calibrate.sweeps.pit`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from simcore.calibrate.measure.tensors import random_tensor
from simcore.calibrate.suites import moe, sequence
from simcore.calibrate.sweeps.pit import ALONE, UNMEASURED, Bench, Row, given, noted, timed


def experts(bench: Bench, tokens: int, width: int, counts: tuple[int, ...] = (8, 32)) -> Iterator[Row]:
    """Yield the experts' product one by one, padded and grouped, with tokens spread evenly and by Zipf's law."""
    import torch

    for count in counts:
        for spread in ("uniform", "zipf"):
            chances = torch.ones(count) if spread == "uniform" else 1 / torch.arange(1, count + 1)
            chosen = torch.multinomial(chances, tokens, True, generator=torch.Generator().manual_seed(0))
            order, ends = moe.route(chosen.to(bench.device), count)
            x = random_tensor((tokens, width), bench.dtype, bench.device, 1)
            weights = random_tensor((count, width, width), bench.dtype, bench.device, 2)
            wanted = moe.by_loop(x.double(), weights.double(), order, ends)
            for way, product in moe.WAYS.items():
                grouped = way != "grouped" or moe.grouped_product() is not None
                note = "" if grouped else "this torch has no grouped product: the loop stood in"
                row: Row = {"experts": count, "tokens": spread, "way": way, **ALONE, "note": note}
                with noted(row):
                    timed(row, bench.sample(product, given(x, weights, order, ends), wanted))
                yield row


def sequences(bench: Bench, batch: int, longest: int, width: int) -> Iterator[Row]:
    """Yield a linear layer on padded and on packed sequences over the share of positions that hold a token.

    The padded layer multiplies every position, so it is timed once for all shares.

    Yields
    ------
    mapping
        ``valid``, ``way``, what `simcore.calibrate.sweeps.pit.UNMEASURED` holds, the index listing the positions that
        hold a token from the sequences' lengths, and ``total_seconds``.
    """
    full = random_tensor((batch, longest, width), bench.dtype, bench.device, 1)
    weight = random_tensor((width, width), bench.dtype, bench.device, 2)
    padded: Row = {**UNMEASURED, "total_seconds": None}
    with noted(padded):
        timed(padded, bench.sample(sequence.padded_linear, given(full, weight), full.double() @ weight.double()))
        padded["total_seconds"] = padded["seconds"]
    for share in (0.125, 0.25, 0.5, 0.875):
        lengths = _lengths(share, batch, longest).to(bench.device)
        x = full * sequence.valid(lengths, longest)[:, :, None]
        positions = sequence.listed(lengths, longest)
        valid = len(positions) / (batch * longest)
        yield {"valid": valid, "way": "padded", **padded}
        row: Row = {"valid": valid, "way": "packed", **UNMEASURED, "total_seconds": None}
        with noted(row):
            index = bench.sample(partial(sequence.listed, longest=longest), given(lengths))
            inputs = given(x, weight, positions)
            timed(row, bench.sample(sequence.packed_linear, inputs, x.double() @ weight.double()), index)
            row["total_seconds"] = row["seconds"] + row["index_seconds"]
        yield row


def _lengths(share: float, batch: int, longest: int) -> Any:
    """Draw the lengths of sequences that hold about a share of the positions."""
    import torch

    drawn = torch.randint(1, max(int(2 * share * longest), 2), (batch,), generator=torch.Generator().manual_seed(0))
    return drawn.clamp(max=longest)
