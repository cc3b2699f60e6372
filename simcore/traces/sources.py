"""What a user may name as a trace: a bundled one, a generator with its parameters, or the path of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from simcore.errors import InputError, by_name, did_you_mean, unknown_name
from simcore.files import csv_rows
from simcore.models.cluster.applications import Application
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.models.cluster.step_times import StepTimes
from simcore.piping import is_input
from simcore.readers.read import InputFile, Read, read_path
from simcore.traces import durations, easyscale, synthetic, table
from simcore.traces.bundled import BUNDLED
from simcore.traces.public.base import Format
from simcore.traces.public.gavel import GAVEL, with_throughputs
from simcore.traces.public.pollux import POLLUX, with_applications
from simcore.traces.public.registry import PUBLIC, no_reader, recognised

FORMATS = ("simcore", "easyscale")
ENOUGH = 4
"""Columns of simcore's own format from which a file is meant to be in it."""
MOST_HEADER = 100_000
"""Characters at the beginning of a file among which the header is looked for."""


def read_trace(
    source: str | Path,
    place: str = "trace",
    *,
    cluster: Cluster,
    seed: int = 0,
    file_format: str | None = None,
    format_place: str = "file_format",
    cluster_place: str = "cluster",
    keep_going: bool = False,
    applications: Mapping[str, Application] | None = None,
    step_times: StepTimes | None = None,
) -> Read[Trace]:
    """Read or generate a trace.

    Parameters
    ----------
    source : str or Path
        A bundled trace, a generator with its parameters, or a path.
    place : str
        The field that gave it, for messages.
    cluster : Cluster
        Gives a generator its GPU types and its load.
    seed : int
        Seed of a generator.
    file_format : str, optional
        Format of a file, one of `FORMATS` or `PUBLIC`; by default its header decides.
    format_place, cluster_place : str
        The fields that gave the format and the cluster, for messages.
    keep_going : bool
        Whether rows of a public trace that cannot run are left out, and counted in a note.
    applications : mapping of str to Application, optional
        Profiles of the applications that a workload of Pollux's names.
    step_times : StepTimes, optional
        What a step of a job of Gavel's takes.

    Returns
    -------
    Read of Trace
        With an empty hash where it was generated.

    Raises
    ------
    InputError
        If there is no such trace or it is malformed.

    Examples
    --------
    >>> from simcore.readers.clusters import read_cluster
    >>> trace = read_trace("sc23", cluster=read_cluster("sc23").value).value
    >>> len(trace), trace.names[0]
    (62, 'bert-0')
    """
    text = _spelt(str(source))
    if text.split(":")[0] in synthetic.GENERATORS:
        return Read(synthetic.parse(text, cluster, seed, place, cluster_place), text, "")
    path = BUNDLED.get(text, Path(text))
    if not text or not is_input(path):
        known = [*BUNDLED, *synthetic.GENERATORS]
        hint = did_you_mean(text.split(":")[0], known)
        raise InputError(
            place,
            f"'{text}', which is no file",
            f"one of {', '.join(known)}, or the path of a file",
            hint or "Check the path.",
        )
    file = read_path(path, "trace", text if text in BUNDLED else "", most=None)
    formats = (*FORMATS, *PUBLIC)
    if file_format not in (None, *formats):
        raise unknown_name(format_place, str(file_format), formats)
    return file.of(
        _read(file, file_format, cluster, keep_going=keep_going, applications=applications, step_times=step_times)
    )


def _read(
    file: InputFile,
    file_format: str | None,
    cluster: Cluster,
    *,
    keep_going: bool,
    applications: Mapping[str, Application] | None,
    step_times: StepTimes | None,
) -> Trace:
    """Read a file in the format that is given, or that its beginning tells."""
    header = [] if file_format in PUBLIC else _header(file)
    if file_format == "easyscale" or (file_format is None and easyscale.matches(header)):
        return easyscale.read(file.text, file.name)
    if durations.matches(header):
        return durations.with_types(durations.read(file.text, file.name), cluster)
    own = len(set(table.COLUMNS) & set(header))
    public = PUBLIC.get(file_format or "")
    if file_format is None and own < ENOUGH:
        public = recognised(file.text, header)
        if public is None and own < ENOUGH - 1:
            raise no_reader(header, file.name)
    if public is None:
        return table.read(file.text, file.name)
    if public is POLLUX:
        public = _with_work(file, applications, cluster)
    if public is GAVEL:
        if step_times is None:
            expected = "the throughputs of its jobs"
            remedy = "Give them to simcore trace by --rates FILE.json, or write name,submit_s,duration_s,gpus."
            raise InputError(file.name, "a trace of Gavel's, which says no durations", expected, remedy)
        public = with_throughputs(step_times, cluster)
    return durations.with_types(public.read(file.text, file.name, keep_going=keep_going), cluster)


def _with_work(file: InputFile, applications: Mapping[str, Application] | None, cluster: Cluster) -> Format:
    """Return the format of a workload whose work is in profiles."""
    if not applications:
        expected = "the profiles of its applications"
        remedy = "Give their folder to simcore trace by --rates FOLDER, or write name,submit_s,duration_s,gpus."
        raise InputError(file.name, "a workload of Pollux's or Sia's, which says no durations", expected, remedy)
    if not cluster.nodes:
        remedy = "Write nodes into the cluster file."
        raise InputError(f"cluster '{cluster.name}'", "no nodes", "nodes, on which the speed of jobs depends", remedy)
    return with_applications(applications, cluster)


def _header(file: InputFile) -> list[str]:
    """Return the first row of a table; nothing for a text that begins as none."""
    if file.text.lstrip()[:1] in ("[", "{", ";"):
        return []
    return csv_rows(file.text[:MOST_HEADER], file.name, "trace")[0]


def _spelt(text: str) -> str:
    """Return a trace's name as results spell it; a path, and what follows a generator's name, stay as they are.

    Examples
    --------
    >>> _spelt("Synthetic:jobs=4"), _spelt("mine.csv")
    ('synthetic:jobs=4', 'mine.csv')
    """
    name, colon, rest = text.partition(":")
    return f"{by_name(name, [*BUNDLED, *synthetic.GENERATORS]) or name}{colon}{rest}"
