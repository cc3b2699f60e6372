"""A trace of dynamic sparse jobs with the kernels changed: dense, and by PIT (SOSP'23), on one cluster."""

import tempfile
from pathlib import Path

from simcore import rates, trace

LENGTHS = "length,share\n32,0.45\n64,0.30\n128,0.15\n256,0.07\n384,0.03\n"  # drawn by hand: no histogram is published
JOBS = """name,submit_s,model,batch_size,max_parallelism,heterogeneous,gpu_type,samples
a,0,bert-base,8,4,no,v100,60000
b,300,bert-base,16,2,no,v100,40000
c,600,bert-large,8,4,no,v100,30000
d,900,bert-base,8,4,no,v100,60000
e,1200,bert-large,8,2,no,v100,20000
f,1500,bert-base,16,4,no,v100,80000
"""
CASES = {
    "dense jobs": {},
    "lengths, padded": {"lengths": True, "kernels": "dense"},
    "lengths, PIT": {"lengths": True},
    "0.9@32x64, dense": {"sparsity": "0.9@32x64", "kernels": "dense"},
    "0.9@32x64, PIT": {"sparsity": "0.9@32x64"},
    "both, dense": {"lengths": True, "sparsity": "0.9@32x64", "kernels": "dense"},
    "both, PIT": {"lengths": True, "sparsity": "0.9@32x64"},
}

with tempfile.TemporaryDirectory() as folder:
    histogram, jobs, cluster = (Path(folder) / name for name in ("lengths.csv", "jobs.csv", "gpus.yaml"))
    histogram.write_text(LENGTHS)
    jobs.write_text(JOBS)
    cluster.write_text("gpus: {v100: 4}\n")
    print("jobs of BERT, 384 tokens       step of bert-base, batch 8   mean JCT   makespan")
    for name, masks in CASES.items():
        given = {**masks, **({"lengths": histogram} if "lengths" in masks else {})}
        table = rates(models=["bert-base", "bert-large"], devices="v100", batches=[8, 16], **given).rates
        result = trace(jobs, cluster=cluster, rates=table, policies="fifo")
        summary = next(iter(result.tables()["summary"]))
        step = table.seconds["bert-base", 8, "v100"]
        print(f"{name:28} {step * 1e3:22.1f} ms {summary['mean_jct_s']:13.0f} s {summary['makespan_s']:8.0f} s")
