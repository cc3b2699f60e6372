"""Sweeps of experts and of sequences of different lengths, row by row, see `simcore.calibrate.sweeps.pit`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from simcore.calibrate.measure.tensors import random_tensor
from simcore.calibrate.suites import moe, sequence
from simcore.calibrate.sweeps.pit import Bench, Row, given, noted


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
                row: Row = {"experts": count, "spread": spread, "way": way, "seconds": None, "note": note}
                with noted(row):
                    row["seconds"] = bench.seconds(product, given(x, weights, order, ends), wanted)
                yield row


def sequences(bench: Bench, batch: int, longest: int, width: int) -> Iterator[Row]:
    """Yield a linear layer on padded and on packed sequences over the share of positions that hold a token.

    Yields
    ------
    mapping
        ``valid``, ``way``, ``seconds`` to multiply, ``index_seconds`` to list the positions that hold a token from the
        sequences' lengths, ``total_seconds``, and ``note``.
    """
    import torch

    for share in (0.125, 0.25, 0.5, 0.875):
        drawn = torch.randint(1, max(int(2 * share * longest), 2), (batch,), generator=torch.Generator().manual_seed(0))
        lengths = drawn.clamp(max=longest).to(bench.device)
        x = random_tensor((batch, longest, width), bench.dtype, bench.device, 1)
        x = x * sequence.valid(lengths, longest)[:, :, None]
        weight = random_tensor((width, width), bench.dtype, bench.device, 2)
        positions = sequence.listed(lengths, longest)
        wanted = x.double() @ weight.double()
        valid = len(positions) / (batch * longest)
        ways: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
            "padded": (sequence.padded_linear, (x, weight)),
            "packed": (sequence.packed_linear, (x, weight, positions)),
        }
        for way, (linear, inputs) in ways.items():
            row: Row = {"valid": valid, "way": way, "seconds": None, "index_seconds": 0.0, "total_seconds": None}
            row["note"] = ""
            with noted(row):
                if way == "packed":
                    row["index_seconds"] = bench.seconds(partial(sequence.listed, longest=longest), given(lengths))
                row["seconds"] = bench.seconds(linear, given(*inputs), wanted)
                row["total_seconds"] = row["seconds"] + row["index_seconds"]
            yield row
