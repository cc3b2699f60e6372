"""The seconds of products with zeros in an operand, beside those of all other kernels: one choice of kernel for each.

The three operands of a product lead to one form, whose first matrix is sparse, see `sparse_product`. `select` then
chooses among dense and PIT's kernels, by the profile's own sparse kernels or by a published tile table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from simcore.models.compute.compute_model import KernelCall, Profiled
from simcore.models.compute.device import DTYPES
from simcore.models.compute.predict import Prediction
from simcore.models.compute.sparse.masks import RandomMask
from simcore.models.compute.sparse.prices import PricedEntry, TileTable
from simcore.models.compute.sparse.profiled import index_cost, outside, tile_table
from simcore.models.compute.sparse.selection import IndexCost, Selection, select
from simcore.models.compute.sparse.statistics import Zeros
from simcore.models.compute.sparse.stored import CALLS
from simcore.models.compute.sparse.tiles import Product, SparseKernel, Work

NO_INDEX = "left out, as nobody measured or published what it takes there"
"""Note on an index."""

JAGGED = "library: what jagged tensors cost beside their kernels was not measured and is left out"
"""Note on packed rows of a library, whose every call passes through Python."""

BEYOND = "beyond what was measured"
"""Words of a note on sparse kernels outside of a profile's range."""


def sparse_product(call: KernelCall, dtype: str) -> tuple[Product, RandomMask]:
    """Return a product whose first matrix is the sparse operand of a call, and the mask of that matrix.

    - A sparse A stays where it is.
    - Of a sparse B both matrices are exchanged: C^T = B^T A^T.
    - Of a sparse C, of which only kept elements are wanted, each micro-tile takes the products that multiplying it by
      a matrix as deep as the sum takes. So C^T stands for the sparse matrix.

    Parameters
    ----------
    call : KernelCall
        A ``gemm`` with `zeros`.
    dtype : str
        Number format.

    Examples
    --------
    >>> from simcore.models.compute.sparse.statistics import Zeros
    >>> shape = (("m", 128), ("n", 768), ("k", 3072), ("batch", 1))
    >>> product, mask = sparse_product(KernelCall("gemm", shape, zeros=Zeros(1, 32, 0.9)), "fp32")
    >>> (product.m, product.k, product.n), (mask.rows, mask.columns, mask.height, mask.width)
    ((768, 3072, 128), (768, 3072, 32, 1))
    """
    assert call.zeros is not None
    m, n, k = (int(call.size(name)) for name in "mnk")
    if call.zeros.operand == "a":
        return Product(m, k, n, dtype), call.zeros.mask(m, k)
    if call.zeros.operand == "b":
        return Product(n, k, m, dtype), call.zeros.turned("a").mask(n, k)
    return Product(n, m, k, dtype), call.zeros.turned("a").mask(n, m)


@dataclass(frozen=True)
class SparseProfiled:
    """A profiled device that multiplies products with zeros by the kernel that is predicted to be fastest.

    Attributes
    ----------
    base : Profiled
        What all other kernels take.
    table : TileTable or None
        A published tile table, in place of the profile's own sparse kernels.
    """

    base: Profiled
    table: TileTable | None = None

    @property
    def dtype(self) -> str:
        """Number format of all calls that bring none."""
        return self.base.dtype

    @property
    def launch(self) -> float | None:
        """What the host takes to launch a kernel [s], see `simcore.models.compute.compute_model.Profiled.launch`."""
        return self.base.launch

    def seconds(self, operator: KernelCall) -> Prediction:
        """Predict one call; the index of a product with zeros is in it where the call must find it.

        An index that the profile does not have takes nothing, with a note. So do calls of jagged tensors.

        Raises
        ------
        InputError
            As `simcore.models.compute.predict.predict` does.
        """
        if operator.dtype == "bool" and self.base.profile.fit(operator.kernel, "bool") is None:
            return Prediction(0.0, None, self.base.profile.origin, notes=(f"index: {NO_INDEX}",))
        if operator.kernel in CALLS and self.base.profile.fit(operator.kernel, "fp32") is None:
            return Prediction(0.0, None, self.base.profile.origin, notes=(JAGGED,))
        dense = self.base.seconds(operator)
        chosen = self.selection(operator, dense)
        if chosen is None or chosen.best.kernel is None:
            return dense
        batch, best = dict(operator.shape).get("batch", 1), chosen.best
        notes = (*dense.notes, *self._notes(operator))
        return replace(dense, seconds=best.total * batch, error=best.error, notes=tuple(dict.fromkeys(notes)))

    def index_seconds(self, operator: KernelCall) -> float:
        """Return what of `seconds` is the index [s]; 0 where the product is dense."""
        chosen = self.selection(operator)
        batch = dict(operator.shape).get("batch", 1)
        return 0.0 if chosen is None else chosen.best.index_seconds * batch

    def selection(self, operator: KernelCall, dense: Prediction | None = None) -> Selection | None:
        """Return the choice for a product with zeros.

        Parameters
        ----------
        operator : KernelCall
            Any call.
        dense : Prediction, optional
            Of the dense product, where it is known already.

        Returns
        -------
        Selection or None
            None for any other call, and where no sparse kernel of the number format is known.
        """
        if operator.zeros is None:
            return None
        dtype = operator.dtype or self.base.dtype
        product, mask = sparse_product(operator, dtype)
        table = self._table(product, mask)
        if table is None:
            return None
        dense = self.base.seconds(operator) if dense is None else dense
        batch = dict(operator.shape).get("batch", 1)
        if self.table is None:
            table = self._laid_out(table, operator.zeros, product)
        own = self.table is None and operator.zeros.indexed
        return select(
            product, mask, table, index_cost=self._index(mask) if own else None,
            dense_seconds=dense.seconds / batch, dense_error=dense.error,
        )  # fmt: skip

    def _laid_out(self, table: TileTable, zeros: Zeros, product: Product) -> TileTable:
        """Return a table in which an exchanged product also reads its second matrix and writes its output transposed.

        Kernels that gather while they load read any layout.
        """
        if zeros.operand == "a":
            return table
        moved = 2 * DTYPES[product.dtype] * (product.k + product.m) * product.n
        turned = self.base.seconds(KernelCall("copy", (("bytes", moved),), dtype=product.dtype)).seconds

        def price(of_entry: PricedEntry) -> PricedEntry:
            return replace(of_entry, price=lambda kernel, one, work: of_entry.price(kernel, one, work) + turned)

        return replace(
            table, entries=tuple(price(one) if isinstance(one, PricedEntry) else one for one in table.entries)
        )

    def _table(self, product: Product, mask: RandomMask) -> TileTable | None:
        if self.table is None:
            return tile_table(self.base.profile, product, mask)
        return self.table if self.table.shape.dtype == product.dtype else None

    def _index(self, mask: RandomMask) -> IndexCost:
        """Return the cost of an index whose mask is found by comparing the sparse matrix with zero."""
        of_mask = index_cost(self.base.profile, mask)

        def seconds(kernel: SparseKernel, product: Product, work: Work) -> tuple[float, float | None] | str:
            found = of_mask(kernel, product, work)
            if isinstance(found, str):
                return found
            compared = KernelCall("compare", (("bytes", 5 * mask.rows * mask.columns),), dtype=product.dtype)
            return found[0] + self.base.seconds(compared).seconds, found[1]

        return seconds

    def _notes(self, operator: KernelCall) -> tuple[str, ...]:
        """Return what a reader must know of the sparse kernel of a call."""
        if self.table is not None:
            shape = self.table.shape
            scaled = f"scaled by tiles from {shape.m} x {shape.k} x {shape.n}"
            return (f"sparse products: {scaled}, by {self.table.source}", f"index: {NO_INDEX}")
        product, mask = sparse_product(operator, operator.dtype or self.base.dtype)
        beyond = outside(self.base.profile, product, mask)
        return (f"sparse products: extrapolated {BEYOND}",) if beyond else ()
