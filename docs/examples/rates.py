"""Predicted steps of BERT and ELECTRA from measured kernels, beside published steps on GPUs of the same names."""

from simcore import rates
from simcore.cluster import read_step_times

GPUS = {"v100": "v100-pcie-32gb", "p100": "p100-pcie-16gb", "t4": "t4"}
MODELS = {"bert": "bert-base", "electra": "electra-base"}

found = rates(
    profiles=list(GPUS.values()),
    devices=list(GPUS),
    models=list(MODELS.values()),
    names=list(MODELS),
    batches=[8, 16],
)
predicted, published = found.rates.seconds, read_step_times("sc23-measured").value.seconds

print("batch 8  gpu   predicted [s]  published [s]  published / predicted")
for model in MODELS:
    for gpu in GPUS:
        ours, theirs = (table[model, 8, gpu] for table in (predicted, published))
        print(f"{model:7}  {gpu:4}  {ours:13.4f}  {theirs:13.4f}  {theirs / ours:21.2f}")

more, measured = (table["bert", 16, "v100"] - table["bert", 8, "v100"] for table in (predicted, published))
print(f"8 more sequences of bert on v100: predicted {more:.4f} s, published {measured:.4f} s, {measured / more:.2f}")
