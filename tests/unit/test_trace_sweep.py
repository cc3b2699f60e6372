"""A sweep of the cluster study: combinations, seeds, where runs go and how it goes on."""

import json

import pytest
from simcore.errors import InputError, RunError
from simcore.models.cluster.intervals import mean_interval
from simcore.progress import watched
from simcore.studies.parallel import checked_jobs
from simcore.studies.request import descriptions
from simcore.studies.trace import trace
from simcore.studies.trace.sweep import TraceSweepRequest, trace_sweep
from simcore.studies.trace.sweep.inputs import axes_of, cells_of
from simcore.studies.trace.sweep.kept import REQUEST, RUNS, others_than

SMALL = {"trace": "synthetic:jobs=12", "interval": "event", "vary": "policy=fifo,srtf,load=0.5,1.5", "seeds": 3}


def test_every_combination_has_every_seed_and_the_numbers_of_a_run_alone():
    result = trace_sweep(**SMALL)
    assert len(result.rows) == 12
    assert len(result.settings) == 4
    alone = [
        trace("synthetic:jobs=12", policies="srtf", interval="event", load=1.5, seed=seed).table[0] for seed in range(3)
    ]
    wanted = mean_interval([row["p99_jct_s"] for row in alone])
    row = next(
        r for r in result.table if (r["policy"], r["load"], r["metric"]) == ("srtf", 1.5, "p99_jct_s")
    )  # fmt: skip
    assert (row["mean"], row["low"], row["high"]) == (wanted.mean, wanted.low, wanted.high)
    assert len(result.sentences()) == 2


def test_values_of_their_own_and_policies_of_the_option():
    axes = axes_of(TraceSweepRequest(policies=["fifo", "sjf:estimate=noisy,noise=1"], vary="policy,interval,placement"))
    assert axes["policy"] == ("fifo", "sjf:estimate=noisy,noise=1")
    assert axes["interval"] == (60.0, 300.0, "event")
    assert axes["placement"] == descriptions(TraceSweepRequest)["placement"].choices


def test_a_cell_that_no_seed_changes_runs_once():
    request = TraceSweepRequest("sc23", policies=["fifo", "sjf:estimate=noisy"], vary="policy", seeds=5)
    cells, what = cells_of(request, axes_of(request))
    assert [cell.values[0] for cell in cells].count("fifo") == 1
    assert len(cells) == 6
    assert what == ["the noise of estimates (sjf:estimate=noisy)"]


@pytest.mark.parametrize(
    ("vary", "place"),
    [
        ("lod=1,2", "load"), ("load=1,x", "a number"), ("load=1,1", "twice"), ("load=1,load=2", "twice"),
        ("cluster", "no values"), ("placement=packed,spred", "spread"), ("", "options that vary"),
        ("policy=fifi", "fifo"),
    ],
)  # fmt: skip
def test_what_cannot_be_varied_is_refused(vary, place):
    with pytest.raises(InputError, match=place):
        trace_sweep("synthetic:jobs=5", vary=vary)


def test_an_option_beside_its_values_is_refused():
    with pytest.raises(InputError, match="one of the two"):
        trace_sweep("synthetic:jobs=5", vary="load=0.5,1", load=0.7)


def test_a_sweep_that_is_interrupted_goes_on_where_it_was(tmp_path):
    class Stop(Exception):
        pass

    def stop(what, done, total):
        if what == "runs" and done == 5:
            raise Stop

    request, folder = TraceSweepRequest(**SMALL), tmp_path / "out"
    with pytest.raises(Stop), watched(stop):
        trace_sweep.of(request, keep=folder)
    assert len(list((folder / RUNS).iterdir())) == 5
    told = []
    with watched(lambda what, done, total: told.append(done) if what == "runs" else None):
        result = trace_sweep.of(request, keep=folder)
    assert told[0] == 5
    assert told[-1] == 12
    assert result.tables() == trace_sweep(**SMALL).tables()
    result.write(folder, force=True)
    with watched(lambda what, done, total: told.append(done) if what == "runs" else None):
        again = trace_sweep.of(request, keep=folder)
    assert told[-1] == 12
    assert again.to_json() == result.to_json()


def test_a_run_that_was_cut_short_is_made_again(tmp_path):
    request, folder = TraceSweepRequest(**SMALL), tmp_path / "out"
    whole = trace_sweep.of(request, keep=folder)
    kept = sorted((folder / RUNS).iterdir())
    kept[0].write_text(kept[0].read_text()[:40])
    assert trace_sweep.of(request, keep=folder).tables() == whole.tables()
    json.loads(kept[0].read_text())


def test_the_folder_of_another_sweep_is_refused(tmp_path):
    trace_sweep.of(TraceSweepRequest(**SMALL), keep=tmp_path / "out")
    with pytest.raises(InputError, match="another sweep, which differs in startup-delay"):
        trace_sweep.of(TraceSweepRequest(**(SMALL | {"startup_delay": 3.0})), keep=tmp_path / "out")
    said = (tmp_path / "out" / REQUEST).read_text()
    assert others_than(said, said) == []
    assert others_than(said, said.replace('"simpy": ', '"simpy": "0", "SimPy": ')) == ["versions"]
    assert others_than("{}", said) == ["how it is written down"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="no sweep"):
        trace_sweep.of(TraceSweepRequest(**SMALL), keep=tmp_path / "mine")


def test_a_file_that_changed_since_is_not_mixed_with_its_runs(tmp_path):
    clusters = [tmp_path / name for name in ("small.yaml", "large.yaml")]
    for path, gpus in zip(clusters, (32, 64), strict=True):
        path.write_text(f"gpus: {{v100: {gpus}}}\n")
    how = {"policies": "fifo", "interval": "event", "seeds": 1, "vary": "cluster=" + ",".join(map(str, clusters))}
    trace_sweep.of(TraceSweepRequest("synthetic:jobs=5", **how), keep=tmp_path / "out")
    clusters[1].write_text("gpus: {v100: 128}\n")
    with pytest.raises(InputError, match=r"the content of cluster .*large\.yaml"):
        trace_sweep.of(TraceSweepRequest("synthetic:jobs=5", **how), keep=tmp_path / "out")


def test_restart_costs_reach_the_runs_of_their_policies():
    """The same runs as one by one, whose table has the GPU-hours of delays."""
    how = {"interval": "event", "startup_delay": 0.0, "policies": "fifo,srtf,las:quantum=600"}
    costs = {"restart_cost": "srtf=30,las=60"}
    rows = trace_sweep("synthetic:jobs=60,load=9", vary="startup", **how, **costs).runs
    alone = trace("synthetic:jobs=60,load=9", startup="once", **how, **costs).table
    found = [row["delay_gpu_hours"] for row in rows if row["startup"] == "once"]
    assert found == alone.column("delay_gpu_hours")
    assert found[0] == 0.0 < min(found[1:])


def test_processes_give_the_numbers_of_one():
    request = TraceSweepRequest(**(SMALL | {"seeds": 2}))
    assert trace_sweep.of(request, jobs=2).to_json() == trace_sweep.of(request).to_json()


def test_a_dask_cluster_gives_the_numbers_of_one_process():
    distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    request = TraceSweepRequest(**(SMALL | {"seeds": 2}))
    how = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "protocol": "tcp", "dashboard_address": None}
    with distributed.LocalCluster(host="127.0.0.1", **how) as cluster:
        address = cluster.scheduler_address.replace("tcp://", "dask://")
        assert trace_sweep.of(request, jobs=address).to_json() == trace_sweep.of(request).to_json()


def test_where_no_cluster_answers_it_is_said(monkeypatch):
    distributed = pytest.importorskip("distributed", reason="the extra [cluster] is not installed")

    def nobody(address, **how):
        raise OSError(f"Timed out trying to connect to {address}")

    monkeypatch.setattr(distributed, "Client", nobody)
    with pytest.raises(RunError, match="no scheduler of dask answers at tcp://127"):
        trace_sweep.of(TraceSweepRequest(**SMALL), jobs="dask://127.0.0.1:9")


@pytest.mark.parametrize("jobs", ["none", "0", "dask://", 0, "1.5"])
def test_other_words_for_processes_are_refused(jobs):
    with pytest.raises(InputError, match="dask://HOST"):
        checked_jobs(jobs)


def test_a_head_names_no_cluster_where_clusters_vary_and_equal_policies_tie():
    result = trace_sweep("synthetic:jobs=4,load=0.01", policies="fifo,sjf", interval="event", seeds=2,
                         vary=("cluster=sc23,v100-4096",))  # fmt: skip
    assert result.where == ""
    assert result.report()[0].text.startswith("sweep of trace synthetic:jobs=4,load=0.01: 4 settings")
    assert "With cluster v100-4096 fifo and sjf have the same mean JCT, " in " ".join(result.sentences())
    assert trace_sweep(**SMALL).where == " on cluster sc23"
