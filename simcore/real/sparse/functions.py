"""Two functions in which a module says where it is sparse: rows that hold a token, and rows sent to experts.

Both compute densely, as torch models do, and `simcore.real.sparse.pitify` runs them by PIT's kernels. A module of one's
own that calls them in place of its own masks is found to be sparse even where padding is not zero.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional
from torch.overrides import handle_torch_function, has_torch_function

from simcore.calibrate.suites.moe import padded_by_expert, route
from simcore.errors import InputError

Rows = Callable[..., Tensor]
"""A function of rows that treats each row by itself, such as a feed-forward network."""


def tokenwise(function: Rows, valid: Tensor, *rows: Tensor) -> Tensor:
    """Apply a function to every row, and put zeros where a row holds no token.

    Parameters
    ----------
    function : callable
        Takes rows, and treats each of them by itself.
    valid : Tensor of bool, shape (batch, positions)
        Which rows hold a token.
    *rows : Tensor, shape (batch, positions, inner)
        What the function takes, padding included.

    Returns
    -------
    Tensor, shape (batch, positions, outer)

    Raises
    ------
    InputError
        If `valid` is not of the rows' shape.

    Examples
    --------
    >>> import torch
    >>> x, valid = torch.ones(1, 3, 2), torch.tensor([[True, True, False]])
    >>> tokenwise(lambda rows: rows + 1, valid, x)[0, :, 0]
    tensor([2., 2., 0.])
    """
    for each in rows:
        if valid.shape != each.shape[:-1]:
            found, expected = _text(valid.shape), f"{_text(each.shape[:-1])}, one for each row"
            raise InputError("valid", found, expected, "Say for each position whether it holds a token.")
    if has_torch_function((valid, *rows)):
        made: Tensor = handle_torch_function(tokenwise, (valid, *rows), function, valid, *rows)
        return made
    return function(*rows).masked_fill(~valid[..., None], 0)


def routed(x: Tensor, choice: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """Send each row through the feed-forward network of its expert: ``relu(x up[e]) down[e]``.

    Every expert's rows are padded to the most rows that an expert has, and multiplied in one batch.

    Parameters
    ----------
    x : Tensor, shape (rows, inner)
        Rows.
    choice : Tensor of int, shape (rows,)
        Expert of each row.
    up, down : Tensor, shape (experts, inner, middle) and (experts, middle, outer)
        Weights.

    Returns
    -------
    Tensor, shape (rows, outer)

    Raises
    ------
    InputError
        If there is not one expert for each row.

    Examples
    --------
    >>> import torch
    >>> up, down = torch.stack([torch.eye(2), 2 * torch.eye(2)]), torch.eye(2).expand(2, 2, 2)
    >>> routed(torch.ones(2, 2), torch.tensor([1, 0]), up, down)
    tensor([[2., 2.],
            [1., 1.]])
    """
    if choice.shape != x.shape[:1]:
        raise InputError("choice", _text(choice.shape), f"{_text(x.shape[:1])}, an expert for each row")
    if has_torch_function((x, choice, up, down)):
        made: Tensor = handle_torch_function(routed, (x, choice, up, down), x, choice, up, down)
        return made
    order, ends = route(choice, len(up))
    padded, expert, slot = padded_by_expert(x, order, ends)
    found = (functional.relu(padded @ up) @ down)[expert, slot]
    return found.new_zeros(len(x), down.shape[2]).index_copy_(0, order, found)


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
