"""simcore: measure kernels, fit one performance model, run it through studies of clusters and networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simcore._lazy import attach
from simcore._version import __version__

if TYPE_CHECKING:
    from simcore.loading import LoadedResult, load
    from simcore.models.network.sharing.jobs import simulate
    from simcore.studies.collective import CollectiveRequest, CollectiveResult, collective
    from simcore.studies.evaluate import EvaluateRequest, Evaluation, evaluate
    from simcore.studies.iteration import IterationRequest, IterationResult, iteration
    from simcore.studies.iteration.sweep import SweepRequest, SweepResult, sweep
    from simcore.studies.memory import MemoryRequest, MemoryResult, memory
    from simcore.studies.messages import MessagesRequest, MessagesResult, messages
    from simcore.studies.model import ModelRequest, ModelResult, model
    from simcore.studies.optimize import OptimizeRequest, OptimizeResult, optimize
    from simcore.studies.rates import RatesRequest, RatesResult, rates
    from simcore.studies.schedule import ScheduleRequest, ScheduleResult, schedule
    from simcore.studies.search import SearchRequest, SearchResult, search
    from simcore.studies.share import ShareRequest, ShareResult, share
    from simcore.studies.sparse import SparseRequest, SparseResult, sparse
    from simcore.studies.trace import TraceRequest, TraceResult, trace
    from simcore.studies.trace.sweep import TraceSweepRequest, TraceSweepResult, trace_sweep
    from simcore.studies.train import TrainRequest, TrainResult, train
    from simcore.studies.tune import TuneRequest, TuneResult, tune
    from simcore.studies.validate import ValidateRequest, ValidateResult, validate
    from simcore.studies.verify import VerifyRequest, VerifyResult, verify
    from simcore.studies.workload import WorkloadRequest, WorkloadResult, workload

__getattr__, __dir__ = attach(
    __name__,
    {
        "CollectiveRequest": "simcore.studies.collective",
        "CollectiveResult": "simcore.studies.collective",
        "EvaluateRequest": "simcore.studies.evaluate",
        "Evaluation": "simcore.studies.evaluate",
        "IterationRequest": "simcore.studies.iteration",
        "IterationResult": "simcore.studies.iteration",
        "LoadedResult": "simcore.loading",
        "MemoryRequest": "simcore.studies.memory",
        "MemoryResult": "simcore.studies.memory",
        "MessagesRequest": "simcore.studies.messages",
        "MessagesResult": "simcore.studies.messages",
        "ModelRequest": "simcore.studies.model",
        "ModelResult": "simcore.studies.model",
        "OptimizeRequest": "simcore.studies.optimize",
        "OptimizeResult": "simcore.studies.optimize",
        "RatesRequest": "simcore.studies.rates",
        "RatesResult": "simcore.studies.rates",
        "ScheduleRequest": "simcore.studies.schedule",
        "ScheduleResult": "simcore.studies.schedule",
        "SearchRequest": "simcore.studies.search",
        "SearchResult": "simcore.studies.search",
        "ShareRequest": "simcore.studies.share",
        "ShareResult": "simcore.studies.share",
        "SparseRequest": "simcore.studies.sparse",
        "SparseResult": "simcore.studies.sparse",
        "SweepRequest": "simcore.studies.iteration.sweep",
        "SweepResult": "simcore.studies.iteration.sweep",
        "TraceRequest": "simcore.studies.trace",
        "TraceResult": "simcore.studies.trace",
        "TraceSweepRequest": "simcore.studies.trace.sweep",
        "TraceSweepResult": "simcore.studies.trace.sweep",
        "TrainRequest": "simcore.studies.train",
        "TrainResult": "simcore.studies.train",
        "TuneRequest": "simcore.studies.tune",
        "TuneResult": "simcore.studies.tune",
        "ValidateRequest": "simcore.studies.validate",
        "ValidateResult": "simcore.studies.validate",
        "VerifyRequest": "simcore.studies.verify",
        "VerifyResult": "simcore.studies.verify",
        "WorkloadRequest": "simcore.studies.workload",
        "WorkloadResult": "simcore.studies.workload",
        "collective": "simcore.studies.collective",
        "evaluate": "simcore.studies.evaluate",
        "iteration": "simcore.studies.iteration",
        "load": "simcore.loading",
        "memory": "simcore.studies.memory",
        "messages": "simcore.studies.messages",
        "model": "simcore.studies.model",
        "optimize": "simcore.studies.optimize",
        "rates": "simcore.studies.rates",
        "schedule": "simcore.studies.schedule",
        "search": "simcore.studies.search",
        "share": "simcore.studies.share",
        "simulate": "simcore.models.network.sharing.jobs",
        "sparse": "simcore.studies.sparse",
        "sweep": "simcore.studies.iteration.sweep",
        "trace": "simcore.studies.trace",
        "trace_sweep": "simcore.studies.trace.sweep",
        "train": "simcore.studies.train",
        "tune": "simcore.studies.tune",
        "validate": "simcore.studies.validate",
        "verify": "simcore.studies.verify",
        "workload": "simcore.studies.workload",
    },
)

__all__ = [
    "CollectiveRequest",
    "CollectiveResult",
    "EvaluateRequest",
    "Evaluation",
    "IterationRequest",
    "IterationResult",
    "LoadedResult",
    "MemoryRequest",
    "MemoryResult",
    "MessagesRequest",
    "MessagesResult",
    "ModelRequest",
    "ModelResult",
    "OptimizeRequest",
    "OptimizeResult",
    "RatesRequest",
    "RatesResult",
    "ScheduleRequest",
    "ScheduleResult",
    "SearchRequest",
    "SearchResult",
    "ShareRequest",
    "ShareResult",
    "SparseRequest",
    "SparseResult",
    "SweepRequest",
    "SweepResult",
    "TraceRequest",
    "TraceResult",
    "TraceSweepRequest",
    "TraceSweepResult",
    "TrainRequest",
    "TrainResult",
    "TuneRequest",
    "TuneResult",
    "ValidateRequest",
    "ValidateResult",
    "VerifyRequest",
    "VerifyResult",
    "WorkloadRequest",
    "WorkloadResult",
    "__version__",
    "collective",
    "evaluate",
    "iteration",
    "load",
    "memory",
    "messages",
    "model",
    "optimize",
    "rates",
    "schedule",
    "search",
    "share",
    "simulate",
    "sparse",
    "sweep",
    "trace",
    "trace_sweep",
    "train",
    "tune",
    "validate",
    "verify",
    "workload",
]
