"""What the programs of nccl-tests print: a header of comments, then a row for each size with out-of-place times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from simcore.errors import InputError
from simcore.numerals import as_real
from simcore.readers.collective_rows import CollectiveRow, CollectiveTable, kind_of, measured_row

_PROGRAM = re.compile(r"(\w+?)_perf\b")
_TIMES = frozenset({"(s)", "(ms)", "(us)", "(ns)"})
_RANK = re.compile(r"#\s*Rank\s+(\d+)\s+(?:Group\s+\d+\s+)?Pid\s+\d+\s+on\s+(\S+)\s+device\s+\d+\s+\[[^\]]*\]\s*(.*)")


def parse_nccl_tests(text: str, path: Path, sha256: str, device: str = "", word: str = "") -> CollectiveTable:
    """Read the output of a program of nccl-tests.

    Parameters
    ----------
    text : str
        What it printed, or a log that holds it.
    path : Path
        The file, for messages.
    sha256 : str
        Of the file.
    device : str
        What to call the device where the text does not say it.
    word : str
        The collective, where the text does not name its program.

    Raises
    ------
    InputError
        If it names no program or no GPUs, or holds no row.
    """
    word = word or _named(text, path)
    ranks = [match for match in map(_RANK.match, text.splitlines()) if match]
    if not ranks:
        found, remedy = "no line '#  Rank ...' of a GPU", "Keep the head of the output, '# Using devices' and on."
        raise InputError(str(path), found, "the GPUs of the run, as nccl-tests prints them", remedy)
    _check_one_run(text, path, [match[1] for match in ranks])
    names = {match[3].strip() for match in ranks}
    nodes = len({match[2] for match in ranks})
    read: list[tuple[str, CollectiveRow]] = []
    for where, size, dtype, time in _rows(text, path):
        base = CollectiveRow(str(len(read) + 1), path.name, device or " ".join(sorted(names)), dtype, word, "")
        row = measured_row(base, str(len(ranks)), size, time, 1e-6, {"nodes": str(nodes)})
        read.append((where, row))
    if not read:
        raise InputError(str(path), "no row of a size", "rows as nccl-tests prints them")
    return CollectiveTable(tuple(row for _, row in read), sha256, tuple(where for where, _ in read))


def _check_one_run(text: str, path: Path, ranks: Sequence[str]) -> None:
    """Refuse the outputs of several runs behind each other, whose ranks and kinds would mix."""
    lines = enumerate(text.splitlines(), 1)
    named = [(number, match[1]) for number, line in lines for match in _PROGRAM.finditer(line) if kind_of(match[1])]
    other = next((number for number, word in named if kind_of(word) != kind_of(named[0][1])), None)
    if other is not None or len(set(ranks)) < len(ranks):
        where = str(path) if other is None else f"{path}, line {other}"
        found = "a second program" if other is not None else f"rank {max(ranks, key=list(ranks).count)} twice"
        raise InputError(where, found, "the output of one run", "Put each run into a file of its own.")


def _named(text: str, path: Path) -> str:
    """Return the collective after the name of the program, in the text or in the name of the file."""
    for match in (*_PROGRAM.finditer(text), *_PROGRAM.finditer(path.name)):
        if kind_of(match[1]):
            return match[1]
    remedy = "Name the file after it, such as all_reduce_perf.txt."
    raise InputError(str(path), "no name of a program", "one such as all_reduce_perf in the text", remedy)


def _rows(text: str, path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield place, size, number format and out-of-place time of each row."""
    column = 5  # size, count, type, redop, root, time, ...; older programs print no root
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if line.startswith("#") and "type" in words and "time" in words:
            column = words.index("time") - 1
        elif line.startswith("#") and "(B)" in words and not {"(us)"} >= {word for word in words if word in _TIMES}:
            remedy = "Convert its times to microseconds."
            raise InputError(f"{path}, line {number}", f"times in {line[1:].split()[-1]}", "times in (us)", remedy)
        elif len(words) >= column + 3 and words[0].isdigit() and words[1].isdigit():
            wrong = words[column + 3] if len(words) > column + 3 else "0"
            if wrong not in {"0", "N/A"} and as_real(wrong) != 0:
                remedy = "Leave the row out, and look for the cause."
                raise InputError(f"{path}, line {number}", f"{wrong} wrong results", "none", remedy)
            yield f"{path}, line {number}", words[0], words[2], words[column]
