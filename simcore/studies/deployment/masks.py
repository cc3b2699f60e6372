"""Masks of a model in words: what ``--sparsity``, ``--lengths`` and ``--kernels`` say."""

from __future__ import annotations

import re

from simcore.errors import InputError, field
from simcore.models.compute.profile import KernelProfile
from simcore.models.compute.sparse.statistics import Zeros
from simcore.models.training.architecture import Transformer
from simcore.models.training.dynamic_times import published_table
from simcore.models.training.listing import Architecture
from simcore.models.training.masked import Masks
from simcore.models.training.way import Way
from simcore.numerals import as_real
from simcore.readers.lengths import read_lengths
from simcore.readers.tile_tables import read_tile_table
from simcore.studies.deployment.masked import MaskedRequest

_BLOCKS = re.compile(r"\s*([0-9]{1,9})\s*x\s*([0-9]{1,9})\s*\Z")


def parse_sparsity(text: str, place: str = "sparsity") -> Zeros:
    """Return zeros in weights of outputs x inputs, in blocks of so many rows and columns.

    Parameters
    ----------
    text : str
        A share and the granularity, such as ``0.9@32x1``.
    place : str
        The field that gave it, for messages.

    Raises
    ------
    InputError
        If it is no share from 0 to 1, or no granularity.

    Examples
    --------
    >>> parse_sparsity("0.9@32x1")
    Zeros(height=1, width=32, sparsity=0.9, operand='b', indexed=True)
    """
    share, at, blocks = text.partition("@")
    value, shape = as_real(share.strip()), _BLOCKS.match(blocks)
    expected = "a share of zero blocks and their rows x columns, such as 0.9@32x1"
    if not at or value is None:
        raise InputError(place, f"'{text}'", expected)
    if not 0 <= value <= 1:
        raise InputError(place, f"'{text}', a share of {value:g}", "a share from 0 to 1",
                         "0.9 means that 90 % of the blocks are zero.")  # fmt: skip
    if shape is None or not int(shape[1]) or not int(shape[2]):
        raise InputError(place, f"'{text}', blocks of '{blocks}'", "rows x columns of at least 1, such as 32x1",
                         "1x1 is zeros that lie anywhere.")  # fmt: skip
    high, wide = int(shape[1]), int(shape[2])
    return Zeros(wide, high, value)


def masks_of(
    request: MaskedRequest, model: Architecture, sequence: int, profile: KernelProfile
) -> tuple[Masks | None, dict[str, str]]:
    """Return the masks that a request asks for, and the hash of the file of lengths.

    Parameters
    ----------
    request : MaskedRequest
        The request.
    model : Transformer
        What is trained.
    sequence : int
        Tokens of a sequence.
    profile : KernelProfile
        Of the device.

    Returns
    -------
    masks : Masks or None
        None where the request names none.
    sha256 : dict of str to str
        Hashes by role.

    Raises
    ------
    InputError
        If a mask is wrong, the model is no transformer, or the device has no sparse kernels and none stand in.
    """
    if request.sparsity is None and request.lengths is None:
        return None, {}
    if not isinstance(model, Transformer):
        name = field("lengths" if request.sparsity is None else "sparsity")
        raise InputError(name, f"it with {model.name}, which is no transformer", "a transformer", f"Leave {name} out.")
    weights = None if request.sparsity is None else parse_sparsity(request.sparsity, field("sparsity"))
    read = None if request.lengths is None else read_lengths(request.lengths, sequence)
    way, tiles = Way(request.kernels), None
    if weights is not None and way is Way.PIT:
        table, devices = read_tile_table()
        tiles = published_table(profile, table, devices, extrapolate=request.extrapolate)
    hashes = {} if read is None else {"lengths": read.sha256}
    return Masks(weights, None if read is None else read.value, way, tiles), hashes
