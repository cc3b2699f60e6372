"""Gavel's throughputs as step times: steps per second by GPU type, job type and number of GPUs, as JSON."""

from __future__ import annotations

import re

from simcore.documents import Broken, parse_json
from simcore.errors import InputError
from simcore.models.cluster.step_times import Key
from simcore.numerals import as_real
from simcore.readers.read import InputFile

_JOB = re.compile(r"\(['\"](.*)['\"], ([0-9]+)\)")
_BATCH = re.compile(r"\(batch size ([0-9]+)\)")
ALONE = "null"
"""Key of the throughput of a job that shares its GPUs with no other."""


def gavel_model(job_type: str, gpus: int) -> str:
    """Return what step times call a type of jobs on a number of GPUs.

    Examples
    --------
    >>> gavel_model("A3C", 1), gavel_model("LM (batch size 5)", 4)
    ('A3C', 'LM (batch size 5) x4')
    """
    return job_type if gpus == 1 else f"{job_type} x{gpus}"


def gavel_batch(job_type: str) -> int:
    """Return the batch size that a type of jobs names, else 1.

    Examples
    --------
    >>> gavel_batch("LM (batch size 5)"), gavel_batch("A3C")
    (5, 1)
    """
    match = _BATCH.search(job_type)
    return int(match[1]) if match else 1


def gavel_seconds(file: InputFile) -> dict[Key, float]:
    """Return the time of a step of every type of jobs that runs alone [s]; one that does not run has none.

    Raises
    ------
    InputError
        If the file is no JSON, or not of this form.
    """
    try:
        types = parse_json(file.text)
    except Broken as broken:
        raise broken.error(str(file.path), "Gavel's throughputs, a JSON file") from None
    expected = 'Gavel\'s throughputs: {GPU type: {"(\'JOB TYPE\', GPUS)": {"null": steps per second}}}'
    seconds: dict[Key, float] = {}
    for gpu, jobs in types.items() if isinstance(types, dict) else ():
        for name, values in jobs.items() if isinstance(jobs, dict) else ():
            match = _JOB.fullmatch(name)
            alone = as_real(values.get(ALONE)) if isinstance(values, dict) else None
            if match is None or alone is None or alone < 0.0:
                raise InputError(f"{file.path}, field '{gpu}', field '{name}'", "no throughput", expected)
            if alone > 0.0:
                seconds[gavel_model(match[1], int(match[2])), gavel_batch(match[1]), str(gpu)] = 1.0 / alone
    if not seconds:
        raise InputError(str(file.path), "no throughputs", expected)
    return seconds
