"""Three ways to run a model whose masks are known while it runs: densely, by the best library, and by PIT.

`as_run` rewrites an operator list whose operators carry statistics into the operators that a way runs. What packs,
gathers, scatters and finds the positions is among them, so their prices come from the kernels that every model has.
Products with zeros in an operand stay as they are: `simcore.models.compute.sparse.operator_prices` chooses for each.

- Lengths. Densely all positions are computed, and padding is filled with zeros. By PIT the rows that hold a token are
  gathered once before the products that follow each other, and scattered behind them. Jagged tensors do so too, but for
  attention, which stays dense. Each call of one passes through Python.
- Experts. Densely each is padded to the fullest. By PIT each multiplies its own rows. The library has a grouped
  product.
- Attention. Densely every key is multiplied under a mask. By PIT a block of queries gathers the keys that it sees. With
  CSR each head computes the scores that the mask stores.
- Zeros in an operand of a product. With CSR or BSR the operand is converted, and the stored matrix multiplied.

Symbols: h `hidden`, e bytes per element.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from simcore.models.compute.sparse.operator_prices import sparse_product
from simcore.models.compute.sparse.statistics import Lengths, Pattern, Routing
from simcore.models.compute.sparse.stored import conversion
from simcore.models.training.masked_attention import core, stored_mask, visible_index
from simcore.models.training.operator_maker import sizes_of
from simcore.models.training.operators import Communication, Operation, Operator, OperatorList, Section
from simcore.models.training.way import INDEX, Library, Masked, Way, moving, of_mask, of_rows

_UNFUSED = ("scale", "split", "scores", "softmax", "scores_dropout", "context", "merge")
"""Operators of attention whose scores are in memory."""


def as_run(listed: OperatorList, way: Way, masked: Masked) -> OperatorList:
    """Return the operators that a way runs.

    Parameters
    ----------
    listed : OperatorList
        With statistics, see `simcore.models.training.dynamic.dynamic_operators`.
    way : Way
        How. A library that has nothing for a mask runs it densely.
    masked : Masked
        What the masks share.

    Returns
    -------
    OperatorList
        Without `mask`; `zeros` are kept by PIT alone.

    Examples
    --------
    >>> from simcore.models.training.dynamic import dynamic_cases, dynamic_operators
    >>> case = dynamic_cases(10, small=True)[0]
    >>> run = as_run(dynamic_operators(case), Way.PIT, Masked(4, case.model.hidden, causal=False))
    >>> query = next(one for one in run if one.path == "block.0.attention.query")
    >>> int(query.size("m")), case.lengths.valid
    (128, 128)
    """
    sections = []
    for at, section in enumerate(listed.sections):
        made = list(_section(section, way, masked))
        if section.path and not any(one.path for one in listed.sections[:at]):
            found = tuple(_found_once(section, way, masked))  # all blocks share what the first one finds
            sections.append(Section("", found))
        sections.append(replace(section, operators=tuple(made)))
    return OperatorList(tuple(one for one in sections if one.operators))


def _section(section: Section, way: Way, masked: Masked) -> Iterator[Operator]:
    """Yield the operators of a section as they run, runs of the same kind of mask at a time."""
    for kind, some in groupby(_with_masking(section.operators, masked.element), _kind):
        held = list(some)
        if kind == "core":
            for one in held:
                yield from core(one, way, masked)
        elif kind == "unfused core":
            for one in held:
                yield from _by_length(one, way, masked)
        elif kind == "experts":
            alone = way is Way.LIBRARY and masked.backend is not Library.GROUPED
            yield from _experts(held, Way.DENSE if alone else way, masked)
        elif kind == "tokens":
            yield from _tokens(held, way, masked, around=not section.path)
        else:
            for one in held:
                yield from _one(one, way, masked)


def _with_masking(operators: Sequence[Operator], element: int) -> Iterator[Operator]:
    """Yield operators, before each product with a sparse weight the one that puts the zeros there."""
    for one in operators:
        if one.zeros is not None and one.zeros.operand == "b":
            moved = math.ceil((2 + 1 / element) * one.weights)  # weights read and written, and a byte of the mask read
            yield Operator("masked", (("bytes", moved),), path=f"{one.path}.masked", operation=Operation.MASK,
                           output=one.weights)  # fmt: skip
        yield one


def _kind(one: Operator) -> str:
    if one.operation is Operation.ATTENTION and one.mask is not None:
        return "core"
    if isinstance(one.mask, Lengths) and one.path.rpartition(".")[2] in _UNFUSED:
        return "unfused core"
    if isinstance(one.mask, Routing):
        return "experts"
    return "tokens" if isinstance(one.mask, Lengths) else ""


def _pruned(one: Operator, way: Way, masked: Masked) -> Operator:
    """Return an operator without its mask; by PIT it keeps its zeros."""
    return replace(one, mask=None, zeros=one.zeros if way is Way.PIT else None)


def _one(one: Operator, way: Way, masked: Masked) -> Iterator[Operator]:
    """Yield an operator as it runs by itself: a product with zeros of a library with what stores its operand."""
    if one.zeros is not None and masked.uses(way, Library.CSR, Library.BSR):
        yield from _multiplied(one, masked)
    else:
        yield _pruned(one, way, masked)


def _multiplied(one: Operator, masked: Masked) -> Iterator[Operator]:
    """Yield a conversion, the product of the stored operand, and what adds the bias, which such a product does not.

    A stored weight is the first matrix: the product lies transposed, as does what is added to it.
    """
    assert one.zeros is not None
    library, path = masked.backend, one.path
    product, mask = sparse_product(one, "fp32")
    stored = conversion(library, mask)
    batch = one.size("batch")
    yield Operator(f"{library}-convert", tuple(stored.items()), path=f"{path}.{INDEX}", operation=Operation.INDEX)
    shape = (("m", product.m), ("n", product.n), ("k", product.k), ("stored", stored["stored"]), ("batch", batch))
    yield replace(one, kernel=library.value, shape=shape, operation=Operation.STORED, zeros=None, mask=None)
    if one.vectors:
        yield moving(f"{path}.bias", "add", 2 * one.output)
    if one.zeros.operand == "b":
        yield moving(f"{path}.turned", "copy", 2 * one.output)


def _tokens(held: Sequence[Operator], way: Way, masked: Masked, around: bool) -> Iterator[Operator]:
    """Yield operators of tokens: of all positions, or of those that hold one, with what packs and unpacks them."""
    lengths = held[0].mask
    assert isinstance(lengths, Lengths)
    plain = [each for one in held for each in _one(one, way, masked)]
    embeds = any(one.operation is Operation.LOOKUP for one in held)
    positions, row = lengths.sequences * lengths.longest, masked.element * masked.hidden
    products = [one for one in held if one.operation is Operation.LINEAR]
    if embeds or not products:
        yield from plain
        return
    first = held[0].path.rpartition(".")[0]
    qkv = products[0].path.endswith(".query")
    outer = sum(one.output for one in products) if qkv else products[-1].output
    width = max(1, round(outer / positions))
    if way is not Way.PIT and not masked.uses(way, Library.JAGGED):
        yield from plain
        if qkv:
            yield moving(f"{first}.joined", "copy", 2 * positions * width)
        yield moving(f"{first}.fill", "copy", 2 * positions * width)
        yield moving(f"{first}.fill", "masked_fill", (2 * masked.element + 1) / masked.element * positions * width)
        return
    inputs = 1 if qkv or around else 2
    for number in range(inputs):
        yield of_rows(f"{first}.pack{number}", "gather", lengths.valid, row)
    yield from (packed(one, lengths) for one in plain)
    if qkv:
        yield moving(f"{first}.joined", "copy", 2 * lengths.valid * width)
    if masked.uses(way, Library.JAGGED):
        calls = len(plain) + inputs - 1 + 2 * qkv  # one more jagged tensor, and Q, K and V joined in one
        yield Operator("jagged", (("nodes", calls),), path=f"{first}.calls", operation=Operation.CALLS)
    yield moving(f"{first}.cleared", "copy", positions * width)
    yield of_rows(f"{first}.unpack", "scatter", lengths.valid, width)


def packed(one: Operator, lengths: Lengths) -> Operator:
    """Return an operator of tokens on the positions alone that hold one.

    Examples
    --------
    >>> norm = Operator("layer_norm", (("bytes", 800), ("width", 10)), operation=Operation.NORM, saved=400.0)
    >>> some = packed(norm, Lengths(((2, 1), (8, 1)), 10))
    >>> some.size("bytes"), some.saved
    (400, 200.0)
    """
    return _scaled(one, lengths.share)


def _scaled(one: Operator, share: float) -> Operator:
    """Return an operator on a share of its rows; what it sends is of those rows too."""
    names = {"m", "bytes", "rows"}

    def scaled(name: str, size: float) -> float:
        return max(1, round(size * share)) if name in names else size

    def sent(comm: Communication | None) -> Communication | None:
        return None if comm is None else replace(comm, size=comm.size * share)

    def all_sent(comms: tuple[Communication, ...]) -> tuple[Communication, ...]:
        return tuple(replace(comm, size=comm.size * share) for comm in comms)

    return replace(
        one, shape=tuple((name, scaled(name, size)) for name, size in one.shape), work=one.work * share,
        saved=one.saved * share, output=one.output * share, after_forward=sent(one.after_forward),
        after_input_gradient=sent(one.after_input_gradient), before_forward=all_sent(one.before_forward),
        before_backward=all_sent(one.before_backward),
    )  # fmt: skip


def _by_length(one: Operator, way: Way, masked: Masked) -> Iterator[Operator]:
    """Yield an operator of attention whose scores are in memory: by PIT, sequences of one length at a time."""
    lengths = one.mask
    assert isinstance(lengths, Lengths)
    if way is not Way.PIT:
        yield _pruned(one, way, masked)
    elif one.operation in {Operation.SCORES, Operation.CONTEXT}:
        yield from (_of_length(one, length, number, lengths) for length, number in lengths.counts)
    elif one.path.rpartition(".")[2] in {"softmax", "scores_dropout"}:
        pairs = sum(number * length**2 for length, number in lengths.counts)
        yield _scaled(_pruned(one, way, masked), pairs / (lengths.sequences * lengths.longest**2))
    else:
        yield packed(_pruned(one, way, masked), lengths)


def _of_length(one: Operator, length: int, number: int, lengths: Lengths) -> Operator:
    """Return a product of activations of the sequences of one length; keys beyond a window are not multiplied."""
    keys = min(int(one.size("n" if one.operation is Operation.SCORES else "k")), length)
    batch = max(1, round(one.size("batch") * number / lengths.sequences))
    width = int(one.size("k" if one.operation is Operation.SCORES else "n"))
    shape = sizes_of(length, keys, width, batch) if one.operation is Operation.SCORES else sizes_of(
        length, width, keys, batch)  # fmt: skip
    share = math.prod(size for _, size in shape) / math.prod(size for _, size in one.shape)
    first = length == lengths.counts[0][0]
    return replace(
        one, shape=shape, work=one.work * share, saved=one.saved * share, output=one.output * share, mask=None,
        after_forward=one.after_forward if first else None, before_forward=one.before_forward if first else (),
        before_backward=one.before_backward if first else (),
        after_input_gradient=one.after_input_gradient if first else None,
    )  # fmt: skip


def _experts(held: Sequence[Operator], way: Way, masked: Masked) -> Iterator[Operator]:
    """Yield the experts' products: padded in one batch, expert by expert, or in a grouped product."""
    by_name = {one.path.rpartition(".")[2]: one for one in held}
    routing = held[0].mask
    assert isinstance(routing, Routing)
    up, down = by_name["up"], by_name["down"]
    inner, activation = int(up.size("n")), by_name["activation"]
    e, h, tokens, path = masked.element, masked.hidden, routing.routed, up.path.rpartition(".")[0]
    counts = routing.tokens
    sorted_ = (("elements", 0), ("partial", 0), ("micro", tokens), ("found", len(counts)))
    yield Operator("index-experts", sorted_, dtype="bool", path=f"{path}.{INDEX}", operation=Operation.INDEX)
    yield of_rows(f"{path}.pack", "gather", tokens, e * h)
    rows = len(counts) * routing.fullest if way is Way.DENSE else tokens
    if way is Way.DENSE:
        yield moving(f"{path}.cleared", "copy", e * rows * h)
        yield of_rows(f"{path}.padded", "scatter", tokens, e * h)
    groups: Iterable[tuple[int, int]] = [(routing.fullest, len(counts))] if way is Way.DENSE else [
        (count, 1) for count in counts if count
    ]  # fmt: skip
    of_each = 1 / len(counts)
    for number, (count, batch) in enumerate(groups):
        share = of_each * batch
        yield replace(up, shape=sizes_of(count, inner, h, batch), work=2.0 * count * batch * inner * h, mask=None,
                      weights=up.weights * share, vectors=up.vectors * share, saved=float(e * count * batch * h),
                      output=float(e * count * batch * inner),
                      after_input_gradient=None if number else up.after_input_gradient)  # fmt: skip
        if way is not Way.LIBRARY or number == 0:
            elements = rows if way is Way.LIBRARY else count * batch
            yield _activation(activation, elements, inner, e)
        yield replace(down, shape=sizes_of(count, h, inner, batch), work=2.0 * count * batch * inner * h, mask=None,
                      weights=down.weights * share, vectors=down.vectors * share, output=float(e * count * batch * h),
                      saved=float(e * count * batch * inner))  # fmt: skip
    if way is Way.DENSE:
        yield of_rows(f"{path}.unpadded", "gather", tokens, e * h)
    elif way is Way.PIT:
        yield moving(f"{path}.joined", "copy", 2 * e * tokens * h)
    yield moving(f"{path}.cleared_output", "copy", e * tokens * h)
    yield of_rows(f"{path}.unpack", "scatter", tokens, e * h)
    yield replace(by_name["combine"], kernel="mul", mask=None)


def _activation(one: Operator, rows: int, inner: int, element: int) -> Operator:
    size = element * rows * inner
    return replace(one, shape=(("bytes", 2 * size),), saved=float(size), output=float(size), mask=None)


def _found_once(section: Section, way: Way, masked: Masked) -> Iterator[Operator]:
    """Yield what finds the positions that all blocks compute: tokens in a batch, and keys of each block of queries."""
    for one in section.operators:
        if one.operation is Operation.ATTENTION and isinstance(one.mask, Lengths):  # of two tokens, whether both are
            yield of_mask("attention.seen", "compare", 5 * one.mask.sequences * one.mask.longest**2)
    packs = way is Way.PIT or masked.uses(way, Library.JAGGED)
    for mask in dict.fromkeys(one.mask for one in section.operators if packs):
        if isinstance(mask, Lengths):
            positions = mask.sequences * mask.longest
            shape = (("elements", 0), ("partial", 0), ("micro", positions), ("found", mask.valid))
            yield Operator("index-sequence", shape, dtype="bool", path=f"tokens.{INDEX}", operation=Operation.INDEX)
    for one in section.operators if masked.uses(way, Library.CSR) else ():
        if one.operation is Operation.ATTENTION and isinstance(one.mask, Pattern):
            yield from stored_mask(one, one.mask)
    for one in section.operators if masked.block and way is Way.PIT else ():
        if one.operation is Operation.ATTENTION and one.mask is not None and not isinstance(one.mask, Routing):
            yield from visible_index(one, one.mask, masked)
