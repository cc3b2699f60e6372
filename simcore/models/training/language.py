"""Sizes of the language models of `simcore.real.language`: GPT, BERT, Llama and T5, of any size."""

from __future__ import annotations

from dataclasses import replace

from simcore.models.training.architecture import ALL_BIASES, Embedding, Transformer
from simcore.models.training.functions import Activation, Functions, Norm, Positions

BUCKETS = 32
"""Biases of relative positions that each head of T5 learns."""


def gpt(
    hidden: int, blocks: int, heads: int, vocabulary: int, positions: int = 1024, dropout: float = 0.1
) -> Transformer:
    """Return GPT-2: learned positions, norms with biases before each half of a block, and GELU.

    Examples
    --------
    >>> gpt(1024, 24, 16, 50257).around.final_norm
    True
    """
    around = Embedding(added=positions * hidden, final_norm=True)
    return Transformer(
        "gpt", hidden, blocks, heads, biases=ALL_BIASES, vocabulary=vocabulary, dropout=dropout, around=around,
        functions=Functions(),
    )  # fmt: skip


def bert(
    hidden: int, blocks: int, heads: int, vocabulary: int, positions: int = 512, dropout: float = 0.1
) -> Transformer:
    """Return BERT with the output layer of masked tokens: learned positions, two types of tokens, norms after sums.

    Examples
    --------
    >>> bert(1024, 24, 16, 30522).causal
    False
    """
    around = Embedding(added=(positions + 2) * hidden, norm=hidden)
    return Transformer(
        "bert", hidden, blocks, heads, biases=ALL_BIASES, vocabulary=vocabulary, dropout=dropout, around=around,
        causal=False, functions=Functions(types=True),
    )  # fmt: skip


def llama(hidden: int, blocks: int, heads: int, kv_heads: int, inner: int, vocabulary: int) -> Transformer:
    """Return Llama: rotary positions, root mean square norms, a gated network, and heads of K and V that are shared.

    Examples
    --------
    >>> llama(4096, 32, 32, 32, 11008, 32000).kinds.activation
    <Activation.SILU: 'silu'>
    """
    functions = Functions(Norm.RMS, Activation.SILU, Positions.ROTARY)
    return Transformer(
        "llama", hidden, blocks, heads, kv_heads, inner, gated=True, vocabulary=vocabulary, outputs=vocabulary,
        around=Embedding(final_norm=True), functions=functions,
    )  # fmt: skip


def t5(
    hidden: int, blocks: int, heads: int, head: int, inner: int, vocabulary: int, dropout: float = 0.1,
    sequence: int | None = None,
) -> Transformer:  # fmt: skip
    """Return T5: an encoder of as many blocks, biases of relative positions, ReLU.

    The encoder reads `sequence` tokens; None for as many as the decoder.

    Examples
    --------
    >>> t5(1024, 24, 16, 64, 4096, 32128).encoder.causal
    False
    """
    decoder = Transformer(
        "t5", hidden, blocks, heads, feed_forward=inner, vocabulary=vocabulary, dropout=dropout, head_dim=head,
        around=Embedding(added=BUCKETS * heads, final_norm=True, final_dropout=True),
        functions=Functions(Norm.RMS, Activation.RELU, Positions.RELATIVE),
    )  # fmt: skip
    encoder = replace(decoder, name="t5 encoder", causal=False, outputs=0, sequence=sequence)
    return replace(decoder, encoder=encoder)
