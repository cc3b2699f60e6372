"""Language models as torch modules: GPT, BERT, OPT, Llama and T5, of any size; importing this module needs torch.

A module has the path that its operators have in the list of `simcore.models.training`, so that a training schedule
names both alike. Every operator runs by itself, and the backward pass finds all that it needs: what a schedule changes
in that, `simcore.real.schedule` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from simcore.errors import InputError
from simcore.models.training.functions import Activation, Norm, Positions

if TYPE_CHECKING:
    from simcore.models.training.architecture import Transformer

BUCKETS = 32
"""Relative positions that T5 tells apart."""


class SquaredReLU(nn.Module):
    """The square of what is above 0, as in Nemotron."""

    def forward(self, x: Tensor) -> Tensor:
        """Return it for each element."""
        return functional.relu(x).square()


ACTIVATIONS: Mapping[Activation, type[nn.Module]] = {
    Activation.GELU: nn.GELU, Activation.SILU: nn.SiLU, Activation.RELU: nn.ReLU,
    Activation.SQUARED_RELU: SquaredReLU,
}  # fmt: skip
"""What stands between the products of a feed-forward network."""

NORMS: Mapping[Norm, type[nn.Module]] = {Norm.LAYER: nn.LayerNorm, Norm.RMS: nn.RMSNorm}

Turned = tuple[Tensor, Tensor]
"""Cosine and sine of the angle of each position and column."""


class Core(nn.Module):
    """What attention computes of Q, K and V; scores are written to memory.

    Parameters
    ----------
    scale : float
        What scores are multiplied with.
    causal : bool
        Whether a query sees no later token.
    dropout : float
        Share of the softmax that is dropped.
    shared : int
        Heads of Q that share one of K and V.
    """

    def __init__(self, scale: float, causal: bool, dropout: float, shared: int) -> None:
        super().__init__()
        self.scale, self.causal, self.dropout, self.shared = scale, causal, dropout, shared

    def forward(
        self, q: Tensor, k: Tensor, v: Tensor, *, bias: Tensor | None = None, later: Tensor | None = None
    ) -> Tensor:
        """Return for each head what its queries take; `bias` is added to scores, those of `later` tokens are hidden."""
        dropout = self.dropout if self.training else 0.0
        return functional.dropout(self._weights(q, k, bias, later), dropout) @ self._repeated(v)

    def _weights(self, q: Tensor, k: Tensor, bias: Tensor | None, later: Tensor | None) -> Tensor:
        """Return how much each query takes of each key."""
        scores = q @ self._repeated(k).transpose(-2, -1) * self.scale
        if bias is not None:
            scores = scores + bias
        if later is not None:
            scores = scores.masked_fill(later, float("-inf"))
        return scores.softmax(-1)

    def _repeated(self, x: Tensor) -> Tensor:
        """Return heads of K or V, each as often as heads of Q share it."""
        return x.repeat_interleave(self.shared, 1) if self.shared > 1 else x


class Sublayer(nn.Module):
    """A half of a block: what stands beside a residual, with its norm, before it or after the sum."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.norm = NORMS[model.kinds.norm](model.hidden)
        self.dropout = dropping(model)
        self.inputs = nn.Identity()  # what products share: where tensor parallelism sums its gradient
        self.norm_first = norm_first(model)

    def enter(self, x: Tensor) -> Tensor:
        """Return what the products read."""
        entered: Tensor = self.inputs(self.norm(x) if self.norm_first else x)
        return entered

    def leave(self, x: Tensor, made: Tensor) -> Tensor:
        """Return the sum of rows and what was made of them."""
        dropped: Tensor = self.dropout(made)
        left: Tensor = x + dropped if self.norm_first else self.norm(x + dropped)
        return left


class Attention(Sublayer):
    """Attention of several heads, to the tokens themselves or to those of an encoder."""

    def __init__(self, model: Transformer, *, cross: bool = False) -> None:
        super().__init__(model)
        heads, hidden, biases = model.heads or 1, model.hidden, model.biases
        self.width = model.query_width // heads
        self.query = nn.Linear(hidden, model.query_width, bias=biases.query)
        self.key = nn.Linear(hidden, model.kv_width, bias=biases.key)
        self.value = nn.Linear(hidden, model.kv_width, bias=biases.value)
        self.output = nn.Linear(model.context_width, hidden, bias=biases.output)
        relative = model.kinds.positions is Positions.RELATIVE
        self.relative = relative and not cross  # whether learned biases are added to scores
        scale = 1.0 if relative else self.width**-0.5
        shared = heads // (model.kv_heads or heads)
        self.core: nn.Module = Core(scale, model.causal and not cross, model.dropout, shared)
        self.memory = nn.Identity() if cross else None  # as `inputs`, of what K and V are made of

    def forward(
        self, x: Tensor, other: Tensor | None = None, turned: Turned | None = None, bias: Tensor | None = None,
        later: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Return what each token takes from the others, or from `other` tokens, beside the token itself.

        Rotary positions turn Q and K; `bias` and `later` are those of `Core`.
        """
        given = self.enter(x)
        source = given if other is None or self.memory is None else self.memory(other)
        q, k, v = (self._split(made) for made in self.projected(given, source))
        if turned is not None:
            q, k = rotated(q, turned), rotated(k, turned)
        context = self.core(q, k, v, bias=bias, later=later)
        return self.leave(x, self.output(context.transpose(1, 2).flatten(2)))

    def projected(self, x: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return Q, K and V, their heads side by side."""
        return self.query(x), self.key(source), self.value(source)

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], -1, self.width).transpose(1, 2)


def rotated(x: Tensor, turned: Turned) -> Tensor:
    """Turn pairs of columns by angles that grow with the position (rotary positions, arXiv:2104.09864)."""
    first, second = x.chunk(2, -1)
    return x * turned[0] + torch.cat((-second, first), -1) * turned[1]


def turns(tokens: int, width: int, like: Tensor) -> Turned:
    """Return the angle of each position and column of a head, as its cosine and sine."""
    speeds = 10000.0 ** -(torch.arange(0, width, 2, device=like.device) / width)
    steps = torch.arange(tokens, device=like.device)[:, None] * speeds
    angles = torch.cat((steps, steps), -1)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


class Gated(nn.Module):
    """Two products of the same rows, one of which is a gate."""

    def __init__(self, hidden: int, inner: int, *, bias: bool) -> None:
        super().__init__()
        self.gate, self.product = (nn.Linear(hidden, inner, bias=bias) for _ in range(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gate, and what it is multiplied with."""
        return self.gate(x), self.product(x)


class FeedForward(Sublayer):
    """Two products with an activation between them; a gate is a third one, beside the first."""

    def __init__(self, model: Transformer) -> None:
        super().__init__(model)
        hidden, inner, bias = model.hidden, model.inner, model.biases.feed_forward
        self.up = Gated(hidden, inner, bias=bias) if model.gated else nn.Linear(hidden, inner, bias=bias)
        self.activation = ACTIVATIONS[model.kinds.activation]()
        self.down = nn.Linear(inner, hidden, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return rows of the same width."""
        return self.leave(x, self.down(self.between(self.up(self.enter(x)))))

    def between(self, made: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Return what the second product reads of what the first one makes."""
        inner: Tensor = self.activation(made[0]) * made[1] if isinstance(made, tuple) else self.activation(made)
        return inner


class Block(nn.Module):
    """Attention, to itself and to an encoder where there is one, and a feed-forward network."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.attention = Attention(model)
        self.cross_attention = Attention(model, cross=True) if model.encoder is not None else None
        self.feed_forward = FeedForward(model)

    def forward(self, x: Tensor, other: Tensor | None = None, **given: Any) -> Tensor:
        """Return rows of the same width; `other` are an encoder's tokens, and `given` is for attention."""
        x = self.attention(x, **given)
        if self.cross_attention is not None:
            x = self.cross_attention(x, other)
        made: Tensor = self.feed_forward(x)
        return made


class Embedding(nn.Module):
    """The vectors of tokens, and what is added to them; relative positions are for scores instead."""

    def __init__(self, model: Transformer, tokens: nn.Embedding | None = None) -> None:
        super().__init__()
        around, kinds = model.around, model.kinds
        width = around.width or model.hidden
        self.tokens = tokens or nn.Embedding(model.vocabulary or 1, width)
        self.relative = kinds.positions is Positions.RELATIVE
        types = 2 if kinds.types else 0
        row = (model.heads or 1) if self.relative else model.hidden
        rows = around.added // row - types
        self.positions = nn.Embedding(rows, row) if rows > 0 else None
        self.types = nn.Embedding(types, row) if types else None
        for one in around.front:
            self.add_module(one.name, nn.Linear(one.inputs, one.outputs, bias=one.bias))
        self.front = [one.name for one in around.front]
        self.norm = NORMS[kinds.norm](around.norm) if around.norm else nn.Identity()
        self.dropout = dropping(model)
        self.causal = model.causal

    def forward(self, numbers: Tensor) -> Tensor:
        """Return a vector for each token."""
        x: Tensor = self.tokens(numbers)
        for name in self.front:
            x = self.get_submodule(name)(x)
        if self.positions is not None and not self.relative:
            x = x + self.positions(torch.arange(numbers.shape[1], device=numbers.device))
        if self.types is not None:
            x = x + self.types(torch.zeros_like(numbers))
        made: Tensor = self.dropout(self.norm(x))
        return made

    def bias(self, tokens: int) -> Tensor | None:
        """Return what the distance of two tokens adds to their score; later ones are hidden from a decoder."""
        if not self.relative or self.positions is None:
            return None
        steps = torch.arange(tokens, device=self.positions.weight.device)
        apart = (steps[None, :] - steps[:, None]).clamp(-BUCKETS // 2, BUCKETS // 2 - 1) + BUCKETS // 2
        bias: Tensor = self.positions(apart).permute(2, 0, 1)[None]
        return bias.masked_fill(apart > BUCKETS // 2, float("-inf")) if self.causal else bias


class Output(nn.Module):
    """What follows the last block: norm, products, and logits; an encoder has none."""

    def __init__(self, model: Transformer, tokens: nn.Embedding) -> None:
        super().__init__()
        around, norm = model.around, NORMS[model.kinds.norm]
        self.norm = norm(model.hidden) if around.final_norm else nn.Identity()
        self.dropout = dropping(model) if around.final_dropout else nn.Identity()
        for one in around.back:
            self.add_module(one.name, nn.Linear(one.inputs, one.outputs, bias=one.bias))
            if one.norm:
                self.add_module(f"{one.name}_norm", nn.Sequential(nn.GELU(), norm(one.outputs)))
        self.back = [name for one in around.back for name in (one.name, *([f"{one.name}_norm"] if one.norm else []))]
        self.inputs = nn.Identity()
        self.product: nn.Linear | None = None
        self.scale = model.hidden**-0.5 if model.kinds.positions is Positions.RELATIVE else 1.0
        if model.columns:
            width = around.back[-1].outputs if around.back else model.hidden
            self.product = nn.Linear(width, model.columns, bias=model.biases.head)
            if model.outputs is None:
                self.product.weight = tokens.weight

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, or the rows themselves."""
        x = self.dropout(self.norm(x))
        for name in self.back:
            x = self.get_submodule(name)(x)
        if self.product is None:
            return x
        logits: Tensor = self.product(self.inputs(x * self.scale if self.scale != 1.0 else x))
        return logits


class Stack(nn.Module):
    """Blocks in a row between an embedding and an output, such as a decoder, or an encoder by itself."""

    def __init__(self, model: Transformer, tokens: nn.Embedding | None = None) -> None:
        super().__init__()
        self.embedding = Embedding(model, tokens)
        self.block = nn.ModuleList(Block(model) for _ in range(model.blocks))
        self.output = Output(model, self.embedding.tokens)
        self.turned = (model.query_width // (model.heads or 1)) if model.kinds.positions is Positions.ROTARY else 0

    def given(self, tokens: int, x: Tensor) -> dict[str, Any]:
        """Return what every block's attention takes beside rows of sequences of so many tokens."""
        bias = self.embedding.bias(tokens)
        return {
            "turned": turns(tokens, self.turned, x) if self.turned else None,
            "bias": bias,
            "later": self._later(tokens, x.device) if bias is None else None,
        }

    def _later(self, tokens: int, device: torch.device) -> Tensor | None:
        """Return which tokens come after each token; a core in one kernel knows by itself."""
        if not any(isinstance(one, Core) and one.causal for one in self.block.modules()):
            return None
        return torch.ones(tokens, tokens, dtype=torch.bool, device=device).triu_(1)

    def forward(self, numbers: Tensor, other: Tensor | None = None) -> Tensor:
        """Return logits, or what an encoder makes; `other` are an encoder's tokens."""
        x = self.embedding(numbers)
        given = self.given(numbers.shape[1], x)
        for block in self.block:
            x = block(x, other, **given)
        made: Tensor = self.output(x)
        return made


class Translator(Stack):
    """A decoder that reads an encoder, such as T5; both share the table of tokens."""

    def __init__(self, model: Transformer) -> None:
        super().__init__(model)
        assert model.encoder is not None
        self.encoder = Stack(model.encoder, self.embedding.tokens)

    def forward(self, numbers: Tensor, other: Tensor | None = None) -> Tensor:
        """Return logits of the tokens `other`, where `numbers` are what the encoder reads."""
        assert other is not None
        return super().forward(other, self.encoder(numbers))


def language_model(model: Transformer) -> Stack:
    """Return a transformer as a torch module with random weights.

    Raises
    ------
    InputError
        If it has what these modules do not, such as experts.

    Examples
    --------
    >>> from simcore.models.training.language import gpt
    >>> module = language_model(gpt(48, 2, 4, vocabulary=100, positions=16))
    >>> [name for name, _ in module.block[0].attention.named_children()][2:7]
    ['inputs', 'query', 'key', 'value', 'output']
    """
    for what, there in {
        "experts": model.experts, "latent attention": model.latent, "windows": model.window, "a tower": model.tower,
        "norms of Q and K": model.qk_norm, "no vocabulary": model.vocabulary is None, "parallel halves": model.parallel,
        "more than one norm": model.norms != (1, 1), "norms without weights": not model.norm_scales,
    }.items():  # fmt: skip
        if there:
            raise InputError(f"model '{model.name}'", what, "what the torch modules of simcore.real have")
    return Stack(model) if model.encoder is None else Translator(model)


def norm_first(model: Transformer) -> bool:
    """Say whether norms stand before products: then one follows the last block."""
    return model.around.final_norm


def dropping(model: Transformer) -> nn.Module:
    """Return what drops activations, nothing where none are dropped."""
    return nn.Dropout(model.dropout) if model.dropout else nn.Identity()
