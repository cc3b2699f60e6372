"""Steps of eight models predicted from measured kernels, beside published steps: alone, and with a constant fitted."""

from simcore import rates
from simcore.cluster import read_step_times
from simcore.readers import read_device

MODELS = ["shufflenetv2", "resnet50", "vgg19", "yolov3", "ncf", "bert", "electra", "swintransformer"]
GPUS = ["v100", "p100", "t4"]
SHEETS = {"SXM2": ("v100-32gb", "p100-16gb", "t4"), "PCIe": ("v100-pcie-32gb", "p100-pcie-16gb", "t4")}

published = read_step_times("sc23-steps").value.seconds
kernels = rates(models=MODELS, devices=GPUS, batches="published").rates.seconds
made = rates(models=MODELS, devices=GPUS, batches="published", fit_to="sc23-steps", fit_on="v100")
fitted, forms = made.rates.seconds, {one.model: one.remainder.text for one in made.fitted}


def mape(errors: list[float]) -> str:
    return f"{sum(map(abs, errors)) / len(errors):6.1%}"


print("model           batch  gpu   published [s]  kernels [s]  published / kernels  fitted on v100 [s]   error")
for (model, batch, gpu), seconds in published.items():
    alone, ours = kernels[model, batch, gpu], fitted[model, batch, gpu]
    print(f"{model:15} {batch:5}  {gpu:4}  {seconds:13.4f}  {alone:11.4f}  {seconds / alone:19.2f}"
          f"  {ours:18.4f}  {ours / seconds - 1:6.1%}{'  in sample' if gpu == 'v100' else ''}")  # fmt: skip

print("\nbeside kernels, fitted to the steps on v100")
for model in MODELS:
    print(f"{model:15}  {forms[model]}")

print(f"\n{'mean absolute error of the steps that were not fitted':60}   p100      t4")
predicted = {gpu: [fitted[key] / seconds - 1 for key, seconds in published.items() if key[2] == gpu] for gpu in GPUS}
print(f"{'kernels, and a constant per model':60} {mape(predicted['p100'])}  {mape(predicted['t4'])}")
for card, names in SHEETS.items():
    peak = {gpu: read_device(name).value.peaks["fp32"] for gpu, name in zip(GPUS, names, strict=True)}
    errors = {
        gpu: [
            published[model, batch, "v100"] * peak["v100"] / peak[gpu] / seconds - 1
            for (model, batch, other), seconds in published.items()
            if other == gpu
        ]
        for gpu in GPUS
    }
    print(f"{'the step on v100 by the ratio of peak FLOP/s, ' + card:60} {mape(errors['p100'])}  {mape(errors['t4'])}")
