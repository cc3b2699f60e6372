"""Where ASTRA-sim's counting and physics part: the same collectives by both, and the bound that no network beats."""

from simcore import collective

RING, SWITCH = "Ring(8)@100GiB/s,0ns", "Switch(8)@100GiB/s,500ns"
CUBE = "Ring(4)@200GiB/s,50ns x FC(8)@140GiB/s,250ns x Switch(4)@50GiB/s,1us"
CASES = [
    ("all-reduce 64 MiB, ring, 4 in flight", "all-reduce", "64MiB", RING, {"in_flight": 4}),
    ("all-to-all 1 GiB, switch", "all-to-all", "1GiB", SWITCH, {}),
    ("all-to-all 1 GiB, ring", "all-to-all", "1GiB", RING, {}),
    ("all-reduce 1 GiB, cube", "all-reduce", "1GiB", CUBE, {}),
    ("all-reduce 1 GiB, cube, 2 in flight", "all-reduce", "1GiB", CUBE, {"in_flight": 2}),
    ("all-reduce 64 MiB, cube, themis", "all-reduce", "64MiB", CUBE, {"schedule": "themis"}),
    ("all-reduce 64 MiB, cube, latency-aware", "all-reduce", "64MiB", CUBE, {"schedule": "latency-aware"}),
]

print("case                                     astra-sim [us]  physical [us]  bound [us]")
for name, operation, size, network, options in CASES:
    run = {"network": network, "chunks": 64, **options}
    astra, physical = collective(operation, size, convention="astra-sim", **run), collective(operation, size, **run)
    print(f"{name:40s} {1e6 * astra.time:14.2f} {1e6 * physical.time:14.2f} {1e6 * physical.bound:11.2f}")
