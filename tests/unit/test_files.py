import errno
import json
import os
import subprocess
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from simcore.errors import InputError, RunError
from simcore.files import MOST_BYTES, check_columns, csv_rows, csv_text, read_bytes, read_text, read_yaml, sha256
from simcore.outputs import LISTING, atomic_directory, check_file, check_output, write_atomic

PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = ""
    inner: Inner
    parts: dict[str, int] = {}


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@given(st.lists(st.lists(PRINTABLE, min_size=3, max_size=3), min_size=1))
def test_csv_round_trip(table):
    table = [["x" + row[0], *row[1:]] for row in table]  # a first field of '#' makes a comment
    header, rows = csv_rows(csv_text(table[0], table[1:]), "t.csv", "test")
    assert [header, *(fields for _, fields in rows)] == table


@given(st.text())
def test_any_text_is_rows_or_an_input_error(text):
    try:
        _, rows = csv_rows(text, "t.csv", "test")
        numbers = [number for number, _ in rows]
    except InputError as error:
        message = str(error)
    else:
        assert numbers == sorted(set(numbers))
        message = "t.csv"
    assert message.startswith("t.csv")


def test_line_numbers_are_those_of_an_editor():
    text = "# note\r\na,b\r\n\r\n1,\x0c2\r\n# c\r\n\u2028,4\r\n5,6"
    _, rows = csv_rows(text, "t.csv", "test")
    assert [number for number, _ in rows] == [4, 6, 7]


@pytest.mark.parametrize(
    ("text", "line"), [('a,b\n1,"2\n3,4\n', 2), ('a,b\n"1\n2",3\n4,5\n', 2), ('a,b\n1,"2"x\n', 2), ('"a', 1)]
)
def test_open_quotes_are_refused_where_they_open(text, line):
    with pytest.raises(InputError, match=f"t.csv, line {line}: "):
        list(csv_rows(text, "t.csv", "test")[1])


def test_a_huge_field_is_refused():
    with pytest.raises(InputError, match="line 2"):
        list(csv_rows("a\n" + "x" * 200_000, "t.csv", "test")[1])


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (["a", "bb"], "found 'bb', expected one of a, b, c"),
        (["a", "a", "b"], "found column 'a' twice"),
        (["a"], "found no column 'b'"),
        (["a", "b", ""], "found an empty name"),
    ],
)
def test_columns(header, message):
    with pytest.raises(InputError, match=message):
        check_columns(header, ["a", "b"], ["c"], "t.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        ("- 1", "found a list"),
        ("5", "found 5"),
        ("inner: {count: x}", "line 1, field 'inner.count': found 'x', expected a whole number"),
        ("inner: {count: '1x'}", "found '1x'"),
        ("name: a\ninner:\n  count: 1\n  cuont: 2\n", "line 4: found 'cuont', expected one of count.* Did you mean"),
        ("name: a\n", "field 'inner': found nothing, expected a value. Add the field 'inner'."),
        ("inner: {count: 1, count: 2}", "found 'count' a second time"),
        ("inner: {count: 1\nname: [", "line 2, column"),
        ("a: &a [*a]", "nested too deep"),
        ("inner: {count: 2024-13-45}", "found '2024-13-45', expected a whole number"),
        ('inner: "\\UFFFFFFFF"', "cannot read"),
        ("inner: {count: 1}\n---\nname: b", "broken YAML"),
        ("parts: {1: 2, '1': 2}\ninner: {count: 1}", "line 1: found '1' a second time"),
        ("\x00", "broken YAML"),
    ],
)
def test_yaml_that_is_wrong(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_yaml(tmp_path / "d.yaml", Document, "test", text)


@given(st.text() | st.text(st.sampled_from("ab:&*[]{}-?!|>'\" \n#,0.<~e")))
def test_any_text_is_a_document_or_an_input_error(text):
    from pathlib import Path

    try:
        read_yaml(Path("d.yaml"), Document, "test", text)
    except InputError as error:
        message = str(error)
    else:
        message = "d.yaml"
    assert message.startswith("d.yaml")


def test_reading_what_is_not_there(tmp_path):
    (tmp_path / "b").write_bytes(b"\xff\x00")
    for path, found in ((tmp_path / "none", "no such file"), (tmp_path, "a directory"), (tmp_path / "b", "not UTF-8")):
        with pytest.raises(InputError, match=found):
            read_text(path, "test")


def test_a_byte_order_mark_is_dropped(tmp_path):
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbfa,b\n")
    assert read_text(tmp_path / "bom", "test") == "a,b\n"
    assert len(sha256(b"")) == 64


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "f"
    write_atomic(path, "one")
    write_atomic(path, b"two")
    assert path.read_text() == "two"
    assert everything(tmp_path) == ["f"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def test_folders_above_an_output_are_not_made(tmp_path):
    below = tmp_path / "new" / "folder" / "f"
    for refuse in (check_file, check_output, lambda path: write_atomic(path, "x")):
        with pytest.raises(InputError, match=r"no folder '.*new/folder'.*mkdir -p"):
            refuse(below)
    assert everything(tmp_path) == []


def test_a_device_is_written_to_and_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    check_file(tmp_path / "pipe", force=False)
    write_atomic(tmp_path / "pipe", "one")
    assert os.read(reader, 10) == b"one"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert everything(tmp_path) == ["pipe"]


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_block_that_fails_leaves_nothing(tmp_path, error):
    def write_half():
        with atomic_directory(tmp_path / "out") as scratch:
            (scratch / "half").write_text("x")
            raise error

    with pytest.raises(error):
        write_half()
    assert everything(tmp_path) == []


def made(path, **texts):
    """A directory of results."""
    with atomic_directory(path) as scratch:
        for name, text in texts.items():
            (scratch / name).write_text(text)
    return path


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_block_that_fails_leaves_the_old_directory(tmp_path, error):
    made(tmp_path / "out", old="x")
    with pytest.raises(error), atomic_directory(tmp_path / "out", force=True):
        raise error
    assert everything(tmp_path) == ["out", "out/old", f"out/{LISTING}"]


@pytest.mark.parametrize("stop", range(1, 5))
def test_the_old_files_come_back_when_the_replacement_fails(tmp_path, monkeypatch, stop):
    from pathlib import Path

    made(tmp_path / "out", old="x", same="before")
    rename, calls = Path.rename, []

    def stopped(self, target):
        calls.append(self)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt), atomic_directory(tmp_path / "out", force=True) as scratch:
        (scratch / "same").write_text("after")
    assert everything(tmp_path) == ["out", "out/old", "out/same", f"out/{LISTING}"]
    assert (tmp_path / "out" / "same").read_text() == "before"


def test_force_replaces_what_simcore_wrote_and_nothing_else(tmp_path):
    made(tmp_path / "out", old="x", same="before")
    (tmp_path / "out" / "deep").mkdir()
    (tmp_path / "out" / "deep" / "kept").write_text("mine")
    (tmp_path / "out" / "notes").write_text("mine")
    with atomic_directory(tmp_path / "out", force=True) as scratch:
        (scratch / "same").write_text("after")
        (scratch / "new").write_text("y")
    names = ["deep", "deep/kept", "new", "notes", "same", LISTING]
    assert everything(tmp_path) == ["out", *sorted(f"out/{name}" for name in names)]
    assert (tmp_path / "out" / "same").read_text() == "after"
    check = subprocess.run(["sha256sum", "--check", "--strict", LISTING], cwd=tmp_path / "out", capture_output=True)
    assert check.returncode == 0


def test_what_simcore_did_not_write_is_never_replaced(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("x")
    with pytest.raises(InputError, match="a directory that simcore did not write"):
        check_output(tmp_path / "mine", force=True)
    made(tmp_path / "out", old="x")
    (tmp_path / "out" / "notes").write_text("mine")
    with (
        pytest.raises(InputError, match=r"out/notes: found a file that simcore did not write"),
        atomic_directory(tmp_path / "out", force=True) as scratch,
    ):
        (scratch / "notes").write_text("simcore's")
    assert (tmp_path / "out" / "notes").read_text() == "mine"
    (tmp_path / "out" / "old").write_text("edited")
    with pytest.raises(InputError, match=r"out/old: found a file that was changed since simcore wrote it"):
        check_output(tmp_path / "out", force=True)
    assert everything(tmp_path) == ["mine", "mine/notes", "out", "out/notes", "out/old", f"out/{LISTING}"]


def test_a_list_of_files_names_none_elsewhere(tmp_path):
    (tmp_path / "precious").write_text("x")
    made(tmp_path / "out", old="x")
    (tmp_path / "out" / LISTING).write_text(f"{sha256(b'x')}  ../precious\n{sha256(b'x')}  old\n")
    with atomic_directory(tmp_path / "out", force=True):
        pass
    assert everything(tmp_path) == ["out", f"out/{LISTING}", "precious"]


def test_force_writes_where_a_link_points_to_and_keeps_the_link(tmp_path):
    made(tmp_path / "real", old="x")
    (tmp_path / "real" / "kept").write_text("mine")
    (tmp_path / "out").symlink_to("real")
    with atomic_directory(tmp_path / "out", force=True):
        pass
    assert everything(tmp_path) == ["out", "real", "real/kept", f"real/{LISTING}"]
    assert (tmp_path / "out").is_symlink()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_failure_with_the_users_path(tmp_path, code):
    def full():
        raise OSError(code, "No room", str(tmp_path / "out" / ".hidden"))

    for write in (
        lambda: atomic_directory(tmp_path / "out").__enter__().joinpath("f").write_text("x") and full(),
        lambda: write_atomic(tmp_path / "f", "x"),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("simcore.outputs.tempfile.mkstemp", lambda **_: full())
            patch.setattr("simcore.outputs.tempfile.mkdtemp", lambda **_: full())
            with pytest.raises(RunError, match=r"(out|f): the system cannot write there \(No room\)") as caught:
                write()
    assert caught.value.exit_code == 1
    assert everything(tmp_path) == []


def test_outputs_that_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "dangling").symlink_to("nowhere")
    cases = [("file", True), ("file", False), (".", False), (".", True), ("..", True), ("/", True)]
    cases += [("file/below", False), ("file/below/further", True), ("dangling", False), ("x" * 300, False)]
    for name, force in cases:
        with pytest.raises(InputError, match="found"):
            check_output(tmp_path / name, force=force)
    for name in ("", ".", "..", "/", "file/below", "x" * 300):
        with pytest.raises(InputError, match="found"):
            check_file(tmp_path / name)
    assert everything(tmp_path) == ["dangling", "file"]


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "large.yaml"
    with path.open("wb") as stream:
        stream.truncate(MOST_BYTES + 1)
    with pytest.raises(InputError, match="found more than 64 MiB, expected a cluster file of at most that"):
        read_bytes(path, "cluster")
    assert len(read_bytes(path, "trace", None)) == MOST_BYTES + 1
    with path.open("wb") as stream:
        stream.truncate(MOST_BYTES)
    assert len(read_bytes(path, "cluster")) == MOST_BYTES


def test_a_pipe_is_read_and_refused_where_it_does_not_end(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for data, most in ((b"a" * 7, 7), (b"a" * 8, 7)):
        writer = threading.Thread(target=path.write_bytes, args=(data,))
        writer.start()
        if len(data) > most:
            with pytest.raises(InputError, match="found more than 0 MiB"):
                read_bytes(path, "cluster", most)
        else:
            assert read_bytes(path, "cluster", most) == data
        writer.join()


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="this system has no /dev/zero")
def test_a_device_is_refused(tmp_path):
    from pathlib import Path

    for most in (MOST_BYTES, None):
        with pytest.raises(InputError, match="found a device"):
            read_bytes(Path("/dev/zero"), "trace", most)
    with pytest.raises(InputError, match="a path that no file can have"):
        read_bytes(tmp_path / "a\0b", "cluster")
    with pytest.raises(InputError, match="cannot be read"):
        read_bytes(tmp_path / ("a" * 5000), "cluster")


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\r", "\n", "\x7f", "\x9b", "\u202e", "\u2028", "\ufeff"])
def test_a_control_character_in_a_name_is_refused_and_never_written(character):
    from pathlib import Path

    text = json.dumps({"name": f"a{character}b", "inner": {"count": 1}}, indent=1)
    with pytest.raises(InputError, match=r"line 2, field 'name': .* expected text without control characters") as error:
        read_yaml(Path("d.json"), Document, "test", text)
    assert character not in str(error.value)
    with pytest.raises(InputError, match="text without control characters"):
        read_yaml(Path("d.json"), Document, "test", json.dumps({"parts": {f"a{character}b": 1}, "inner": {"count": 1}}))
    assert character not in csv_text([f"a{character}b"], [[f"{character}", 1.5]]).replace("\n", "")


def test_the_lines_of_a_description_stay():
    from pathlib import Path

    class Described(BaseModel):
        description: str

    text = 'description: "two\\nlines"'
    assert read_yaml(Path("d.yaml"), Described, "test", text).description == "two\nlines"
    with pytest.raises(InputError, match="text without control characters"):
        read_yaml(Path("d.yaml"), Described, "test", 'description: "\\e[2J"')
