"""``simcore rates``: a model's seconds per mini-batch on profiled devices, in the form that the cluster study reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simcore.errors import InputError
from simcore.files import csv_text
from simcore.models.cluster.step_times import Key, StepTimes
from simcore.models.compute.profile import KernelProfile
from simcore.models.network.mapping import Groups
from simcore.models.training.architecture import Transformer
from simcore.models.training.closed_form import step_time
from simcore.models.training.operators import ProfiledTimes
from simcore.models.training.transformer import generate
from simcore.outputs import write_atomic
from simcore.readers.models import read_model
from simcore.readers.profiles import read_profile
from simcore.readers.read import read_entry
from simcore.results import Provenance, Table, versions

COLUMNS = ("model", "batch_size", "gpu_type", "seconds_per_minibatch", "kind")
ALONE = Groups((1,), (1,))
"""One NPU, which sends nothing."""


@dataclass(frozen=True)
class RatesResult:
    """Predicted step times.

    Attributes
    ----------
    rates : StepTimes
        What `simcore.trace` takes.
    provenance : Provenance
        With the hash of every profile, by GPU type: two profiles may have one name.
    """

    rates: StepTimes
    provenance: Provenance

    @property
    def table(self) -> Table:
        """The step times as a table, a row per model, batch size and GPU type."""
        return Table(COLUMNS, [(*key, seconds, "predicted") for key, seconds in self.rates.seconds.items()])

    def as_dict(self) -> dict[str, Any]:
        """Return plain containers for JSON."""
        return {"rates": [dict(row) for row in self.table], "provenance": self.provenance.as_dict()}

    def to_csv(self) -> str:
        """Return the table as ``trace --rates`` reads it, with its note, which holds the profiles' hashes."""
        notes = "".join(f"# {note}\n" for note in self.provenance.notes)
        rows = [tuple(row.values()) for row in self.table]
        return f"# note: {self.rates.note}\n{notes}{csv_text(COLUMNS, rows)}"

    def write(self, path: Path) -> None:
        """Write the CSV file."""
        write_atomic(path, self.to_csv())


def minibatch_seconds(model: Transformer, times: ProfiledTimes) -> float:
    """Return the time of one mini-batch, forward and backward, on one device [s], by the step-time model."""
    return step_time(generate(times.in_format(model), 1, 1, times=times), ALONE, [1.0]).total


def rates(
    profiles: Sequence[str | Path | KernelProfile],
    models: Sequence[str | Path],
    batches: Sequence[int],
    *,
    devices: Sequence[str] = (),
    names: Sequence[str] = (),
    sequence: int | None = None,
    dtype: str | None = None,
) -> RatesResult:
    """Predict a model's seconds per mini-batch on the devices of some profiles.

    Parameters
    ----------
    profiles : sequence of str, Path or KernelProfile
        One per GPU type.
    models : sequence of str or Path
        Transformers of the zoo or files.
    batches : sequence of int
        Sequences per mini-batch.
    devices : sequence of str
        GPU types to write, in the order of the profiles; their names by default.
    names : sequence of str
        Models to write, in the order of `models`, where a trace calls them otherwise.
    sequence : int, optional
        Tokens per sequence, in place of the models' own.
    dtype : str, optional
        Number format, whose width activations and weights then have; by default one as wide as the model's elements.

    Raises
    ------
    InputError
        If something is unknown, missing or given twice.
    """
    if not profiles or not models or not batches:
        raise InputError("--profile, --model, --batch", "one of them missing", "at least one of each")
    for option, given, wanted in (("--device", devices, profiles), ("--name", names, models)):
        if given and len(given) != len(wanted):
            raise InputError(option, f"{len(given)} names", f"{len(wanted)}, one each", "Give one per entry, or none.")
    if len(set(batches)) < len(batches):
        raise InputError("--batch", ",".join(map(str, batches)), "each number once", "Leave one out.")
    loaded = [one if isinstance(one, KernelProfile) else read_profile(one, "--profile").value for one in profiles]
    types = list(devices) or [profile.name for profile in loaded]
    seconds: dict[Key, float] = {}
    notes: dict[str, None] = {}
    for position, source in enumerate(models):
        file = read_entry("models", source, "--model", "model")
        for batch in batches:
            if batch < 1:
                raise InputError("--batch", str(batch), "whole numbers of at least 1, such as 4,8,16")
            model = read_model(file, "--model", sequence=sequence, batch=batch).value
            name = names[position] if names else model.name
            for profile, gpu in zip(loaded, types, strict=True):
                times = ProfiledTimes(profile, dtype)
                if (name, batch, gpu) in seconds:
                    raise InputError("--device", f"{name}, batch {batch}, {gpu} twice", "each once", "Name them apart.")
                seconds[name, batch, gpu] = minibatch_seconds(model, times)
                notes.update(dict.fromkeys(f"{gpu}: {note}" for note in times.notes()))
    used = ", ".join(f"{profile.name} (sha256 {profile.sha256})" for profile in loaded)
    note = f"predicted from kernel profiles {used}, not measured as steps"
    provenance = Provenance(
        command="rates",
        inputs={
            "profiles": [profile.name for profile in loaded], "models": [str(one) for one in models],
            "batches": list(batches), "devices": types, "names": list(names), "sequence": sequence, "dtype": dtype,
        },
        sha256={gpu: profile.sha256 for gpu, profile in zip(types, loaded, strict=True)},
        notes=list(notes),
        versions=versions("numpy"),
    )  # fmt: skip
    return RatesResult(StepTimes("predicted", seconds, ("predicted",), note), provenance)
