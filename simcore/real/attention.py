"""Models with attention as torch modules; importing this module needs torch.

Scores are written to memory, as the operator lists of the zoo's models have them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, dropped: float = 0.0) -> Tensor:
    """Return softmax(q k^T / sqrt(d) + bias) v, some of the softmax dropped; all are heads of rows of d columns."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
    if bias is not None:
        scores = scores + bias
    context: Tensor = nn.functional.dropout(scores.softmax(-1), dropped, dropped > 0) @ v
    return context


class BertBlock(nn.Module):
    """A block of BERT: attention and feed-forward network, each with a residual and a norm behind it."""

    def __init__(self, hidden: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(hidden, hidden) for _ in range(4))
        self.up, self.down = nn.Linear(hidden, inner), nn.Linear(inner, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same width."""
        q, k, v = (self._split(made(x)) for made in (self.query, self.key, self.value))
        context = attend(q, k, v, dropped=self.dropout.p if self.training else 0.0)
        x = self.norms[0](x + self.dropout(self.output(context.transpose(1, 2).flatten(2))))
        changed: Tensor = self.norms[1](x + self.dropout(self.down(nn.functional.gelu(self.up(x)))))
        return changed

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)


class Bert(nn.Module):
    """BERT base; without its pooler ELECTRA base's discriminator has the same shape."""

    def __init__(self, *, pooler: bool = True, hidden: int = 768, blocks: int = 12, vocabulary: int = 30522) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, hidden)
        self.positions, self.types = nn.Embedding(512, hidden), nn.Embedding(2, hidden)
        self.norm, self.dropout = nn.LayerNorm(hidden), nn.Dropout(0.1)
        self.blocks = nn.Sequential(*(BertBlock(hidden, hidden // 64, 4 * hidden, 0.1) for _ in range(blocks)))
        self.pooler = nn.Linear(hidden, hidden) if pooler else None

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the first token pooled, or all tokens where there is no pooler."""
        places = torch.arange(numbers.shape[1], device=numbers.device)
        embedded = self.tokens(numbers) + self.positions(places) + self.types(torch.zeros_like(numbers))
        out: Tensor = self.blocks(self.dropout(self.norm(embedded)))
        return out if self.pooler is None else torch.tanh(self.pooler(out[:, 0]))


class SwinBlock(nn.Module):
    """A block of Swin: attention within windows, which may be shifted, and a feed-forward network."""

    def __init__(self, width: int, heads: int, side: int, window: int, *, shifted: bool) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, window // 2 if shifted else 0
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.biases = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        steps = torch.arange(window)
        places = torch.stack(torch.meshgrid(steps, steps, indexing="ij")).flatten(1)
        apart = places[:, :, None] - places[:, None, :] + window - 1
        self.register_buffer("apart", apart[0] * (2 * window - 1) + apart[1])
        self.register_buffer("mask", self._mask(side))

    def _mask(self, side: int) -> Tensor:
        """Return what hides from a token those that a shift has put beside it."""
        strips = torch.zeros(side)
        strips[side - self.window : side - self.shift or None] = 1
        strips[side - self.shift or side :] = 2
        region = self._cut((3 * strips[:, None] + strips[None, :])[None, :, :, None]).squeeze(-1)
        return (region[:, None, :] != region[:, :, None]).float() * -100.0

    def _cut(self, x: Tensor) -> Tensor:
        """Return windows as rows of tokens."""
        count, width = x.shape[1] // self.window, x.shape[3]
        cut = x.reshape(-1, count, self.window, count, self.window, width)
        return cut.transpose(2, 3).reshape(-1, self.window**2, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of the same size, channels last."""
        x = x + self._attended(self.norms[0](x))
        changed: Tensor = self.down(nn.functional.gelu(self.up(self.norms[1](x))))
        return x + changed

    def _attended(self, x: Tensor) -> Tensor:
        batch, side, _, width = x.shape
        moved = x.roll((-self.shift, -self.shift), (1, 2)) if self.shift else x
        cut = self._cut(moved)
        rows = self.qkv(cut).reshape(*cut.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        apart: Tensor = self.apart  # type: ignore[assignment]  # a buffer is a tensor
        mask: Tensor = self.mask  # type: ignore[assignment]  # the same
        bias = self.biases[apart.flatten()].reshape(*apart.shape, -1).permute(2, 0, 1)[None]
        if self.shift:
            bias = bias + mask.repeat(batch, 1, 1)[:, None]
        out = self.output(attend(rows[0], rows[1], rows[2], bias).transpose(1, 2).flatten(2))
        count = side // self.window
        whole: Tensor = out.view(batch, count, count, self.window, self.window, width).transpose(2, 3)
        whole = whole.reshape(batch, side, side, width)
        return whole.roll((self.shift, self.shift), (1, 2)) if self.shift else whole


class Merge(nn.Module):
    """Between two stages of Swin: four neighbours become one token of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.product = nn.LayerNorm(4 * width), nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of half the height and width."""
        batch, side, _, width = x.shape
        near = x.reshape(batch, side // 2, 2, side // 2, 2, width).transpose(2, 3).flatten(3)
        merged: Tensor = self.product(self.norm(near))
        return merged


class SwinTiny(nn.Module):
    """Swin-T for images of 224 x 224, without stochastic depth."""

    def __init__(self, classes: int = 1000, width: int = 96, window: int = 7) -> None:
        super().__init__()
        self.patches, self.norm = nn.Conv2d(3, width, 4, 4), nn.LayerNorm(width)
        stages: list[nn.Module] = []
        side = 56
        for number, depth in enumerate((2, 2, 6, 2)):
            if number:
                stages.append(Merge(width))
                width, side = 2 * width, side // 2
            stages += [
                SwinBlock(width, width // 32, side, window, shifted=side > window and block % 2 == 1)
                for block in range(depth)
            ]
        self.stages = nn.Sequential(*stages, nn.LayerNorm(width))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return a score per class."""
        tokens = self.norm(self.patches(x).permute(0, 2, 3, 1))
        scores: Tensor = self.head(self.stages(tokens).mean((1, 2)))
        return scores
