"""Workloads from the zoo or a file: transformer descriptions, Hugging Face configs and ASTRA-sim layer texts."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

from simcore.errors import InputError, field
from simcore.files import read_yaml
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.mapping import DEGREES
from simcore.models.training.lowering import Variant, lower_at_rate, lower_on_profile
from simcore.models.training.workload import Workload
from simcore.readers import zoo
from simcore.readers.astra import parse_layers
from simcore.readers.models import parse_model
from simcore.readers.quantities import Entry, NotEmpty
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import is_layer_text, json_or_yaml, top_fields

KINDS = ("models", "groups")
"""Folders of the zoo that hold workloads."""


class _Group(Entry):
    group: Annotated[list[str], NotEmpty]


def workload_file(name_or_path: str | Path | InputFile, place: str = "workload") -> InputFile:
    """Return the file of one workload, to be read with several degrees of parallelism; a message offers no group."""
    return read_entry(KINDS, name_or_path, place, "workload", fits=zoo.names("models").__contains__)


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
    profile: KernelProfile | None = None,
    dtype: str | None = None,
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
    profile : KernelProfile, optional
        Of a device, whose predicted times take the place of a transformer's constant rate; with it a model that has a
        vocabulary also has embedding, output layer and update.
    dtype : str, optional
        Number format of the profile's kernels, whose width all elements then have.

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
    if is_layer_text(text):
        if profile is not None:
            expected = "a transformer, whose kernels have shapes"
            given = f"a profile for '{path}', whose compute times are written out"
            raise InputError(field("profile"), given, expected, f"Leave {field('profile')} out.")
        shape = sequence if batch is None else batch
        return file.of(_from_layers(path, text, place, variant, tp, dp, npus, shape))
    if "group" in top_fields(text):
        members = ", ".join(read_yaml(path, _Group, "workload", text).group)
        raise InputError(place, f"'{file.name}', a group of {members}", "one workload", "Name one of them.")
    model = parse_model(path, text)
    run = model.run(sequence, batch)
    degrees = _degrees(file.name, (model.tp, model.dp), (tp, dp), npus)
    if profile is None:
        lowered = lower_at_rate(model.architecture, run, *degrees, model.rate, variant)
    else:
        lowered = lower_on_profile(model.architecture, run, *degrees, profile, dtype, variant)
    return file.of(lowered)


def read_workloads(
    name_or_path: str | Path | InputFile,
    place: str = "workload",
    *,
    variant: Variant = "optimizer",
    tp: int | None = None,
    dp: int | None = None,
    npus: int | None = None,
    profile: KernelProfile | None = None,
    dtype: str | None = None,
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
    file = read_entry(KINDS, name_or_path, place, "workload")
    path, text = file.path, json_or_yaml(file, "workload")
    if is_layer_text(text) or "group" not in top_fields(text):
        alone = read_workload(file, place, variant=variant, tp=tp, dp=dp, npus=npus, profile=profile, dtype=dtype)
        return file.of((alone.value,))
    if tp is not None or dp is not None:
        found = f"degrees of parallelism for the group '{path.stem}'"
        raise InputError(DEGREES, found, "them only for one workload", "Leave them out, or name one workload.")
    members = read_yaml(path, _Group, "workload", text).group
    where = f"{path}, field 'group'"
    read = functools.partial(read_workload, place=where, variant=variant, npus=npus, profile=profile, dtype=dtype)
    return file.of(tuple(read(_beside(path, member)).value for member in members))


def _beside(path: Path, member: str) -> str | Path:
    """Return a member's file where it lies beside the group's own, else its name."""
    file = path.parent / member
    return file if file.is_file() else member


def _from_layers(
    path: Path,
    text: str,
    place: str,
    variant: Variant,
    tp: int | None,
    dp: int | None,
    npus: int | None,
    shape: int | None,
) -> Workload:
    if variant != "optimizer":
        expected = "a transformer that simcore generates, as only those have variants"
        raise InputError(place, f"'{path}', whose layers are written out", expected, f"Leave {field('variant')} out.")
    if shape is not None:
        expected = "a transformer that simcore generates, as only those take them"
        found = f"a sequence or a batch for '{path}', whose layers are written out"
        raise InputError(place, found, expected, "Leave them out.")
    read = parse_layers(path, text)
    degrees = _degrees(str(path), (read.tp, None), (tp, dp), npus)
    return Workload(path.stem, read.layers, *degrees, source=str(path), checkpoints=read.checkpoints)


def _degrees(
    name: str, own: tuple[int | None, int | None], given: tuple[int | None, int | None], npus: int | None
) -> tuple[int, int]:
    """Complete TP and DP; an uneven split of the network is refused where groups are mapped.

    What is `given` holds. One of the two alone says what the other is on that network, whatever the entry has of its
    `own`.
    """
    tp, dp = given
    for option, degree in ((field("tp"), tp), (field("dp"), dp)):
        if degree is not None and degree < 1:
            raise InputError(option, str(degree), "a whole number of at least 1")
        if degree is not None and None in given and npus is not None and npus % degree:
            raise InputError(option, str(degree), f"a divisor of the {npus:,} NPUs", "Choose another degree.")
    if tp is None and (dp is None or npus is None):
        tp = own[0]
    if dp is None and (given[0] is None or npus is None):
        dp = own[1]
    if npus is not None and tp is not None and dp is None:
        dp = max(npus // tp, 1)
    if npus is not None and dp is not None and tp is None:
        tp = max(npus // dp, 1)
    if tp is None or dp is None:
        missing = " and ".join(label for label, degree in (("TP", tp), ("DP", dp)) if degree is None)
        expected = "degrees of tensor and data parallelism"
        remedy = f"Give them with {field('tp')} and {field('dp')}."
        raise InputError(f"{DEGREES} for {name}", f"no {missing}", expected, remedy)
    return tp, dp
