"""Generated traces: Poisson arrivals at a load, rigid jobs of known length or elastic jobs of the published models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcore.errors import InputError, unknown_name
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, Trace, WorkUnit
from simcore.models.cluster.placement import gang as gang_of
from simcore.numerals import as_real
from simcore.readers.clusters import read_cluster
from simcore.readers.step_times import read_step_times
from simcore.traces import table
from simcore.traces.bundled import BUNDLED

GANGS = 2 ** np.arange(6)  # 1, 2, ... 32 GPUs, each half as frequent as the one before
GANG_SHARES = 0.5 ** np.arange(6) / (0.5 ** np.arange(6)).sum()
LOG_MEAN, LOG_SIGMA = 7.0, 1.6  # of the gang running time [log s]: mean 3944 s, median 1097 s
UNIT_MODEL = "synthetic"


def rigid(cluster: Cluster, *, jobs: int, load: float, seed: int, name: str = "synthetic") -> Trace:
    """Generate rigid jobs whose running time on their gang is known.

    Gangs of 1, 2, 4, ... 32 GPUs with shares 1/2^k (one larger than its GPU type becomes the largest that fits),
    running times lognormal(7, 1.6) [s], Poisson arrivals. Of the jobs that are drawn all GPU-seconds are `load` times
    what the GPUs can serve up to the last submission.

    Parameters
    ----------
    cluster : Cluster
        A job prefers a type with the type's share of the GPUs.
    jobs : int
        How many.
    load : float
        Offered load, start-up not counted.
    seed : int
        Seed of a `numpy.random.SeedSequence`.
    name : str
        The trace's name.

    Examples
    --------
    >>> trace = rigid(Cluster("c", ("v100",), (64,)), jobs=3, load=0.5, seed=1)
    >>> len(trace), trace.classes[0].model
    (3, 'synthetic')
    """
    arrivals, sizes, lengths, types = _streams(seed)
    gang = sizes.choice(len(GANGS), size=jobs, p=GANG_SHARES)
    length = lengths.lognormal(LOG_MEAN, LOG_SIGMA, jobs)
    shares = np.asarray(cluster.counts) / cluster.gpus
    preferred = types.choice(len(cluster.types), size=jobs, p=shares)
    largest = (
        np.searchsorted(GANGS, cluster.counts, side="right") - 1
    )  # of the gangs that fit a type; -1 where it is empty
    gang = np.minimum(gang, largest[preferred])
    classes = tuple(JobClass(UNIT_MODEL, 1, int(size), False, t) for t in cluster.types for size in GANGS)
    submit = _arrivals(arrivals, float(GANGS[gang] @ length) / (load * cluster.gpus), jobs)
    class_index = preferred * len(GANGS) + gang
    return Trace(name, _names(jobs), submit, length, class_index, classes, WorkUnit.GANG_SECONDS)


def elastic(
    cluster: Cluster, *, jobs: int, load: float, seed: int, name: str = "synthetic-elastic", place: str = "cluster"
) -> Trace:
    """Generate elastic jobs of the models and shapes of the bundled trace.

    Each job takes model, batch size, maxP, flag and GPU type of a random job of the bundled trace, and a gang running
    time of lognormal(7, 1.6) [s] at the measured step times; arrivals as in `rigid`, over the whole cluster.
    """
    arrivals, shapes, lengths, _ = _streams(seed)
    sc23, measured = read_cluster("sc23").value, read_step_times("sc23-measured").value
    bundled = table.read(BUNDLED["sc23"].read_text(), "sc23")
    unknown = sorted({c.gpu_type for c in bundled.classes} - set(cluster.types))
    if unknown:
        raise InputError(place, f"no {', '.join(unknown)}", f"a cluster with {', '.join(sc23.types)}")
    class_index = bundled.class_index[shapes.integers(len(bundled), size=jobs)]
    step = np.array([gang_of(c, sc23, measured).step_time for c in bundled.classes])
    batch = np.array([c.global_batch for c in bundled.classes])
    size = np.array([c.max_parallelism for c in bundled.classes])
    length = lengths.lognormal(LOG_MEAN, LOG_SIGMA, jobs)
    submit = _arrivals(arrivals, float(size[class_index] @ length) / (load * cluster.gpus), jobs)
    return Trace(
        name, _names(jobs), submit, length / step[class_index] * batch[class_index], class_index, bundled.classes
    )


GENERATORS = ("synthetic", "synthetic-elastic")
_RANGES = {"jobs": (1000.0, 1.0, 1e8), "load": (0.9, 1e-6, 1e6)}  # parameter: (default, least, most)


def parse(text: str, cluster: Cluster, seed: int, place: str, cluster_place: str) -> Trace:
    """Generate what a string such as ``synthetic:jobs=1000,load=0.9`` asks for.

    Raises
    ------
    InputError
        If a parameter is unknown or out of range.
    """
    name, _, rest = text.partition(":")
    values: dict[str, float] = {}
    for item in filter(None, rest.split(",")):
        key, equals, value = item.partition("=")
        if key not in _RANGES:
            raise unknown_name(f"{place} '{text}'", key, _RANGES)
        where = f"{place} '{text}', parameter '{key}'"
        if key in values:
            raise InputError(where, f"'{item}' after another", "each parameter once", "Remove one of them.")
        _, low, high = _RANGES[key]
        expected = f"a {'whole number' if key == 'jobs' else 'number'} from {low:g} to {high:,.0f}"
        number = as_real(value)
        if number is None:
            found = f"'{value}'" if equals else "no value"
            raise InputError(where, found, expected, f"Write {key}={_RANGES[key][0]:g}.")
        values[key] = number
        if not low <= values[key] <= high or (key == "jobs" and values[key] % 1):
            raise InputError(where, value, expected)
    values = {key: values.get(key, default) for key, (default, _, _) in _RANGES.items()}
    jobs, load = int(values["jobs"]), values["load"]
    if name == "synthetic":
        return rigid(cluster, jobs=jobs, load=load, seed=seed, name=text)
    return elastic(cluster, jobs=jobs, load=load, seed=seed, name=text, place=cluster_place)


def _streams(seed: int) -> list[np.random.Generator]:
    """One generator per purpose, so that a change of one leaves the others as they were."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(4)]


def _arrivals(random: np.random.Generator, span: float, jobs: int) -> NDArray[np.float64]:
    """Return Poisson arrivals of which the last is at `span` [s]: the mean gap is that of the jobs that are drawn.

    Running times vary so much that the mean of a thousand misses the distribution's by a tenth, and so would the load.
    """
    gaps = np.cumsum(random.exponential(size=jobs))
    submit: NDArray[np.float64] = gaps * (span / gaps[-1])
    return submit


def _names(jobs: int) -> list[str]:
    return [f"job-{row}" for row in range(jobs)]
