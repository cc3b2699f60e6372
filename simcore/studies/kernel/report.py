"""What is said of a predicted matrix product."""

from __future__ import annotations

from simcore.models.compute.expected import SEEN
from simcore.models.compute.predict import Prediction
from simcore.models.compute.sparse.selection import Selection
from simcore.models.compute.sparse.tiles import Product
from simcore.report import Block, Headline, Sentences
from simcore.units import format_si


def report(product: Product, device: str, prediction: Prediction, selection: Selection | None) -> list[Block]:
    """Return the dense product with its expected error, and the choice among sparse kernels where there is one."""
    head: list[Block] = [Headline(headline(product, device, prediction), expected(prediction))]
    return head if selection is None else [*head, Sentences("", selection.explain())]


def headline(product: Product, device: str, prediction: Prediction) -> str:
    """Say what the dense product takes."""
    what = f"dense {product.m} x {product.n} x {product.k} {product.dtype} on {device}"
    rate = format_si(product.flop / prediction.seconds, "FLOP/s")
    return f"{what}: {format_si(prediction.seconds, 's')}, {rate}"


def expected(prediction: Prediction) -> str:
    """Say by how much the prediction likely misses."""
    if prediction.error is None:
        return f"expected error: none measured ({prediction.origin})"
    alone = ", nothing held out" if prediction.basis == SEEN else ""
    return f"expected error: {prediction.error:.1%} {prediction.basis}{alone}; operands {prediction.state}"
