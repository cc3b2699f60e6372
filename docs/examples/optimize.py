"""How the best split moves with the loop, and what a cap on the dearest dimension costs."""

from simcore import optimize

print("1T on 4D, 325 GB/s per NPU")
print("target       loop       b1     b2     b3     b4  GB/s   time [ms]  speed-up  cost [M$]")
for target in ("Perf", "PerfPerCost"):
    for loop in ("NoOverlap", "Overlap"):
        plan = optimize("4D", "325 GB/s", "1T", target, loop).plan
        split = "  ".join(f"{b / 1e9:5.3g}" for b in plan.bandwidths)
        numbers = f"{plan.iteration_time * 1e3:9.1f}  {plan.speedup:8.3f}  {plan.cost / 1e6:9.2f}"
        print(f"{target:11}  {loop:9}  {split}        {numbers}")
        assert plan.relative_gap < 1e-6

print()
print("cap on Pod [GB/s]   time [ms]   one GB/s more would save")
for cap in (40, 20, 10, 5):
    plan = optimize("4D", "325 GB/s", "1T", "Perf", "Overlap", caps={"Pod": f"{cap} GB/s"}).plan
    price = {each.name: each.per_bandwidth for each in plan.shadow_prices}[f"--cap Pod={cap} GB/s"]
    print(f"{cap:17}   {plan.iteration_time * 1e3:9.2f}   {price * 1e9 * 1e3:21.2f} ms")
