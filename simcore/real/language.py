"""Language models as torch modules: GPT, BERT, Llama and T5, of any size; importing this module needs torch.

Attention writes its scores to memory, or is one fused call. Blocks may be computed again in the backward pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint


@dataclass(frozen=True)
class Style:
    """How a model is run, which changes no result.

    Attributes
    ----------
    fused : bool
        Whether attention is one call, `torch.nn.functional.scaled_dot_product_attention`.
    recompute : bool
        Whether each block keeps its input alone, and is computed again in the backward pass.
    """

    fused: bool = False
    recompute: bool = False


EAGER = Style()
"""Every operator by itself, and all that the backward pass needs is kept."""

Turned = tuple[Tensor, Tensor]
"""Cosine and sine of the angle of each position and column."""


class Attention(nn.Module):
    """Attention of several heads, to the tokens themselves or to those of an encoder."""

    def __init__(
        self, hidden: int, heads: int, *, kv_heads: int | None = None, head: int | None = None, bias: bool,
        causal: bool, dropout: float = 0.0, scaled: bool = True, fused: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.heads, self.kv_heads, self.width = heads, kv_heads or heads, head or hidden // heads
        self.causal, self.dropout, self.fused = causal, dropout, fused
        self.scale = self.width**-0.5 if scaled else 1.0
        narrow = self.kv_heads * self.width
        self.query = nn.Linear(hidden, heads * self.width, bias=bias)
        self.key, self.value = (nn.Linear(hidden, narrow, bias=bias) for _ in range(2))
        self.output = nn.Linear(heads * self.width, hidden, bias=bias)

    def forward(
        self, x: Tensor, other: Tensor | None = None, turned: Turned | None = None, bias: Tensor | None = None,
        later: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Return what each token takes from the others, or from `other` tokens.

        Rotary positions turn Q and K; `bias` is added to scores, and those of `later` tokens are hidden.
        """
        source = x if other is None else other
        q, k, v = self._split(self.query(x)), self._split(self.key(source)), self._split(self.value(source))
        if turned is not None:
            q, k = rotated(q, turned), rotated(k, turned)
        dropout = self.dropout if self.training else 0.0
        if self.fused:
            context = functional.scaled_dot_product_attention(
                q, k, v, bias, dropout, self.causal and bias is None, scale=self.scale,
                enable_gqa=self.kv_heads != self.heads,
            )  # fmt: skip
        else:
            context = functional.dropout(self._weights(q, k, bias, later), dropout) @ self._repeated(v)
        made: Tensor = self.output(context.transpose(1, 2).flatten(2))
        return made

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
        shared = self.heads // self.kv_heads
        return x.repeat_interleave(shared, 1) if shared > 1 else x

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


ACTIVATIONS: Mapping[str, type[nn.Module]] = {"gelu": nn.GELU, "silu": nn.SiLU, "relu": nn.ReLU}
"""What stands between the products of a feed-forward network."""


class FeedForward(nn.Module):
    """Two products with an activation between them; a gate is a third one, beside the first."""

    def __init__(self, hidden: int, inner: int, *, activation: str, gated: bool, bias: bool) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(hidden, inner, bias=bias), nn.Linear(inner, hidden, bias=bias)
        self.gate = nn.Linear(hidden, inner, bias=bias) if gated else None
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """Return rows of the same width."""
        inner = self.activation(self.up(x)) if self.gate is None else self.activation(self.gate(x)) * self.up(x)
        made: Tensor = self.down(inner)
        return made


class Block(nn.Module):
    """Attention and a feed-forward network, each beside a residual, and a norm before it or after the sum."""

    def __init__(
        self, norms: tuple[nn.Module, ...], attention: Attention, network: FeedForward, dropout: float = 0.0,
        cross: Attention | None = None, *, norm_first: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.norms, self.attention, self.network, self.cross = nn.ModuleList(norms), attention, network, cross
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.norm_first = norm_first

    def forward(
        self, x: Tensor, other: Tensor | None = None, turned: Turned | None = None, bias: Tensor | None = None,
        later: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """Return rows of the same width; `other` are an encoder's tokens."""
        x = self._beside(x, 0, self.attention, turned=turned, bias=bias, later=later)
        if self.cross is not None:
            x = self._beside(x, 1, self.cross, other=other)
        return self._beside(x, -1, self.network)

    def _beside(self, x: Tensor, norm: int, layer: nn.Module, **given: Any) -> Tensor:
        """Return the sum of rows and what a layer makes of them."""
        if self.norm_first:
            added: Tensor = self.dropout(layer(self.norms[norm](x), **given))
            return x + added
        changed: Tensor = self.norms[norm](x + self.dropout(layer(x, **given)))
        return changed


class Language(nn.Module):
    """What language models have in common: blocks that run in a row, kept whole or computed again."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.style = style

    def through(self, blocks: nn.ModuleList, x: Tensor, **given: Any) -> Tensor:
        """Return what comes out of the last block."""
        for block in blocks:
            x = checkpoint(block, x, use_reentrant=False, **given) if self.style.recompute else block(x, **given)
        return x

    def later(self, numbers: Tensor) -> Tensor | None:
        """Return which tokens come after each token of whole sequences; fused attention knows by itself."""
        if self.style.fused:
            return None
        tokens = numbers.shape[1]
        return torch.ones(tokens, tokens, dtype=torch.bool, device=numbers.device).triu_(1)


class Gpt(Language):
    """GPT-2: learned positions, norms with biases, GELU, and an output layer that shares the embedding's weights."""

    def __init__(
        self, hidden: int, blocks: int, heads: int, vocabulary: int, positions: int = 1024, dropout: float = 0.1,
        style: Style = EAGER,
    ) -> None:  # fmt: skip
        super().__init__(style)
        self.tokens, self.positions = nn.Embedding(vocabulary, hidden), nn.Embedding(positions, hidden)
        self.dropout, self.norm = nn.Dropout(dropout) if dropout else nn.Identity(), nn.LayerNorm(hidden)
        self.blocks = nn.ModuleList(
            Block(
                (nn.LayerNorm(hidden), nn.LayerNorm(hidden)),
                Attention(hidden, heads, bias=True, causal=True, dropout=dropout, fused=style.fused),
                FeedForward(hidden, 4 * hidden, activation="gelu", gated=False, bias=True),
                dropout,
            )
            for _ in range(blocks)
        )

    def forward(self, numbers: Tensor) -> Tensor:
        """Return logits."""
        places = torch.arange(numbers.shape[1], device=numbers.device)
        x = self.dropout(self.tokens(numbers) + self.positions(places))
        return functional.linear(self.norm(self.through(self.blocks, x, later=self.later(numbers))), self.tokens.weight)


class Bert(Language):
    """BERT for masked tokens: a norm behind each residual, and no transform before the output layer.

    The output layer shares the embedding's weights.
    """

    def __init__(
        self, hidden: int, blocks: int, heads: int, vocabulary: int, positions: int = 512, dropout: float = 0.1,
        style: Style = EAGER,
    ) -> None:  # fmt: skip
        super().__init__(style)
        self.tokens, self.positions = nn.Embedding(vocabulary, hidden), nn.Embedding(positions, hidden)
        self.types, self.norm = nn.Embedding(2, hidden), nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(
                (nn.LayerNorm(hidden), nn.LayerNorm(hidden)),
                Attention(hidden, heads, bias=True, causal=False, dropout=dropout, fused=style.fused),
                FeedForward(hidden, 4 * hidden, activation="gelu", gated=False, bias=True),
                dropout,
                norm_first=False,
            )
            for _ in range(blocks)
        )

    def forward(self, numbers: Tensor) -> Tensor:
        """Return logits of text of one segment."""
        places = torch.arange(numbers.shape[1], device=numbers.device)
        x = self.tokens(numbers) + self.positions(places) + self.types(torch.zeros_like(numbers))
        return functional.linear(self.through(self.blocks, self.dropout(self.norm(x))), self.tokens.weight)


class Llama(Language):
    """Llama: rotary positions, norms without biases, a gated network, and K and V that several heads share."""

    def __init__(
        self, hidden: int, blocks: int, heads: int, kv_heads: int, inner: int, vocabulary: int, style: Style = EAGER
    ) -> None:
        super().__init__(style)
        self.head_width = hidden // heads
        self.tokens, self.norm = nn.Embedding(vocabulary, hidden), nn.RMSNorm(hidden)
        self.output = nn.Linear(hidden, vocabulary, bias=False)
        self.blocks = nn.ModuleList(
            Block(
                (nn.RMSNorm(hidden), nn.RMSNorm(hidden)),
                Attention(hidden, heads, kv_heads=kv_heads, bias=False, causal=True, fused=style.fused),
                FeedForward(hidden, inner, activation="silu", gated=True, bias=False),
            )
            for _ in range(blocks)
        )

    def forward(self, numbers: Tensor) -> Tensor:
        """Return logits."""
        x = self.tokens(numbers)
        given: dict[str, Any] = {"turned": turns(numbers.shape[1], self.head_width, x), "later": self.later(numbers)}
        logits: Tensor = self.output(self.norm(self.through(self.blocks, x, **given)))
        return logits


class T5(Language):
    """T5: an encoder and a decoder that reads it; biases of relative positions, norms without biases, ReLU."""

    def __init__(
        self, hidden: int, blocks: int, heads: int, head: int, inner: int, vocabulary: int, dropout: float = 0.1,
        style: Style = EAGER,
    ) -> None:  # fmt: skip
        super().__init__(style)
        sizes: dict[str, Any] = {"head": head, "bias": False, "scaled": False, "dropout": dropout, "fused": style.fused}
        self.tokens = nn.Embedding(vocabulary, hidden)
        self.apart = nn.ModuleList(nn.Embedding(32, heads) for _ in range(2))
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.norms = nn.ModuleList(nn.RMSNorm(hidden) for _ in range(2))
        self.encoder, self.decoder = (
            nn.ModuleList(
                Block(
                    tuple(nn.RMSNorm(hidden) for _ in range(3 if reads else 2)),
                    Attention(hidden, heads, causal=reads, **sizes),
                    FeedForward(hidden, inner, activation="relu", gated=False, bias=False),
                    dropout,
                    Attention(hidden, heads, causal=False, **sizes) if reads else None,
                )
                for _ in range(blocks)
            )
            for reads in (False, True)
        )

    def forward(self, numbers: Tensor, wanted: Tensor) -> Tensor:
        """Return logits of the tokens that are wanted."""
        read = self.dropout(self.tokens(numbers))
        read = self.through(self.encoder, read, bias=self._bias(0, read))
        read = self.dropout(self.norms[0](read))
        x = self.dropout(self.tokens(wanted))
        x = self.through(self.decoder, x, other=read, bias=self._bias(1, x))
        x = self.dropout(self.norms[1](x)) * x.shape[-1] ** -0.5
        return functional.linear(x, self.tokens.weight)

    def _bias(self, which: int, x: Tensor) -> Tensor:
        """Return what the distance of two tokens adds to their score; what comes later is hidden from a decoder."""
        steps = torch.arange(x.shape[1], device=x.device)
        apart = (steps[None, :] - steps[:, None]).clamp(-16, 15) + 16
        bias: Tensor = self.apart[which](apart).permute(2, 0, 1)[None]
        return bias.masked_fill(apart > 16, float("-inf")) if which else bias
