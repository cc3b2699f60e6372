"""Two 175B jobs on the 4D network: what they do to each other depends on where they sit."""

from simcore.network import Job, place, read_network, simulate
from simcore.training import read_workload

BANDWIDTHS = [81.25e9] * 4  # 325 GB/s per NPU, split equally
topology = read_network("4D", "network").value.topology
sizes = [dimension.size for dimension in topology.dimensions]


def job(name, positions, dp):
    workload = read_workload("175B", "workload", variant="evaluation", tp=16, dp=dp).value
    groups = place(topology, positions, 16, dp, name)
    return Job(name, workload, tuple(tuple(each) for each in positions), groups, compute_scale=0.26)


def half(dimension, positions):
    return [positions if i == dimension else range(size) for i, size in enumerate(sizes)]


everything = [range(size) for size in sizes]
PLACEMENTS = {
    "halves of the switch (dim 4)": (half(3, range(4)), half(3, range(4, 8)), 32),
    "halves of the ring (dim 3)": (half(2, range(4)), half(2, range(4, 8)), 32),
    "alternate on the ring (dim 3)": (half(2, range(0, 8, 2)), half(2, range(1, 8, 2)), 32),
    "both on all links": (everything, everything, 64),
}

print("placement                       alone [ms]  together [ms]  slowdown")
for name, (first, second, dp) in PLACEMENTS.items():
    jobs = [job("first", first, dp), job("second", second, dp)]
    alone = simulate(jobs[:1], topology, BANDWIDTHS).jobs[0].time
    together = max(run.time for run in simulate(jobs, topology, BANDWIDTHS).jobs)
    print(f"{name:31s} {1e3 * alone:10.3f}  {1e3 * together:13.3f}  {together / alone:8.4f}")
