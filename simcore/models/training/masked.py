"""Masks of any transformer: sparse weights, and sequences of different lengths, in the operators that run."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.errors import InputError, field
from simcore.models.compute.compute_model import Profiled
from simcore.models.compute.sparse.operator_prices import SparseProfiled
from simcore.models.compute.sparse.prices import TileTable
from simcore.models.compute.sparse.statistics import Lengths, Zeros
from simcore.models.training.architecture import Transformer
from simcore.models.training.dynamic import with_masks
from simcore.models.training.listing import Architecture
from simcore.models.training.operators import Operation, OperatorList
from simcore.models.training.parallel.layout import Layout
from simcore.models.training.parallel.sharding import Scheduling
from simcore.models.training.way import Masked, Way
from simcore.models.training.ways import as_run


@dataclass(frozen=True)
class Masks:
    """What is known of the masks of a model that is trained, and how it runs under them.

    Attributes
    ----------
    weights : Zeros or None
        Zeros of the weights in all products of the blocks.
    lengths : Lengths or None
        How long sequences are; a batch has as many as it has, spread alike.
    way : Way
        Dense or by PIT.
    tiles : TileTable or None
        Published tiles, where the device has no sparse kernels of its own.
    """

    weights: Zeros | None = None
    lengths: Lengths | None = None
    way: Way = Way.PIT
    tiles: TileTable | None = None

    @property
    def words(self) -> str:
        """What the masks are, and how the model runs under them."""
        said = []
        if self.weights is not None:
            blocks = f"{self.weights.width}x{self.weights.height}"
            said.append(f"{self.weights.sparsity:.4g} of the weights' blocks of {blocks} zero")
        if self.lengths is not None:
            said.append(f"{self.lengths.share:.1%} of the positions with a token")
        return f"{', '.join(said)}: {'dense kernels' if self.way is Way.DENSE else 'kernels of PIT'}"

    def run(self, listed: OperatorList, model: Architecture, sequences: int, element: int) -> OperatorList:
        """Return the operators that run of a batch.

        Parameters
        ----------
        listed : OperatorList
            Of the dense model on one GPU.
        model : Architecture
            A transformer.
        sequences : int
            Of the batch.
        element : int
            Bytes per element [B].

        Raises
        ------
        InputError
            If blocks of zeros are larger than a weight.
        """
        assert isinstance(model, Transformer)
        _check_blocks(self.weights, listed)
        lengths = None if self.lengths is None else self.lengths.of_batch(sequences)
        masked = Masked(element, model.hidden, model.causal, 0)
        return as_run(with_masks(listed, self.weights, lengths), self.way, masked)

    def prices(self, compute: Profiled) -> SparseProfiled:
        """Return the device with prices of sparse products."""
        return SparseProfiled(compute, self.tiles)


def _check_blocks(weights: Zeros | None, listed: OperatorList) -> None:
    """Refuse blocks of zeros that are larger than a weight of a block."""
    sections = () if weights is None else (section for section in listed.sections if section.path)
    for one in (one for section in sections for one in section.operators if one.operation is Operation.LINEAR):
        assert weights is not None
        rows, columns = int(one.size("n")), int(one.size("k"))
        if weights.width > rows or weights.height > columns:
            found = f"blocks of {weights.width}x{weights.height} in a weight of {rows}x{columns} ({one.path})"
            raise InputError(field("sparsity"), found, "blocks that fit into every weight", "Choose smaller blocks.")


@dataclass(frozen=True)
class MaskedOperators:
    """A training schedule, or none, whose operators run under masks.

    Attributes
    ----------
    base : Scheduling
        What makes the operators.
    masks : Masks
        The masks.
    """

    base: Scheduling
    masks: Masks

    def layout(self, layout: Layout, model: Architecture) -> Layout:
        """Return the layout that the schedule runs."""
        return self.base.layout(layout, model)

    def operators(self, model: Architecture, sequence: int, layout: Layout, *, routed: bool = False) -> OperatorList:
        """Return the operators of a micro-batch on one GPU as they run."""
        listed = self.base.operators(model, sequence, layout, routed=routed)
        return self.masks.run(listed, model, layout.micro_batch, layout.number_format.element)
