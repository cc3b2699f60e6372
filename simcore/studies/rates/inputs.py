"""What ``simcore rates`` is given: which models on which devices, and the batch sizes of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

from simcore.errors import InputError, field, written
from simcore.models.compute.profile import KernelProfile
from simcore.readers import zoo
from simcore.readers.applications import read_batch_sizes
from simcore.readers.models import ModelInput, read_model
from simcore.readers.read import Read
from simcore.studies.inputs import device_profile
from simcore.studies.rates.request import PUBLISHED, RatesRequest

APPLICATIONS = "easyscale-sc23"
"""Whose batch sizes are the published ones."""

BATCHES = f"whole numbers of at least 1, such as 4,8,16, or '{PUBLISHED}'"


@dataclass(frozen=True)
class NamedModel:
    """A model, what to call it, and its batch sizes.

    Attributes
    ----------
    name : str
        What the table calls it.
    source : ModelInput
        As it was read.
    batches : tuple of int
        Sequences or samples per mini-batch.
    """

    name: str
    source: ModelInput
    batches: tuple[int, ...]


def check(request: RatesRequest) -> None:
    """Refuse what is missing, does not fit together, or is no batch.

    Raises
    ------
    InputError
        Naming the field.
    """
    for name in ("models", "batches"):
        if not getattr(request, name):
            raise InputError(field(name), "nothing", "at least one", f"Give {field(name)}.")
    if not request.devices and not request.profiles:
        remedy = f"Give {field('devices')}, such as v100,p100,t4, or {field('profiles')}."
        raise InputError(field("devices"), "nothing", "at least one", remedy)
    of_devices = len(request.profiles or request.devices)
    for name, given, wanted in (
        ("names", request.names, len(request.models)),
        ("devices", request.devices, of_devices),
    ):
        if given and len(given) != wanted:
            found, expected = f"{len(given)} names", f"{wanted}, one each"
            raise InputError(field(name), found, expected, "Give one per entry, or none.")
    if request.fit_on and request.fit_to is None:
        remedy = f"Give {field('fit_to')} too, or leave {field('fit_on')} out."
        raise InputError(field("fit_on"), ", ".join(request.fit_on), "measured steps to fit to", remedy)


def devices_of(request: RatesRequest) -> dict[str, KernelProfile]:
    """Return the profile of each GPU type.

    Raises
    ------
    InputError
        If a type has no profile, or is there twice.
    """
    place = "profiles" if request.profiles else "devices"
    profiles = [device_profile(each, field(place)) for each in request.profiles or request.devices]
    types = list(request.devices) or [profile.name for profile in profiles]
    for gpu in types:
        if types.count(gpu) > 1:
            raise InputError(field("devices"), f"{gpu} twice", "each once", "Name them apart.")
    return dict(zip(types, profiles, strict=True))


def models_of(request: RatesRequest) -> tuple[list[NamedModel], dict[str, str]]:
    """Return the models, and the hash of the file of published batch sizes where they are asked for.

    Raises
    ------
    InputError
        If a model is unknown or there twice, or has no published batch size.
    """
    batches = _numbers(request.batches)
    published = None if batches is not None else read_batch_sizes(APPLICATIONS)
    models: dict[str, NamedModel] = {}
    for position, given in enumerate(request.models):
        read = read_model(given, field("models"))
        name = request.names[position] if request.names else _called(given, read)
        if name in models:
            remedy = f"Name them apart with {field('names')}."
            raise InputError(field("models"), f"{name} twice", "each once", remedy)
        sizes = batches if published is None else _published(name, read.name, published)
        models[name] = NamedModel(name, read.value, sizes or ())
    return list(models.values()), {} if published is None else {"batches": published.sha256}


def _numbers(batches: Sequence[int | str]) -> tuple[int, ...] | None:
    """Return the batch sizes that are the same for all models; None where the published ones are asked for."""
    if list(batches) == [PUBLISHED]:
        return None
    for batch in batches:
        if isinstance(batch, bool) or not isinstance(batch, Integral) or batch < 1:
            raise InputError(field("batches"), written(batch), BATCHES)
    if len(set(batches)) < len(batches):
        raise InputError(field("batches"), ",".join(map(str, batches)), "each number once", "Leave one out.")
    return tuple(int(batch) for batch in batches)


def _called(given: str | Path, read: Read[ModelInput]) -> str:
    """Return what the table calls a model: as a trace does, where the zoo knows it under another name."""
    return str(given) if zoo.entry_of("models", str(given)) != str(given) else read.value.architecture.name


def _published(name: str, entry: str, published: Read[Mapping[str, tuple[int, ...]]]) -> tuple[int, ...]:
    """Return the published batch sizes of a model, by what the table or the zoo calls it."""
    of_entry = {zoo.entry_of("models", one): sizes for one, sizes in published.value.items()}
    for one, sizes in (*published.value.items(), *of_entry.items()):
        if one in (name, entry):
            return sizes
    place = f"applications {published.name}, field 'batch_sizes'"
    remedy = f"Give its batch sizes as numbers: {field('batches')} 8,16."
    raise InputError(place, f"no batch size of '{name}'", f"one of {', '.join(published.value)}", remedy)
