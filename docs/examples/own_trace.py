"""A trace, a cluster and step times of one's own, from three small files."""

import tempfile
from pathlib import Path

import simcore

TRACE = """\
name,submit_s,model,max_parallelism,batch_size,samples,heterogeneous,gpu_type
first,0,mynet,4,32,12800,yes,a100
second,10,mynet,2,32,6400,yes,a100
third,20,mynet,4,32,12800,no,l4
"""
CLUSTER = """\
name: two-racks
gpus:
  a100: 4
  l4: 4
"""
RATES = """\
# note: made up for this example
model,batch_size,gpu_type,seconds_per_minibatch,kind
mynet,32,a100,0.5,assumed
mynet,32,l4,1.0,assumed
"""

with tempfile.TemporaryDirectory() as folder:
    files = {name: Path(folder) / name for name in ("trace.csv", "cluster.yaml", "rates.csv")}
    for path, text in zip(files.values(), (TRACE, CLUSTER, RATES), strict=True):
        path.write_text(text)
    result = simcore.trace(
        files["trace.csv"],
        cluster=files["cluster.yaml"],
        rates=files["rates.csv"],
        policies=["fifo", "easyscale-heter"],
        interval=10,
        rules="corrected",
    )

for job in result.jobs:
    print(
        f"{job['policy']:15}  {job['name']:6}  start {job['start_s']:5.1f}  end {job['end_s']:6.1f}  "
        f"JCT {job['jct_s']:6.1f}  a100 {job['gpu_seconds_a100']:6.1f}  l4 {job['gpu_seconds_l4']:6.1f} GPU s"
    )
