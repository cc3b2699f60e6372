import csv

import numpy as np
import pytest
import simcore
from hypothesis import given
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.files import csv_text
from simcore.models.cluster.cluster import Cluster
from simcore.models.cluster.jobs import JobClass, build_trace
from simcore.readers.step_times import read_step_times
from simcore.traces import easyscale, read_trace, synthetic, table

SC23 = Cluster("sc23", ("v100", "p100", "t4"), (32, 16, 16))
OWN = ",".join(table.COLUMNS) + "\n"
ARTIFACT = ",".join(easyscale.COLUMNS) + "\n"
NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1)
JOBS = st.tuples(
    st.floats(0, 1e9, allow_subnormal=False),
    NAMES,
    st.integers(1, 64),
    st.integers(1, 4096),
    st.floats(1e-3, 1e12),
    st.booleans(),
    NAMES,
)


@given(st.lists(JOBS, min_size=1, max_size=6))
def test_a_trace_survives_its_own_format(jobs):
    rows = [(f"job {i}", *job[:5], "yes" if job[5] else "no", job[6]) for i, job in enumerate(jobs)]
    trace = table.read(csv_text(table.COLUMNS, rows), "t.csv")
    assert trace.submit.tolist() == [job[0] for job in jobs]
    assert trace.work.tolist() == [job[4] for job in jobs]
    for kind, job in zip(trace.class_index, jobs, strict=True):
        c = trace.classes[kind]
        assert (c.model, c.max_parallelism, c.batch_size, c.heterogeneous, c.gpu_type) == (*job[1:4], *job[5:])
    assert [trace.place(i) for i in range(len(trace))] == [
        f"t.csv, line {i + 2}, job 'job {i}'" for i in range(len(trace))
    ]


@given(st.text(), st.sampled_from(["", OWN, ARTIFACT]))
@pytest.mark.parametrize("reader", [table.read, easyscale.read])
def test_any_text_is_a_trace_or_an_input_error(reader, text, header):
    try:
        assert len(reader(header + text, "t.csv"))
    except InputError as error:
        message = str(error)
    else:
        message = "t.csv"
    assert message.startswith("t.csv")


ROW = ["a", "0", "bert", "4", "8", "320", "no", "v100"]


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "inf", "1e400", "0x10", "--", "1,5", "½"])
@pytest.mark.parametrize("field", ["submit_s", "max_parallelism", "batch_size", "samples"])
def test_fields_that_are_no_number(field, text):
    fields = list(ROW)
    fields[table.COLUMNS.index(field)] = text
    with pytest.raises(InputError, match=f"t.csv, line 3, field '{field}': found .*, expected a "):
        table.read(csv_text(["# c"], []) + csv_text(table.COLUMNS, [fields]), "t.csv")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,0,bert,4,8,320,no"], "line 2, field 'gpu_type': found nothing.* A row has 8 fields"),
        (["a,0,bert,4,8,320,no,v100,x"], "line 2: found 9 fields, the last 'x', expected 8"),
        (["a,0,bert,4,8,320,no,v100", "b,0,bert,4,8,320,no,v100", "a,1,bert,4,8,320,no,v100"], "line 4, field 'name'"),
        ([], "found a header and no jobs"),
        (["a,0,bert,0,8,320,no,v100"], "'max_parallelism': found 0, expected a number of at least 1"),
        (["a,0,bert,4,8,0,no,v100"], "'samples': found 0, expected a number of more than 0"),
        (["a,0,bert,4,8,320,maybe,v100"], "'heterogeneous': found 'maybe', expected yes or no"),
        ([",0,bert,4,8,320,no,v100"], "'name': found nothing, expected a name"),
    ],
)
def test_rows_that_are_wrong(rows, message):
    with pytest.raises(InputError, match=message):
        table.read(OWN + "\n".join(rows), "t.csv")


def test_a_spreadsheets_trailing_commas_are_no_data():
    text = OWN.strip() + ",,\n" + ",".join(ROW) + ",,\n"
    assert table.read(text, "t.csv").names == ["a"]
    with pytest.raises(InputError, match="found 10 fields"):
        table.read(text.replace("v100,,", "v100,,5"), "t.csv")


def test_the_artifacts_quirks_are_mended_and_told():
    text = (
        ARTIFACT.strip()
        + ",\n"
        + "\n".join(
            ["a,5,bert,4,8,2,40,v100,x", "b,6,ncf,8,64,1,0,t4,", "a,9,ncf,2,64,1,yes,p100", "c,7,bert,4,8,1,1,v100"]
        )
    )
    trace = easyscale.read(text, "t.csv")
    assert trace.names == ["a", "b", "c"]
    assert trace.submit.tolist() == [9.0, 6.0, 7.0]
    assert trace.work.tolist() == [49708.45, 49708.45, 886.41]
    assert [trace.place(0), trace.classes[trace.class_index[0]].heterogeneous] == ["t.csv, line 4, job 'a'", True]
    comma, flag, names = trace.notes
    assert "ends in a comma" in comma
    assert "a (line 2) has 40" in flag
    assert "a (lines 2, 4)" in names
    assert "4 rows give 3 jobs" in names


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,5,brt,4,8,2,1,v100", "field 'application': found 'brt'.* Did you mean 'bert'"),
        ("a,5,bert,4,8,2,perhaps,v100", "found 'perhaps', expected 0 or 1"),
        ("a,5,bert,4,8,2,nan,v100", "found 'nan', expected 0 or 1"),
        ("a,5,bert,4,8,0,1,v100", "'epochs': found 0"),
        ("a,5,bert,4,8,2,1", "'preferred_gpu': found nothing"),
        ("a,5,bert,4,8,2,1,v100,x", "found 9 fields"),
    ],
)
def test_artifact_rows_that_are_wrong(row, message):
    with pytest.raises(InputError, match=message):
        easyscale.read(ARTIFACT + row, "t.csv")


def test_the_artifacts_own_file_gives_the_bundled_jobs(shared):
    path = shared / "traces" / "easyscale_sc23" / "test.csv"
    if not path.is_file():
        pytest.skip("the artifact's trace is not in ../shared")
    read = read_trace(path, cluster=SC23)
    theirs = read.value
    ours = read_trace("sc23", cluster=SC23).value
    assert len(theirs.notes) == 3
    assert (read.name, len(read.sha256)) == (str(path), 64)
    assert theirs.names == ours.names
    np.testing.assert_array_equal(theirs.submit, ours.submit)
    np.testing.assert_allclose(theirs.work, ours.work, rtol=1e-15)
    assert [theirs.classes[k] for k in theirs.class_index] == [ours.classes[k] for k in ours.class_index]


def test_the_bundled_trace_is_the_published_one(shared):
    ours = read_trace("sc23", cluster=SC23).value
    with (shared / "data" / "easyscale" / "workload_effective_62_jobs.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(ours) == 62


@pytest.mark.parametrize("name", ["sc24", "", "no/such.csv", "x" * 300, "syntetic:jobs=3"])
def test_a_trace_that_is_not_there(name):
    with pytest.raises(InputError, match="expected one of sc23, synthetic"):
        read_trace(name, cluster=SC23)


def test_a_directory_and_an_unknown_format(tmp_path):
    with pytest.raises(InputError, match="found a directory"):
        read_trace(tmp_path, cluster=SC23)
    with pytest.raises(InputError, match="file_format: found 'csv'"):
        read_trace("sc23", cluster=SC23, file_format="csv")


@pytest.mark.parametrize("generator", ["synthetic", "synthetic-elastic"])
@pytest.mark.parametrize(
    "rest",
    ["jobs=0", "jobs=1.5", "jobs=", "jobs", "jobs=nan", "jobs=1e18", "load=-1", "load=inf", "lod=1", "jobs=1,jobs=2"],
)
def test_generator_parameters_that_are_wrong(generator, rest):
    with pytest.raises(InputError, match=f"trace '{generator}:{rest}'"):
        read_trace(f"{generator}:{rest}", cluster=SC23)


@pytest.mark.parametrize("generator", ["synthetic", "synthetic-elastic"])
def test_generators_repeat_and_do_not_mix_their_streams(generator):
    read = read_trace(f"{generator}:jobs=50,load=0.5", cluster=SC23, seed=3)
    one = read.value
    same = read_trace(f"{generator}:jobs=50,load=0.5", cluster=SC23, seed=3).value
    denser = read_trace(f"{generator}:jobs=50,load=1", cluster=SC23, seed=3).value
    other = read_trace(f"{generator}:jobs=50,load=0.5", cluster=SC23, seed=4).value
    assert read.sha256 == ""
    np.testing.assert_array_equal(one.submit, same.submit)
    np.testing.assert_array_equal(one.work, denser.work)
    np.testing.assert_allclose(denser.submit, one.submit / 2)
    assert (one.submit != other.submit).all()


@given(st.lists(st.integers(0, 100), min_size=1, max_size=3).filter(any), st.integers(0, 5))
def test_generated_gangs_fit_every_cluster(counts, seed):
    cluster = Cluster("c", ("v100", "p100", "t4")[: len(counts)], tuple(counts))
    trace = synthetic.rigid(cluster, jobs=40, load=0.9, seed=seed)
    for kind in trace.class_index:
        job = trace.classes[kind]
        assert job.max_parallelism <= cluster.counts[cluster.types.index(job.gpu_type)]


@pytest.mark.parametrize("jobs", [30, 2000])
@pytest.mark.parametrize("counts", [(4096,), (32, 16, 16), (3, 5)])
def test_the_offered_load_is_the_one_asked_for(counts, jobs):
    """Of the very jobs that are drawn, whose lengths vary widely; not only on average."""
    cluster = Cluster("c", ("v100", "p100", "t4")[: len(counts)], counts)
    trace = synthetic.rigid(cluster, jobs=jobs, load=0.8, seed=1)
    sizes = np.array([c.max_parallelism for c in trace.classes])[trace.class_index]
    assert (trace.work * sizes).sum() / (trace.submit[-1] * cluster.gpus) == pytest.approx(0.8, rel=1e-12)


def test_the_offered_load_of_elastic_jobs_is_the_one_asked_for():
    trace = synthetic.elastic(SC23, jobs=50, load=0.6, seed=2)
    times = read_step_times("sc23-measured").value
    sizes = np.array([c.max_parallelism for c in trace.classes])[trace.class_index]
    seconds = np.array([times.seconds[c.model, c.batch_size, c.gpu_type] for c in trace.classes])[trace.class_index]
    assert (trace.steps() * seconds * sizes).sum() / (trace.submit[-1] * SC23.gpus) == pytest.approx(0.6, rel=1e-12)


JOB = JobClass("bert", 8, 4, False, "v100")


@pytest.mark.parametrize(
    ("names", "submit", "samples", "message"),
    [
        ([], [], [], "found no jobs"),
        (["a"], [np.nan], [1.0], "mine, job 'a': found a submission time of nan"),
        (["a", "b"], [0.0, -1.0], [1.0, 1.0], "mine, job 'b': found a submission time of -1"),
        (["a"], [0.0], [np.inf], "found a number of samples of inf"),
        (["a"], [0.0], [0.0], "found a number of samples of 0"),
        (["a", "a"], [0.0, 1.0], [1.0, 1.0], "found jobs that share the name 'a'"),
    ],
)
def test_traces_made_in_python_are_checked_too(names, submit, samples, message):
    mine = build_trace("mine", names, submit, samples, [JOB] * len(names))
    with pytest.raises(InputError, match=message):
        simcore.trace(mine)
