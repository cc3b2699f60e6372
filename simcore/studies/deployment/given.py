"""What of a layout a request settles, and what it leaves open."""

from __future__ import annotations

from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.training.architecture import Transformer
from simcore.models.training.listing import Architecture
from simcore.models.training.parallel.layout import ContextExchange, Layout, Recompute, check_layout, nearest
from simcore.models.training.parallel.search import Space
from simcore.studies.deployment.parallel import LayoutRequest


def given_layout(
    request: LayoutRequest, gpus: int, model: Architecture, sequence: int, global_batch: int, open_all: bool
) -> tuple[Layout, Space]:
    """Return what a request settles, and what it leaves open.

    Parameters
    ----------
    request : LayoutRequest
        Degrees and options, None where left open.
    gpus : int
        GPUs of all dimensions.
    model : Transformer or LayeredModel
        The sizes.
    sequence, global_batch : int
        Tokens of a sequence, and sequences of an iteration.
    open_all : bool
        Whether context parallelism and model chunks per rank are left open too where they are not given.

    Raises
    ------
    InputError
        If degrees do not divide the GPUs, the batch or the model.
    """
    product = (request.tp or 1) * (request.cp or 1) * (request.pp or 1)
    if gpus % product:
        raise _no_divisor(request, gpus, product)
    zero = 3 if request.fsdp else request.zero
    scheduled, along = request.training_schedule is not None, isinstance(model, Transformer)
    fused = request.attention == "fused" and not scheduled
    base = Layout(
        sequence_parallel=along if request.sequence_parallel is None else request.sequence_parallel, zero=zero or 0,
        recompute=Recompute(str(request.recompute or "none")), recompute_layers=request.recompute_layers,
        order=request.order, exchange=ContextExchange(request.context_exchange), fused_attention=fused,
        causal_half=request.causal == "half", stage_layers=tuple(int(each) for each in request.stage_layers or ()),
        overlap=request.overlap, expert_load=_expert_load(request.expert_load, model),
    )  # fmt: skip
    recomputes = (Recompute.NONE, Recompute.FULL) if fused else tuple(Recompute)
    if request.recompute is not None or scheduled:
        recomputes = (base.recompute,)
    folded = request.order in {"ZBV", "DualPipeV"}
    if request.pp == 1 and request.order != "1F1B":
        found = f"{request.order} with one pipeline rank"
        raise InputError(
            field("order"), found, "an order of a pipeline", f"Leave it out, or give {field('pp')} above 1."
        )
    space = Space(
        tp=_one(request.tp), pp=_one(request.pp), ep=_one(request.ep) or (() if experts_of(model) else (1,)),
        cp=_one(request.cp) or (() if open_all else (1,)),
        vp=_one(request.vp) or ((2,) if folded else () if open_all else (1,)),
        dp=_one(request.dp), micro_batch=_one(request.micro_batch), recompute=recomputes,
        zero=(0, 1) if zero is None else (zero,),
    )  # fmt: skip
    if request.dp is not None:
        _check_data_parallelism(request, gpus, product)
    _check_batch(request, global_batch, gpus // product)
    for name in ("tp", "cp", "pp", "vp", "ep"):  # what cannot fit the model whatever else is chosen
        degree = getattr(request, name)
        if degree is not None and name in {"tp", "cp"}:
            alone = replace(base, **{name: degree}, dp=gpus // degree, sequence_parallel=False, stage_layers=())
            check_layout(alone, model, sequence)
    return base, space


def _no_divisor(request: LayoutRequest, gpus: int, product: int) -> InputError:
    """Return the error for degrees that do not divide the GPUs, naming those that are given."""
    given = [name for name in ("tp", "cp", "pp") if (getattr(request, name) or 1) > 1]
    place = ", ".join(field(name) for name in given)
    found = " x ".join(str(getattr(request, name)) for name in given) + (f" = {product}" if len(given) > 1 else "")
    which = "products that do" if len(given) > 1 else "that do"
    return InputError(place, found, f"a divisor of {gpus} GPUs", f"The nearest {which} are {nearest(product, gpus)}.")


def _one(given: int | None) -> tuple[int, ...]:
    return () if given is None else (given,)


def _check_data_parallelism(request: LayoutRequest, gpus: int, product: int) -> None:
    """Refuse a degree that the others do not leave."""
    left = gpus // product
    settled = None not in (request.tp, request.pp)
    assert request.dp is not None
    if (settled and request.dp != left) or left % request.dp:
        found = f"{request.dp} with TP x CP x PP = {product} on {gpus} GPUs"
        if settled:
            raise InputError(field("dp"), found, f"{left}", f"Leave {field('dp')} out: it follows from the others.")
        remedy = f"The nearest that do are {nearest(request.dp, left)}."
        raise InputError(field("dp"), f"{request.dp}", f"a divisor of {left} GPUs", remedy)


def _check_batch(request: LayoutRequest, global_batch: int, replicas: int) -> None:
    """Refuse a micro-batch that no number of replicas makes a global batch of."""
    if None in (request.tp, request.pp):
        return
    size = request.micro_batch or 1
    if global_batch % (replicas * size):
        found = f"{global_batch} of {replicas} replicas with micro-batches of {size}"
        low = global_batch // (replicas * size) * replicas * size
        near = " or ".join(str(each) for each in (low, low + replicas * size) if each)
        raise InputError(
            field("global_batch"), found, f"a multiple of {replicas * size}",
            f"The nearest are {near}; or choose another {field('micro_batch')}.",
        )  # fmt: skip


def experts_of(model: Architecture) -> int:
    """Return how many experts a model has."""
    return model.experts.count if isinstance(model, Transformer) and model.experts is not None else 0


def _expert_load(load: object, model: Architecture) -> tuple[float, ...]:
    """Return a histogram of tokens per expert, which must have one number for each."""
    if not isinstance(load, tuple):
        return ()
    count = experts_of(model)
    if len(load) != count:
        found, expected = f"{len(load)} numbers", f"one for each of the {count} experts of {model.name}"
        raise InputError(field("expert_load"), found, expected, "Give a number for each, or leave it out.")
    return tuple(float(each) for each in load)
