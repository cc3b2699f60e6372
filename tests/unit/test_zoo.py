from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simcore.errors import InputError
from simcore.readers import zoo
from simcore.readers.applications import read_applications
from simcore.readers.clusters import read_cluster
from simcore.readers.step_times import read_step_times

HEADER = "model,batch_size,gpu_type,seconds_per_minibatch\n"


def write(tmp_path, text):
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_cluster_and_rate_table_loads():
    for name in zoo.names("clusters"):
        cluster = read_cluster(name)
        assert (cluster.name, cluster.value.name, cluster.value.gpus > 0, len(cluster.sha256)) == (name, name, True, 64)
        assert cluster.value.source
    for name in zoo.names("rates"):
        rates = read_step_times(name)
        assert (rates.name, rates.value.name, len(rates.sha256)) == (name, name, 64)
        assert rates.value.kinds
    assert {"clusters", "rates", "applications"} <= set(zoo.kinds())
    assert len(read_applications("easyscale-sc23").value) == 8


def test_fitted_numbers_say_so():
    rates = read_step_times("SC23-Fitted").value
    assert rates.label() == "sc23-fitted (fitted)"
    assert "not measurements" in rates.note
    assert {"measured", "interpolated"} <= set(read_step_times("sc23-measured").value.kinds)


def test_the_order_of_gpu_types_is_the_files(tmp_path):
    cluster = read_cluster(write(tmp_path, "gpus:\n  z: 1\n  a: 2\n  m: 0\n")).value
    assert (cluster.name, cluster.types, cluster.counts) == ("file", ("z", "a", "m"), (1, 2, 0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpus: {}", "field 'gpus': found no GPUs"),
        ("gpus: {v100: 0}", "found no GPUs"),
        ("gpus:\n  v100: -1", "line 2, field 'gpus.v100': found -1, expected a number of at least 0"),
        ("gpus: {v100: 1.5}", "found 1.5, expected a whole number"),
        ("gpus: {v100: 2.5}", "expected a whole number"),
        ("gpus: {v100: '8'}", "found '8', expected a whole number"),
        ("gpus: {v100: yes}", "found 'yes', expected a whole number"),
        ("gpus: {v100: }", "found nothing"),
        ("gpus: {v100: .nan}", "found nan"),
        ("gpus: {v100: 99999999999999999999}", "of at most 18 digits"),
        ("gpus: {v100: 10000001}", "at most 10,000,000"),
        ("gpus: {'': 1}", "expected a name"),
        ("gpus: {total: 1}", "found a GPU type 'total'"),
        ("gpus: [v100]", "found a list, expected a mapping"),
        ("gpus: {v100: 8, v100: 9}", "'v100' a second time"),
        ("name: a\ngpu: {v100: 8}", "found "),
        ("gpus: {v100: 8}\nnodes: 3", "line 2, field 'nodes': found 3, expected a list"),
        ("gpus: {v100: 8", "broken YAML"),
        ("", "found an empty file"),
    ],
)
def test_clusters_that_are_wrong(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_cluster(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        (HEADER, "found no rows"),
        (HEADER + "bert,8,v100,0", "line 2, field 'seconds_per_minibatch': found 0, expected a number of more than 0"),
        (HEADER + "bert,8,v100,-1", "found -1"),
        (HEADER + "bert,8,v100,nan", "expected a finite number"),
        (HEADER + "bert,8,v100,x", "found 'x', expected a number"),
        (HEADER + "bert,8.5,v100,1", "'batch_size': found 8.5, expected a whole number"),
        (HEADER + "bert,8,v100", "line 2: found 3 fields"),
        (HEADER + "bert,8,v100,1,", "line 2: found 5 fields"),
        (HEADER + "bert,8,v100,1\n\nbert,8,v100,2", "line 4: found bert, batch size 8, v100 a second time"),
        (HEADER.replace("gpu_type,", "") + "bert,8,1", "no column 'gpu_type'"),
        (HEADER.replace("model", "modl"), "found 'modl'.*Did you mean 'model'"),
    ],
)
def test_rates_that_are_wrong(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_step_times(write(tmp_path, text))


@given(text=st.text(), header=st.sampled_from(["", HEADER]))
def test_any_text_is_rates_or_an_input_error(tmp_path_factory, text, header):
    path = tmp_path_factory.getbasetemp() / "rates.csv"
    path.write_bytes((header + text).encode())
    try:
        assert read_step_times(path).value.seconds
    except InputError as error:
        message = str(error)
    else:
        message = str(path)
    assert message.startswith(str(path))


@given(text=st.text() | st.text(st.sampled_from("gpus:{}[]v1-. \n'0")))
def test_any_text_is_a_cluster_or_an_input_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "cluster.yaml"
    path.write_bytes(text.encode())
    try:
        assert read_cluster(path).value.gpus
    except InputError as error:
        message = str(error)
    else:
        message = str(path)
    assert message.startswith(str(path))


@pytest.mark.parametrize("name", ["sc24", "", "no/such/file", "x" * 300])
def test_names_that_are_neither_entry_nor_file(name):
    for kind in ("clusters", "rates"):
        with pytest.raises(InputError, match=r"--option: found .* or the path of a file"):
            zoo.find(kind, name, "--option")


def test_a_directory_is_no_entry(tmp_path):
    with pytest.raises(InputError, match="found a directory"):
        read_cluster(tmp_path)
    assert zoo.find("clusters", Path("SC23"), "x").name == "sc23.yaml"
