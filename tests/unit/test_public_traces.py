"""Public traces: rows made by hand of every format, what is refused, and the files of shared."""

import gzip
import io
import re
import tarfile

import pytest
from simcore.cluster import Cluster, read_trace
from simcore.errors import InputError
from simcore.traces.public.registry import PUBLIC

CLUSTER = Cluster("c", ("v100",), (64,))
TIMES = '"start_time": "2017-10-07 01:12:00", "end_time": "2017-10-07 01:22:00"'
PHILLY_LOG = """[
{"status": "Pass", "vc": "ee9e8c", "jobid": "application_1", "submitted_time": "2017-10-07 01:11:39", "user": "u1",
 "attempts": [
  {"start_time": "2017-10-07 01:12:00", "end_time": "2017-10-07 01:22:00", "detail": [{"ip": "m1", "gpus": ["gpu0"]}]},
  {"start_time": "2017-10-07 02:00:00", "end_time": "2017-10-07 02:10:00",
   "detail": [{"ip": "m1", "gpus": ["gpu0", "gpu1"]}, {"ip": "m2", "gpus": ["gpu3"]}]}]},
{"status": "Killed", "vc": "ee9e8c", "jobid": "application_2", "submitted_time": "2017-10-07 01:11:49", "user": "u2",
 "attempts": []},
{"status": "Failed", "vc": "a", "jobid": "application_3", "submitted_time": "2017-10-07 01:12:39", "user": "u2",
 "attempts": [{"start_time": "2017-10-07 01:13:00", "end_time": null, "detail": []}]}
]"""
SWF = "; MaxNodes: 4\n; UnixStartTime: 0\n" + "\n".join(
    ["1 10 5 100 2 -1 -1 2 200 -1 1 7 1 1 1 1 -1 -1", "2 20 5 0 2 -1 -1 2 -1 -1 0 7 1 1 1 1 -1 -1"]
)
ROWS = {
    "philly": ("timestamp,duration,num_gpus,gpu_time,cluster\n2017-10-09 07:01:55,66.0,2,132.0,11cb48\n"
               "2017-10-09 07:00:55,6.0,1,6.0,6214e9\n2017-10-09 07:00:55,0.0,1,6.0,6214e9\n",
               [("job-3", 0.0, 6.0, 1), ("job-2", 60.0, 66.0, 2)], {"vc": ["6214e9", "11cb48"]}),
    "philly-log": (PHILLY_LOG, [("application_1", 0.0, 1200.0, 3)], {"user": ["u1"], "status": ["Pass"]}),
    "helios": ("job_id,user,vc,jobname,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue\n"
               "5,ub,vcA,x,8,40,1,COMPLETED,2020-04-01 00:00:10,2020-04-01 00:00:20,2020-04-01 00:01:20,60,10\n"
               "6,ub,vcA,x,0,4,1,FAILED,2020-04-01 00:00:20,2020-04-01 00:00:20,2020-04-01 00:01:20,60,0\n",
               [("5", 0.0, 60.0, 8)], {"vc": ["vcA"], "status": ["COMPLETED"], "cpus": ["40"]}),
    "acme": ("job_id,user,node_num,gpu_num,cpu_num,type,state,submit_time,start_time,end_time,duration,queue,gpu_time\n"
             "a,u,1,8,40,Other,COMPLETED,2023-03-01 00:18:22+08:00,x,x,100,1,800\n"
             "b,u,1,1,40,Other,RUNNING,2023-02-28 16:18:32+00:00,x,x,7,1,7\n",
             [("a", 0.0, 100.0, 8), ("b", 10.0, 7.0, 1)], {"job_type": ["Other", "Other"]}),
    "pai": ("job_name,inst_id,user,status,start_time,end_time,plan_gpu,inst_num,plan_cpu,plan_mem\n"
            "j1,i,u,Terminated,100000.0,100060.0,50,4,600,2.5\nj2,i,u,Running,100010.0,,100,1,,\nj3,i,u,Failed,7.0,9.0,,1,,\n"
            "j4,i,u,Terminated,100005.0,100010.0,25,1,50,\n",
            [("j1", 0.0, 60.0, 2), ("j4", 5.0, 5.0, 1)],
            {"plan_gpu": ["50", "25"], "gpu_share": ["", "0.25"], "cpus": ["24", "0.5"],
             "memory_b": ["10000000000", ""]}),
    "swf": (SWF, [("1", 10.0, 100.0, 2)], {"user": ["7"], "estimate_s": ["200"]}),
    "openb": ("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,"
              "scheduled_time\np0,12000,1024,1,460,,LS,Running,0,100,20\np1,6000,12,0,0,,LS,Running,5,100,20\n"
              "p2,6,12,1,1000,,LS,Running,5,,\n",
              [("p0", 0.0, 80.0, 1)], {"cpus": ["12"], "memory_b": ["1073741824"]}),
    "tiresias": ("job_id,num_gpu,submit_time,iterations,model_name,duration,interval\n0,4,30,606,vgg19,164,30\n",
                 [("0", 30.0, 164.0, 4)], {"trace_model": ["vgg19"]}),
    "muri": ("job_id,num_gpu,submit_time,iterations,model_name,batch_size,duration,interval,iteration_time,"
             "resource_time_0,resource_time_1,resource_time_2,priority\n1,4,1456000,1005573,resnet18,128,926133000,1456000,921,723,113,73,1\n",
             [("1", 1456.0, 926133.0, 4)], {"trace_model": ["resnet18"]}),
    "elasticflow": ("job_id,submit_time,iteration,model_name,ddl,batch_size,num_gpu,duration\n"
                    "0,3715485,2011,cifar10,3719996,4096,1,5644\n", [("0", 0.0, 5644.0, 1)], {}),
    "shockwave": ("Transformer (batch size 16)\tpython3 x\ttranslation\t-step\t1\t82787\t2\taccordion\t1\t-1.0\t8749"
                  "\t24\n", [("job-1", 24.0, 8749.0, 2)], {"mode": ["accordion"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ("pollux", "gavel")])
def test_rows_made_by_hand(name, tmp_path):
    text, jobs, more = ROWS[name]
    (tmp_path / "trace").write_text(text)
    trace = read_trace(tmp_path / "trace", cluster=CLUSTER, keep_going=True).value
    sizes = [trace.classes[index].max_parallelism for index in trace.class_index]
    assert list(zip(trace.names, trace.submit, trace.work, sizes, strict=True)) == jobs
    assert {key: trace.more[key] for key in more} == more
    forced = read_trace(tmp_path / "trace", cluster=CLUSTER, keep_going=True, file_format=name).value
    assert forced.names == trace.names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("philly", "trace, line 4: found a job that ran for 0 s, expected a job that can run"),
        ("philly-log", "trace, line 2: found a job without an attempt"),
        ("helios", "trace, line 3: found a job without GPUs"),
        ("pai", "trace, line 3: found a job without a start or an end"),
        ("openb", "trace, line 3: found a job without GPUs"),
        ("swf", "trace, line 4: found a job that ran for 0 s"),
    ],
)
def test_a_row_that_cannot_run_is_refused_or_counted(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trace").write_text(ROWS[name][0])
    with pytest.raises(InputError, match=re.escape(message)):
        read_trace("trace", cluster=CLUSTER)
    notes = read_trace("trace", cluster=CLUSTER, keep_going=True).value.notes
    line, reason = re.match(r"trace, (line \d+): found (.*?)(?:, expected.*)?$", message).groups()
    assert any("1 row is left out" in note and note.endswith(f"{line}: {reason}") for note in notes)


def test_shares_of_several_instances_that_are_rounded_up_are_counted(tmp_path, monkeypatch):
    """0.25 x 3 and 1.5 x 1 GPUs become 1 and 2; 0.5 x 2 is one whole GPU and 0.25 x 1 a share."""
    monkeypatch.chdir(tmp_path)
    header = "job_name,status,start_time,end_time,plan_gpu,inst_num\n"
    rows = [("25", 3), ("150", 1), ("50", 2), ("25", 1)]
    (tmp_path / "trace").write_text(
        header + "".join(f"j{at},T,0,9,{share},{count}\n" for at, (share, count) in enumerate(rows))
    )
    trace = read_trace("trace", cluster=CLUSTER).value
    assert trace.gpus.tolist() == [1, 2, 1, 0.25]
    assert [note for note in trace.notes if "rounded up" in note] == [
        "trace: 2 jobs, the first in line 2: shares of GPUs are rounded up to whole GPUs of a job"
    ]


def test_a_deadline_is_shifted_with_the_times(tmp_path):
    (tmp_path / "trace").write_text(ROWS["elasticflow"][0])
    assert read_trace(tmp_path / "trace", cluster=CLUSTER).value.numbers["deadline_s"].tolist() == [4511.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,time,application,num_replicas,batch_size\na,53,cifar10,6,2048\n", "found a workload of Pollux's"),
        ("job_name,inst_id,user,status,start_time,end_time\nj,i,u,s,1,2\n", "join it with the task table by job_name"),
        ("T (batch size 1)\tcd\t-step\t1\t95121\t0.0\t1\n", "found a trace of Gavel's, which says no durations"),
        ("timestamp,duration,num_gpus,gpus_time,vc\n1,2,3,4,5\n",
         "nearest format is philly, which also needs gpu_time, cluster"),
        ("a,b\n1,2\n", "found the columns a, b, expected a trace in simcore's format, or one of philly-log"),
        ("timestamp,duration,num_gpus,gpu_time,cluster\nlately,2,3,4,5\n", "line 2, field 'timestamp': found 'lately'"),
        ("timestamp,duration,num_gpus,gpu_time,cluster\n7,2x,3,4,5\n", "line 2, field 'duration': found '2x'"),
        ("timestamp,duration,num_gpus,gpu_time,cluster\n7,2\n", "line 2, field 'num_gpus': found nothing"),
        ('[{"attempts"', "found broken JSON"),
    ],
)  # fmt: skip
def test_files_without_a_reader(tmp_path, text, message):
    (tmp_path / "trace").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        read_trace(tmp_path / "trace", cluster=CLUSTER)


REPRODUCED = "120_0.2_5_100_40_25_0,0.5,0.5_0.6,0.3,0.09,0.01_multigpu_dynamic"
FILES = {
    "philly_pollux/philly.csv.gz": 82_247,
    "openb_2023/openb_pod_list_default.csv.gz": 7_063,
    "muri_philly/muri_traces.tar.gz:trace-data/trace3.csv": 992,
    "tiresias/tiresias_traces.tar.gz:60_job.csv": 60,
    "elasticflow/elasticflow_traces.tar.gz:traces_for_ElasticFlow/philly_103959.csv": 0,
    f"shockwave/shockwave_traces.tar.gz:reproduce/{REPRODUCED}.trace": 120,
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.split("/")[0])
def test_files_as_they_were_published(file, shared, tmp_path):
    path, _, member = file.partition(":")
    data = (shared / "traces" / path).read_bytes()
    if member:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            text = archive.extractfile(member).read()
    else:
        text = gzip.decompress(data)
    (tmp_path / "trace").write_bytes(text)
    trace = read_trace(tmp_path / "trace", cluster=CLUSTER, keep_going=True).value
    assert trace.submit[0] == trace.submit.min()
    rows = len([line for line in text.decode().splitlines() if line.strip()]) - (not member.endswith(".trace"))
    left_out = sum(int(note.split(": ")[1].split()[0].replace(",", "")) for note in trace.notes if "left out" in note)
    assert len(trace) + left_out == rows  # every row is read or reported
    assert FILES[file] in (0, len(trace))


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ("1", "a job that is no mapping"),
        ('{"attempts": 5}', "'attempts' that is no list"),
        ('{"attempts": [5]}', "an attempt that is no mapping"),
        (f'{{"attempts": [{{{TIMES}, "detail": 7}}]}}', "'detail' that is no list"),
        (f'{{"attempts": [{{{TIMES}, "detail": [5]}}]}}', "a node that is no mapping"),
    ],
)  # fmt: skip
def test_a_log_of_philly_that_is_none_is_refused_by_name(tmp_path, job, reason):
    (tmp_path / "log").write_text(f"[{job}]")
    with pytest.raises(InputError, match=reason):
        read_trace(tmp_path / "log", cluster=CLUSTER, file_format="philly-log")
