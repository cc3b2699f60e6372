"""What a model is, and what is run of it: the sizes of a transformer, the batch of one replica, and one GPU's share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from simcore.models.training.functions import Activation, Functions, Norm, Positions


@dataclass(frozen=True)
class Biases:
    """Where a transformer adds a bias.

    Attributes
    ----------
    query, key, value, output : bool
        In the projections of attention.
    feed_forward, experts : bool
        In the products of the feed-forward network, and of experts.
    norms : bool
        In norms, beside their scale.
    head : bool
        In the output layer.
    """

    query: bool = False
    key: bool = False
    value: bool = False
    output: bool = False
    feed_forward: bool = False
    experts: bool = False
    norms: bool = False
    head: bool = False


NO_BIASES = Biases()
"""None anywhere, as in Llama."""

ALL_BIASES = Biases(query=True, key=True, value=True, output=True, feed_forward=True, norms=True)
"""In every product and norm of a block, as in BERT and GPT-2."""


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention: Q, K and V are made of narrow vectors (DeepSeek-V2, arXiv:2405.04434).

    Attributes
    ----------
    query : int or None
        Width of the vector that Q is made of; None where Q is made of the activations themselves.
    key_value : int
        Width of the vector that K and V are made of.
    positions : int
        Columns of each head of Q and K that carry positions; those of K are shared by all heads.
    """

    query: int | None
    key_value: int
    positions: int


@dataclass(frozen=True)
class Experts:
    """A mixture of experts in place of a feed-forward network.

    Attributes
    ----------
    count : int
        Experts that tokens are routed to.
    per_token : int
        Experts that each token is routed to.
    inner : int
        Inner width of one of them.
    shared : int
        Inner width of what every token passes beside them; 0 for nothing.
    shared_gate : bool
        Whether a product of one column weighs what is shared.
    router_biases : int
        Biases of each expert in the router.
    """

    count: int
    per_token: int
    inner: int
    shared: int = 0
    shared_gate: bool = False
    router_biases: int = 0


@dataclass(frozen=True)
class Run:
    """Equal blocks in a row.

    Attributes
    ----------
    count : int
        How many.
    windowed : bool
        Whether their attention sees the window alone.
    sparse : bool
        Whether they have experts in place of the feed-forward network.
    """

    count: int
    windowed: bool = True
    sparse: bool = True


@dataclass(frozen=True)
class Projection:
    """A product with weights before the first block, or after the last one.

    Attributes
    ----------
    name : str
        Its name below ``embedding`` or ``output``.
    inputs, outputs : int
        Rows and columns of its weights.
    bias, norm : bool
        Whether it adds a bias, and whether a norm follows it.
    per_token : float
        How often it runs for a token: 2 before a stride of two, 0 where it runs once per sequence.
    """

    name: str
    inputs: int
    outputs: int
    bias: bool = False
    norm: bool = False
    per_token: float = 1.0


@dataclass(frozen=True)
class Embedding:
    """What stands around a transformer's blocks, beside the table of tokens and the output layer.

    Attributes
    ----------
    width : int or None
        Columns of the table of tokens; None for the hidden size.
    added : int
        Learned numbers that are added to the tokens' vectors: positions, token types, biases of relative positions.
    norm : int
        Width of a norm before the first block; 0 for none.
    final_norm, final_dropout : bool
        Whether a norm follows the last block, and dropout that.
    front, back : tuple of Projection
        Products before the first block, and between the last one and the output layer.
    """

    width: int | None = None
    added: int = 0
    norm: int = 0
    final_norm: bool = False
    final_dropout: bool = False
    front: tuple[Projection, ...] = ()
    back: tuple[Projection, ...] = ()


@dataclass(frozen=True)
class Transformer:
    """The sizes of a transformer: what `simcore.models.training.listing.operators_of` makes its operators of.

    Attributes
    ----------
    name : str
        For example ``175B``.
    hidden : int
        Hidden size h.
    blocks : int
        Transformer blocks.
    heads : int or None
        Attention heads; None where nobody said, and then no split of the heads is checked.
    kv_heads : int or None
        Heads of K and V (grouped-query attention); None for as many as `heads`.
    feed_forward : int or None
        Inner width of the feed-forward network; None for 4 h.
    gated : bool
        Whether the feed-forward network has a gate beside its first GEMM (SwiGLU and its kin); so have experts.
    biases : Biases
        Which products and norms add a bias.
    vocabulary : int or None
        Rows of the embedding table; None for a stack of blocks alone, without embedding, output and update.
    outputs : int or None
        Columns of the output layer; None for those of the vocabulary, whose weights it then shares.
    dropout : float
        Share of activations that dropout drops; 0 for none.
    source : str
        Where the numbers come from.
    head_dim, value_dim : int or None
        Columns of a head of Q and K, and of V; None for those of heads that share the hidden size, and of Q.
    latent : Latent or None
        How Q, K and V are made, where not of the activations themselves.
    window : int or None
        Tokens that a query sees at most; None for all.
    causal : bool
        Whether a query sees no later token.
    qk_norm : int
        Scales of the norms of Q and K in a block; 0 for no such norms.
    norms : tuple of int
        Norms of a block, with attention and with the feed-forward network.
    norm_scales : bool
        Whether norms are scaled by weights.
    parallel : bool
        Whether attention and feed-forward network read the same activations, and are summed together.
    experts : Experts or None
        What stands in place of the feed-forward network in blocks that are sparse.
    runs : tuple of Run
        Blocks in order, where not all are equal; empty where they are.
    around : Embedding
        What stands around the blocks.
    sequence : int or None
        Tokens of a sequence, where the model takes no other number: patches of an image, frames of audio.
    encoder : Transformer or None
        What each block attends to in a second attention; None for nothing.
    tower : Transformer or None
        An encoder of images that makes tokens for it.
    functions : Functions or None
        What is computed element by element; None where nobody said, see `kinds`.
    """

    name: str
    hidden: int
    blocks: int
    heads: int | None = None
    kv_heads: int | None = None
    feed_forward: int | None = None
    gated: bool = False
    biases: Biases = NO_BIASES
    vocabulary: int | None = None
    outputs: int | None = None
    dropout: float = 0.0
    source: str = ""
    head_dim: int | None = None
    value_dim: int | None = None
    latent: Latent | None = None
    window: int | None = None
    causal: bool = True
    qk_norm: int = 0
    norms: tuple[int, int] = (1, 1)
    norm_scales: bool = True
    parallel: bool = False
    experts: Experts | None = None
    runs: tuple[Run, ...] = ()
    around: Embedding = Embedding()
    sequence: int | None = None
    encoder: Transformer | None = None
    tower: Transformer | None = None
    functions: Functions | None = None

    @property
    def kinds(self) -> Functions:
        """What is computed element by element.

        Where nobody said, norms without biases are those of Llama, as its rotary positions are where no learned
        numbers are added, and a gate goes with SiLU.

        Examples
        --------
        >>> Transformer("gpt", hidden=8, blocks=1, biases=ALL_BIASES).kinds.norm
        <Norm.LAYER: 'layer'>
        """
        if self.functions is not None:
            return self.functions
        norm = Norm.LAYER if self.biases.norms else Norm.RMS
        activation = Activation.SILU if self.gated else Activation.GELU
        return Functions(norm, activation, Positions.LEARNED if self.around.added else Positions.ROTARY)

    @property
    def inner(self) -> int:
        """Inner width of the feed-forward network."""
        return 4 * self.hidden if self.feed_forward is None else self.feed_forward

    @property
    def query_width(self) -> int:
        """Columns of the Q projection.

        Examples
        --------
        >>> Transformer("nemo", hidden=5120, blocks=40, heads=32, head_dim=128).query_width
        4096
        """
        return self.hidden if self.heads is None or self.head_dim is None else self.heads * self.head_dim

    @property
    def context_width(self) -> int:
        """Columns of what attention hands to its output projection."""
        return self.query_width if self.heads is None or self.value_dim is None else self.heads * self.value_dim

    @property
    def kv_width(self) -> int:
        """Columns of the K and of the V projection."""
        if self.heads is None or self.kv_heads is None:
            return self.query_width
        return self.query_width * self.kv_heads // self.heads

    @property
    def columns(self) -> int:
        """Columns of the output layer; 0 where there is none."""
        return (self.vocabulary or 0) if self.outputs is None else self.outputs

    def stack(self) -> Transformer:
        """Return the blocks alone, without what stands around them."""
        return replace(self, vocabulary=None, outputs=None, around=Embedding())

    def in_runs(self) -> Iterator[Run]:
        """Yield the blocks in order, in runs of equal ones.

        Examples
        --------
        >>> list(Transformer("toy", hidden=8, blocks=2, window=4).in_runs())
        [Run(count=2, windowed=True, sparse=False)]
        """
        for run in self.runs or (Run(self.blocks),):
            yield Run(run.count, run.windowed and self.window is not None, run.sparse and self.experts is not None)

    def keys(self, sequence: int, *, windowed: bool = True, half: bool = False) -> float:
        """Return how many tokens a query is multiplied with, on average.

        Parameters
        ----------
        sequence : int
            Tokens of the sequence, s.
        windowed : bool
            Whether the block's attention has the window w.
        half : bool
            Whether later tokens of causal attention are left out: k (1 - k / 2 s) with k = min(s, w). Otherwise the
            mask costs as much as what it hides, as PaLM and Megatron-LM count.

        Examples
        --------
        >>> mistral = Transformer("mistral", hidden=4096, blocks=32, window=4096)
        >>> mistral.keys(32768), mistral.keys(1024), mistral.keys(1024, half=True)
        (4096, 1024, 512.0)
        """
        seen = min(sequence, self.window) if windowed and self.window is not None else sequence
        return seen * (1 - seen / (2 * sequence)) if half and self.causal else seen


@dataclass(frozen=True)
class Batch:
    """What one data-parallel replica processes in an iteration.

    Attributes
    ----------
    sequence : int
        Tokens in a sequence, s.
    sequences : int
        Sequences of the replica and iteration.
    element : int
        Bytes per element of weights, activations and gradients [B].
    causal_half : bool
        Whether causal attention is charged for the tokens that its mask leaves alone.
    """

    sequence: int
    sequences: int
    element: int = 2
    causal_half: bool = False

    @property
    def tokens(self) -> int:
        """Tokens of the replica and iteration, n.

        Examples
        --------
        >>> Batch(sequence=1024, sequences=32).tokens
        32768
        """
        return self.sequence * self.sequences


@dataclass(frozen=True)
class Share:
    """What one GPU has of a model's operators, and how they are run.

    Attributes
    ----------
    tp, cp, ep : int
        Degrees of tensor, context and expert parallelism: a GPU has 1 / TP of the columns or rows of weights, 1 / CP of
        the tokens of every sequence, and 1 / EP of the experts.
    fused : bool
        Whether attention is one kernel, whose scores no memory holds.
    imbalance : float
        Rows of the busiest GPU's experts, over those of an even share.
    pad : int
        Number of rows that the rows of each expert are padded to a multiple of.
    """

    tp: int = 1
    cp: int = 1
    ep: int = 1
    fused: bool = False
    imbalance: float = 1.0
    pad: int = 1


WHOLE = Share()
"""All of a model, on one GPU."""
