"""What a user may name as a trace: a bundled one, a generator with its parameters, or the path of a file."""

from __future__ import annotations

from pathlib import Path

from simcore.errors import InputError, did_you_mean, unknown_name
from simcore.files import csv_rows, read_text, sha256
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import Trace
from simcore.outputs import is_there
from simcore.traces import easyscale, synthetic, table
from simcore.traces.bundled import BUNDLED

FORMATS = ("simcore", "easyscale")


def load_trace(
    source: str | Path,
    cluster: Cluster,
    *,
    seed: int = 0,
    file_format: str | None = None,
    place: str = "source",
    format_place: str = "file_format",
    cluster_place: str = "cluster",
) -> tuple[Trace, str]:
    """Load or generate a trace.

    Parameters
    ----------
    source : str or Path
        A bundled trace, a generator with its parameters, or a path.
    cluster : Cluster
        Gives a generator its GPU types and its load.
    seed : int
        Seed of a generator.
    file_format : {'simcore', 'easyscale'}, optional
        Format of a file; by default its header decides.
    place, format_place, cluster_place : str
        The arguments that named the trace, its format and the cluster, for messages.

    Returns
    -------
    Trace, str
        The trace and the SHA-256 of the file, or an empty string for a generated one.

    Raises
    ------
    InputError
        If there is no such trace or it is malformed.

    Examples
    --------
    >>> from simcore.readers.clusters import load_cluster
    >>> trace, _ = load_trace("sc23", load_cluster("sc23")[0])
    >>> len(trace), trace.names[0]
    (62, 'bert-0')
    """
    text = str(source)
    if text.split(":")[0] in synthetic.GENERATORS:
        return synthetic.parse(text, cluster, seed, place, cluster_place), ""
    path = BUNDLED.get(text, Path(text))
    if not text or not is_there(path):
        known = [*BUNDLED, *synthetic.GENERATORS]
        hint = did_you_mean(text.split(":")[0], known)
        raise InputError(
            place,
            f"'{text}', which is no file",
            f"one of {', '.join(known)}, or the path of a file",
            hint or "Check the path.",
        )
    content = read_text(path, "trace")
    name = text if text in BUNDLED else str(path)
    if file_format is None:
        header, _ = csv_rows(content, name, "trace")
        file_format = "easyscale" if easyscale.matches(header) else "simcore"
    if file_format not in FORMATS:
        raise unknown_name(format_place, file_format, FORMATS)
    trace = easyscale.read(content, name) if file_format == "easyscale" else table.read(content, name)
    return trace, sha256(content.encode())
