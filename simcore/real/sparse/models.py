"""Dynamically sparse transformers as torch modules, of any size: experts, lengths, masks of attention, pruned weights.

Their parts are those of `simcore.real.language`. Each computes densely and says where it is sparse, see
`simcore.real.sparse.functions`. Masks are made of the statistics of `simcore.models.compute.sparse.statistics`.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from simcore.errors import InputError
from simcore.models.compute.sparse.statistics import Bars, Pattern, Routing, Zeros
from simcore.real.language import Block, FeedForward, Stack, Sublayer, Translator, language_model
from simcore.real.sparse.functions import routed, tokenwise

if TYPE_CHECKING:
    from simcore.models.training.architecture import Transformer
    from simcore.models.training.dynamic import DynamicCase


class MaskedCore(nn.Module):
    """What attention computes of Q, K and V under a mask of booleans; a query that sees nothing takes nothing.

    Parameters
    ----------
    scale : float
        What scores are multiplied with.
    bar : int
        Keys that share a summary, the mean of their K and V, behind all keys; 0 for no summaries.
    """

    def __init__(self, scale: float, bar: int = 0) -> None:
        super().__init__()
        self.scale, self.bar = scale, bar

    def forward(self, q: Tensor, k: Tensor, v: Tensor, *, seen: Tensor | None = None) -> Tensor:
        """Return for each head what its queries take; `seen` says which keys each query sees, None all."""
        if self.bar:
            k, v = (torch.cat([each, _means(each, self.bar)], 2) for each in (k, v))
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=self.scale)


def _means(x: Tensor, bar: int) -> Tensor:
    """Return the means of rows, `bar` of them at a time; the last bar may have fewer."""
    rows = x.shape[2]
    bars = -(-rows // bar)
    sizes = torch.full((bars,), bar, device=x.device, dtype=x.dtype)
    sizes[-1] = rows - (bars - 1) * bar
    padded = functional.pad(x, (0, 0, 0, bars * bar - rows))
    return padded.view(*x.shape[:2], bars, bar, x.shape[3]).sum(3) / sizes[:, None]


class SparseBlock(Block):
    """A block whose products read only rows that hold a token, and whose attention has a mask."""

    def __init__(self, model: Transformer, pattern: Pattern | None) -> None:
        super().__init__(model)
        self.attention.core = MaskedCore(self.attention.width**-0.5, pattern.bar if isinstance(pattern, Bars) else 0)

    def forward(self, x: Tensor, other: Tensor | None = None, **given: Any) -> Tensor:
        """Return rows of the same width; ``valid`` says which hold a token, None all; ``seen`` which keys are."""
        valid, seen = given["valid"], given["seen"]
        if valid is None:
            read = self.attention.enter(x)
            made: tuple[Tensor, ...] = self.attention.projected(read, read)
        else:
            made = tokenwise(self._projected, valid, x).chunk(3, -1)
        q, k, v = (self.attention._split(one) for one in made)
        context = self.attention.core(q, k, v, seen=seen).transpose(1, 2).flatten(2)
        return self._rest(x, context) if valid is None else tokenwise(self._rest, valid, x, context)

    def _projected(self, rows: Tensor) -> Tensor:
        """Return Q, K and V of rows, side by side."""
        read = self.attention.enter(rows)
        return torch.cat(self.attention.projected(read, read), -1)

    def _rest(self, rows: Tensor, context: Tensor) -> Tensor:
        """Return what follows the core of attention."""
        made: Tensor = self.feed_forward(self.attention.leave(rows, self.attention.output(context)))
        return made


class SparseStack(Stack):
    """Blocks under a mask: of lengths, of a pattern of attention, and of later tokens.

    Parameters
    ----------
    model : Transformer
        The sizes. Without a vocabulary it takes rows in place of tokens.
    pattern : Window or Bars, optional
        Who attends to whom.
    """

    def __init__(self, model: Transformer, pattern: Pattern | None = None) -> None:
        super().__init__(model)
        self.block = nn.ModuleList(SparseBlock(model, pattern) for _ in range(model.blocks))
        self.pattern, self.causal = pattern, model.causal
        self.rows = model.vocabulary is None
        self._patterns: dict[int, Tensor] = {}  # the mask of the pattern, by tokens

    def forward(self, numbers: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return what is made of tokens, zeros at positions that hold none.

        Parameters
        ----------
        numbers : Tensor of int, shape (batch, positions), or of float, shape (batch, positions, hidden)
            Tokens, or rows where the model has no vocabulary.
        valid : Tensor of bool, shape (batch, positions), optional
            Which positions hold a token; by default all do.
        """
        shape = numbers.shape[:2]
        if valid is not None and valid.shape != shape:
            found, expected = " x ".join(map(str, valid.shape)), " x ".join(map(str, shape))
            raise InputError("valid", found, f"{expected}, as the tokens", "Say for each position if it holds a token.")
        x = numbers if self.rows else self.embedding(numbers)
        seen = self._seen(shape[1], valid)
        for block in self.block:
            x = block(x, valid=valid, seen=seen)
        if self.rows:
            return x
        made: Tensor = self.output(x) if valid is None else tokenwise(self.output, valid, x)
        return made

    def _seen(self, tokens: int, valid: Tensor | None) -> Tensor | None:
        """Return which keys each query sees, of shape (1 or batch, 1, queries, keys): one mask for all blocks."""
        seen = None
        device = self.embedding.tokens.weight.device
        if self.pattern is not None:
            if tokens not in self._patterns:
                self._patterns = {tokens: torch.from_numpy(self.pattern.mask(tokens)).to(device)}
            seen = self._patterns[tokens]
        elif self.causal:
            seen = torch.ones(tokens, tokens, dtype=torch.bool, device=device).tril_()
        if valid is not None:
            pairs = valid[:, :, None] & valid[:, None, :]
            seen = pairs if seen is None else pairs & seen
        return None if seen is None else (seen[None, None] if seen.ndim == 2 else seen[:, None])


class RoutedFeedForward(Sublayer):
    """Experts in place of a feed-forward network; which one a token goes to is given, how much it counts is learned.

    Parameters
    ----------
    model : Transformer
        With experts, one per token.
    choice : Tensor of int, shape (tokens,)
        The expert of each token of a batch.
    """

    choice: Tensor

    def __init__(self, model: Transformer, choice: Tensor) -> None:
        super().__init__(model)
        assert model.experts is not None
        count, inner, hidden = model.experts.count, model.experts.inner, model.hidden
        self.router = nn.Linear(hidden, count, bias=False)
        self.up = nn.Parameter(torch.randn(count, hidden, inner) * hidden**-0.5)
        self.down = nn.Parameter(torch.randn(count, inner, hidden) * inner**-0.5)
        self.register_buffer("choice", choice)

    def forward(self, x: Tensor) -> Tensor:
        """Return rows of the same width."""
        rows = self.enter(x).flatten(0, -2)
        gate = self.router(rows).softmax(-1).gather(1, self.choice[:, None])
        made = routed(rows, self.choice, self.up, self.down) * gate
        return self.leave(x, made.view_as(x))


class PrunedLinear(nn.Linear):
    """A linear layer whose weights are zero in the blocks that weigh least, found anew by `prune`.

    Parameters
    ----------
    layer : nn.Linear
        Its weights and biases are taken over.
    zeros : Zeros
        Blocks of the weight as B: inputs x outputs.
    """

    kept: Tensor

    def __init__(self, layer: nn.Linear, zeros: Zeros) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        self.zeros = zeros.turned("a")
        self.register_buffer("kept", torch.ones_like(layer.weight, dtype=torch.bool))
        self.prune()

    @torch.no_grad()
    def prune(self) -> None:
        """Keep the blocks whose weights are largest in sum; the share of others is the sparsity, rounded to blocks."""
        high, wide = self.zeros.height, self.zeros.width
        rows, columns = self.weight.shape
        down, across = -(-rows // high), -(-columns // wide)
        padded = functional.pad(self.weight.abs().float(), (0, across * wide - columns, 0, down * high - rows))
        sums = padded.view(down, high, across, wide).sum((1, 3)).flatten()
        some = torch.zeros_like(sums, dtype=torch.bool)
        some[sums.topk(round(len(sums) * (1 - self.zeros.sparsity))).indices] = True
        blocks = some.view(down, across).repeat_interleave(high, 0).repeat_interleave(wide, 1)
        self.kept.copy_(blocks[:rows, :columns])

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x (weight * kept)^T + bias``."""
        return functional.linear(x, self.weight * self.kept, self.bias)


def prune(module: nn.Module) -> None:
    """Find the masks of all pruned layers anew, as training does at every step."""
    for one in module.modules():
        if isinstance(one, PrunedLinear):
            one.prune()


def switch(model: Transformer, routing: Routing, seed: int = 0) -> Translator:
    """Return an encoder and decoder with experts in some blocks.

    Parameters
    ----------
    model : Transformer
        With an encoder and experts in the blocks of its sparse runs.
    routing : Routing
        Tokens of each expert, in each of these blocks.
    seed : int
        Of which token goes where.

    Examples
    --------
    >>> from simcore.models.training.dynamic import dynamic_cases
    >>> case = dynamic_cases(8, small=True)[0]
    >>> [type(block.feed_forward).__name__ for block in switch(case.model, case.routing).block]
    ['FeedForward', 'RoutedFeedForward']
    """
    assert model.encoder is not None
    plain = replace(model, experts=None, runs=(), encoder=replace(model.encoder, experts=None, runs=()))
    made = language_model(plain)
    assert isinstance(made, Translator)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.repeat_interleave(torch.arange(len(routing.tokens)), torch.tensor(routing.tokens))
    for stack, sizes in ((made, model), (made.encoder, model.encoder)):
        sparse = [run.sparse for run in sizes.runs for _ in range(run.count)]
        for block, has in zip(stack.block, sparse or [True] * sizes.blocks, strict=True):
            if has:
                choice = chosen[torch.randperm(len(chosen), generator=generator)]
                block.feed_forward = RoutedFeedForward(sizes, choice)
    return made


def quieten(module: SparseStack, sparsity: float) -> None:
    """Set biases before each ReLU so that a share of what it makes is zero.

    A norm stands before the product, so its inputs have a mean of 0 and a variance of 1.

    Parameters
    ----------
    module : SparseStack
        Its feed-forward networks have ReLU.
    sparsity : float
        Share of zeros, between 0 and 1.
    """
    for one in module.modules():
        if isinstance(one, FeedForward):
            assert isinstance(one.up, nn.Linear)
            with torch.no_grad():
                one.up.bias.copy_(-NormalDist().inv_cdf(sparsity) * one.up.weight.norm(dim=1))


def dynamic_model(case: DynamicCase, seed: int = 0) -> nn.Module:
    """Return the module of an experiment, with random weights.

    Parameters
    ----------
    case : DynamicCase
        One of `simcore.models.training.dynamic.dynamic_cases`, or one of other sizes.
    seed : int
        Of the weights, and of what is drawn.

    Examples
    --------
    >>> from simcore.models.training.dynamic import dynamic_cases
    >>> type(dynamic_model(dynamic_cases(12, small=True)[0])).__name__
    'SparseStack'
    """
    torch.manual_seed(seed)
    if case.routing is not None:
        return switch(case.model, case.routing, seed)
    made = SparseStack(case.model, case.pattern)
    if case.activations is not None:
        quieten(made, case.activations.sparsity)
    if case.weights is not None:
        for block in made.block:
            _pruned(block, case.weights)
    return made


def _pruned(module: nn.Module, zeros: Zeros) -> None:
    """Replace the linear layers of a module by pruned ones."""
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, PrunedLinear(child, zeros))
        else:
            _pruned(child, zeros)


def dynamic_inputs(case: DynamicCase, seed: int = 0) -> tuple[Tensor, ...]:
    """Return a batch of an experiment: random tokens or rows, and which positions hold one.

    Parameters
    ----------
    case : DynamicCase
        See `dynamic_model`.
    seed : int
        Of tokens, and of the order of the sequences.

    Examples
    --------
    >>> from simcore.models.training.dynamic import dynamic_cases
    >>> [tuple(one.shape) for one in dynamic_inputs(dynamic_cases(10, small=True)[0])]
    [(8, 128), (8, 128)]
    """
    generator = torch.Generator().manual_seed(seed)
    shape = case.batch.sequences, case.batch.sequence
    if case.model.vocabulary is None:
        return (torch.randn(*shape, case.model.hidden, generator=generator),)
    numbers = torch.randint(case.model.vocabulary, shape, generator=generator)
    if case.routing is not None:
        return numbers, torch.randint(case.model.vocabulary, shape, generator=generator)
    if case.lengths is None:
        return (numbers,)
    valid = torch.from_numpy(case.lengths.mask())
    return numbers, valid[torch.randperm(len(valid), generator=generator)]
