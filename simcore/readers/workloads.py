"""Workloads from the zoo or a file: transformer descriptions, Hugging Face configs and ASTRA-sim layer texts."""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from simcore.errors import InputError, field
from simcore.files import read_yaml
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.mapping import DEGREES, Groups
from simcore.models.network.topology import Topology
from simcore.models.training.architecture import Batch, Transformer
from simcore.models.training.layered_model import LayeredModel
from simcore.models.training.listing import operators_of
from simcore.models.training.lowering import Variant, lower_at_rate, lower_on_profile
from simcore.models.training.workload import Setting, Workload
from simcore.readers import zoo
from simcore.readers.layer_texts import Cut, Sizes, read_layer_text
from simcore.readers.models import ModelInput, parse_model
from simcore.readers.quantities import Entry, NotEmpty
from simcore.readers.read import InputFile, Read
from simcore.readers.sniff import is_layer_text, json_or_yaml, top_fields
from simcore.readers.workload_files import refuse_foreign, refuse_table, workload_entry


class _Group(Entry):
    group: Annotated[list[str], NotEmpty]


def workload_file(name_or_path: str | Path | InputFile, place: str = "workload") -> InputFile:
    """Return the file of one workload, to be read with several degrees of parallelism; a message offers no group."""
    return workload_entry(name_or_path, place, fits=zoo.names("models").__contains__)


def read_workload(
    name_or_path: str | Path | InputFile,
    place: str = "workload",
    *,
    variant: Variant = "optimizer",
    tp: int | None = None,
    dp: int | None = None,
    npus: int | None = None,
    sequence: int | None = None,
    batch: int | None = None,
    causal: str = "full",
    profile: KernelProfile | None = None,
    dtype: str | None = None,
    groups: Groups | None = None,
    topology: Topology | None = None,
    sizes: Sizes | None = None,
    stages: int = 1,
) -> Read[Workload]:
    """Read one workload by its name in the zoo, or from a file.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        For example ``175B``; what kind of file a path holds is told from its content.
    place : str
        The field that gave it, for messages.
    variant : {'optimizer', 'evaluation'}
        Whether each layer of a transformer sums its own weight gradient, or the first sums all.
    tp, dp : int, optional
        In place of the degrees of parallelism that the entry asks for.
    npus : int, optional
        NPUs of the network: gives the degree that is left open, and the other where one of `tp` and `dp` is given.
    sequence, batch : int, optional
        In place of the transformer's tokens per sequence, and sequences per data-parallel replica.
    causal : {'full', 'half'}
        Whether causal attention is charged in full, or for the half that its mask leaves.
    profile : KernelProfile, optional
        Of a device, whose predicted times take the place of a transformer's constant rate; with it a model that has a
        vocabulary also has embedding, output layer and update.
    dtype : str, optional
        Number format of the profile's kernels, whose width all elements then have.
    groups : Groups, optional
        Explicit groups, in place of the degrees of parallelism.
    topology : Topology, optional
        The network, in place of `npus`: the header of a text may name groups by its dimensions.
    sizes : {'full', 'shard'}, optional
        What the size of an all-gather is in a text, in place of what the program that wrote it has.
    stages : int
        Pipeline stages that were asked for, of which `topology` is one; AICB's texts have their own.

    Returns
    -------
    Read of Workload
        Named after the entry or the file.

    Raises
    ------
    InputError
        For an unknown name (with the closest one), a group, degrees that nobody gave, or naming file, line and field.

    Examples
    --------
    >>> workload = read_workload("1T").value
    >>> len(workload.layers), workload.tp, workload.dp
    (18, 128, 8)
    """
    file = workload_file(name_or_path, place)
    path, text = file.path, json_or_yaml(file, "workload")
    cut = Cut.on(topology, tp, dp, groups, npus, stages)
    refuse_table(path, text)
    if is_layer_text(text):
        if profile is not None:
            expected = "a transformer, whose kernels have shapes"
            given = f"a profile for '{path}', whose compute times are written out"
            raise InputError(field("profile"), given, expected, f"Leave {field('profile')} out.")
        if causal != "full":
            expected = "a transformer that simcore generates, as only those know attention"
            raise InputError(field("causal"), f"'{causal}' for '{path}', whose layers are written out", expected)
        shape = sequence if batch is None else batch
        _only_generated(path, place, variant, shape)
        return file.of(read_layer_text(path, text, cut, sizes))
    refuse_foreign(path, text)
    if sizes is not None:
        expected = f"{field('sizes')} only for a text, whose layers are written out"
        raise InputError(field("sizes"), f"'{sizes}' for '{file.name}'", expected, f"Leave {field('sizes')} out.")
    if "group" in top_fields(text):
        members = ", ".join(read_yaml(path, _Group, "workload", text).group)
        raise InputError(place, f"'{file.name}', a group of {members}", "one workload", "Name one of them.")
    model = parse_model(path, text)
    run = model.run(sequence, batch, causal)
    if stages > 1 and isinstance(model.architecture, LayeredModel) and model.architecture.skipping:
        skipping = ", ".join(model.architecture.skipping)
        expected = f"1, as what {skipping} hands on may pass over a stage"
        raise InputError(field("stages"), f"{stages} for '{file.name}'", expected, f"Leave {field('stages')} out.")
    degrees = cut.degrees(file.name, (model.tp, model.dp))
    if profile is None:
        lowered = lower_at_rate(model.architecture, run, *degrees, model.rate, variant)
    else:
        lowered = lower_on_profile(model.architecture, run, *degrees, profile, dtype, variant, model.dtype)
    cautions = (*model.cautions(sequence), *model.assumptions(batch, profiled=profile is not None))
    setting = setting_of(model, run, lowered)
    return file.of(replace(lowered, cautions=cautions, setting=setting))


def setting_of(model: ModelInput, run: Batch, lowered: Workload) -> Setting:
    """Return what a workload was made for."""
    whole = model.architecture
    timed = whole.stack() if isinstance(whole, Transformer) and lowered.times is None else whole
    parameters = operators_of(timed, Batch(run.sequence, 1, 1)).parameters
    tokens = run.sequence if isinstance(whole, Transformer) else None
    precision = f"{run.element} B per element" if lowered.times is None else lowered.times.dtype
    noun = "sample" if tokens is None else "sequence"
    rate = model.rate if lowered.times is None else None
    return Setting(model.title, parameters, run.sequences, noun, tokens, precision, rate)


def read_workloads(
    name_or_path: str | Path | InputFile,
    place: str = "workload",
    *,
    variant: Variant = "optimizer",
    tp: int | None = None,
    dp: int | None = None,
    npus: int | None = None,
    causal: str = "full",
    profile: KernelProfile | None = None,
    dtype: str | None = None,
    groups: Groups | None = None,
    topology: Topology | None = None,
    sizes: Sizes | None = None,
) -> Read[tuple[Workload, ...]]:
    """Read a workload, or all members of a group, which weigh the same.

    Parameters are those of `read_workload`; the hash of a group is that of its own file.

    Raises
    ------
    InputError
        As `read_workload` does; also for degrees of parallelism beside a group, whose members have their own.

    Examples
    --------
    >>> [workload.name for workload in read_workloads("Group").value]
    ['17B', '175B', '1T']
    """
    file = workload_entry(name_or_path, place)
    path, text = file.path, json_or_yaml(file, "workload")
    if is_layer_text(text) or "group" not in top_fields(text):
        alone = read_workload(
            file, place, variant=variant, tp=tp, dp=dp, npus=npus, causal=causal, profile=profile, dtype=dtype,
            groups=groups, topology=topology, sizes=sizes,
        )  # fmt: skip
        return file.of((alone.value,))
    if tp is not None or dp is not None or groups is not None:
        found = f"degrees of parallelism for the group '{path.stem}'"
        raise InputError(DEGREES, found, "them only for one workload", "Leave them out, or name one workload.")
    members = read_yaml(path, _Group, "workload", text).group
    where = f"{path}, field 'group'"
    read = functools.partial(
        read_workload, place=where, variant=variant, npus=npus, causal=causal, profile=profile, dtype=dtype,
        topology=topology, sizes=sizes,
    )  # fmt: skip
    return file.of(tuple(read(_beside(path, member)).value for member in members))


def _beside(path: Path, member: str) -> str | Path:
    """Return a member's file where it lies beside the group's own, else its name."""
    file = path.parent / member
    return file if os.path.isfile(file) else member  # False too for a name that no file can have


def _only_generated(path: Path, place: str, variant: Variant, shape: int | None) -> None:
    """Refuse, beside a text, what only transformers take that simcore generates."""
    if variant != "optimizer":
        expected = "a transformer that simcore generates, as only those have variants"
        raise InputError(place, f"'{path}', whose layers are written out", expected, f"Leave {field('variant')} out.")
    if shape is not None:
        expected = "a transformer that simcore generates, as only those take them"
        found = f"a sequence or a batch for '{path}', whose layers are written out"
        raise InputError(place, found, expected, "Leave them out.")
