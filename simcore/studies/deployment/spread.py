"""How a text such as ``pp=2,tp=4`` spreads a model over GPUs, before any step of a schedule."""

from __future__ import annotations

from dataclasses import replace

from simcore.errors import InputError, field
from simcore.models.training.parallel.evaluation import Machine
from simcore.models.training.parallel.layout import Layout
from simcore.studies.deployment.degrees import degrees_of
from simcore.studies.deployment.machine import number_format


def unscheduled(
    text: str, machine: Machine, precision: str | None, micro_batch: int | None, place: str = field("parallel")
) -> Layout:
    """Return the layout before any step: every operator by itself, nothing recomputed.

    Raises
    ------
    InputError
        If the degrees do not divide the GPUs.
    """
    degrees, gpus = degrees_of(text, place), machine.topology.npus
    product = degrees.get("tp", 1) * degrees.get("pp", 1) * degrees.get("cp", 1)
    left = gpus // product
    if gpus % product or degrees.get("dp", left) != left:
        found = f"'{text}' on {gpus} GPUs"
        raise InputError(place, found, "degrees whose product divides the GPUs, the rest is DP")
    stack = machine.stack
    return Layout(
        tp=degrees.get("tp", 1), cp=degrees.get("cp", 1), pp=degrees.get("pp", 1), ep=degrees.get("ep", 1), dp=left,
        zero=degrees.get("zero", 0), micro_batch=micro_batch or 1, fused_attention=False,
        number_format=number_format(precision, machine.profile),
        overlap_tensor=stack is not None and stack.overlap_tensor,
        stops_early=stack is not None and stack.stops_early,
    )  # fmt: skip


def of_batch(base: Layout, batch: int) -> Layout | None:
    """Return the layout of a batch: one micro-batch of a replica, or those that a pipeline takes one by one.

    None where replicas and micro-batches do not divide it.
    """
    alone = base.pp == 1 and base.micro_batch == 1
    size = batch // base.dp if alone else base.micro_batch
    if not size or batch % (base.dp * size):
        return None
    return replace(base, micro_batch=size, micro_batches=batch // (base.dp * size))
