import math

import pytest
from simcore.errors import InputError
from simcore.plugins import load

KNOWN = {"root": "math:sqrt"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def find(text):
    return load(text, "simcore.nothing", KNOWN, "--function")


def test_known_names_and_names_of_a_file(folder):
    (folder / "mine.py").write_text("def twice(x):\n    return 2 * x\n")
    assert find("root") is math.sqrt
    assert find("mine.py:twice")(3) == 6
    assert find("./mine.py:twice") is find("mine.py:twice")  # a file is run once


@pytest.mark.parametrize(
    ("content", "text", "message"),
    [
        ("", "rot", "--function: found 'rot', expected one of root. Did you mean 'root'?"),
        ("", "mine.py", "--function: found 'mine.py', a file alone, expected FILE.py:NAME."),
        ("", "other.py:x", "--function: found 'other.py', which is no file, expected FILE.py:NAME."),
        ("", "mine.py:x", "--function mine.py: found 'x', expected a name that the file defines, and it defines none."),
        ("def twice(x): pass", "mine.py:twise", "--function mine.py: found 'twise', expected one of twice. Did you"),
        ("x = 1\ny = x / 0", "mine.py:x", "'mine.py', which fails in line 2: ZeroDivisionError: division by zero"),
        ("x = 1\n\ny = = 2", "mine.py:x", "'mine.py', which fails in line 3: SyntaxError: invalid syntax"),
        ("import no_such_package", "mine.py:x", "which fails in line 1: ModuleNotFoundError: No module named"),
    ],
)
def test_what_is_refused(folder, content, text, message):
    (folder / "mine.py").write_text(content)
    with pytest.raises(InputError) as refused:
        find(text)
    assert message in str(refused.value)
