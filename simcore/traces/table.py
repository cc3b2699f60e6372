"""simcore's own trace schema: one CSV row per job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from simcore.errors import InputError
from simcore.files import Schema, check_columns, csv_rows, is_plain, validate
from simcore.models.cluster.jobs import JobClass, Trace, build_trace
from simcore.readers.quantities import FlagText, RealText, WholeText

COLUMNS = (
    "name",
    "submit_s",
    "model",
    "max_parallelism",
    "batch_size",
    "samples",
    "heterogeneous",
    "gpu_type",
)


class JobRow(BaseModel):
    """One job."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    name: str = Field(min_length=1)
    submit_s: RealText = Field(ge=0)
    model: str = Field(min_length=1)
    max_parallelism: WholeText = Field(ge=1)
    batch_size: WholeText = Field(ge=1)
    samples: RealText = Field(gt=0)
    heterogeneous: FlagText
    gpu_type: str = Field(min_length=1)


def numbered_rows(
    text: str, name: str, schema: type[Schema], columns: tuple[str, ...], *, unnamed: bool = False
) -> Iterator[tuple[int, Schema, dict[str, str]]]:
    """Read a table of jobs row by row against a schema: its line, the row, and the values of all other columns.

    Parameters
    ----------
    text, name : str
        The file's text and its name for messages.
    schema : type of pydantic.BaseModel
        What a row must look like.
    columns : tuple of str
        The columns that must be there, in any order.
    unnamed : bool
        Whether values under a header's empty last name are passed over, or refused.

    Raises
    ------
    InputError
        Naming the line and the field that is wrong, or if there is no row.
    """
    header, rows = csv_rows(text, name, "trace")
    named = len(header)
    while named and not header[named - 1]:  # a header that ends in a comma
        named -= 1
    read_until = len(header) if unnamed else named
    header = header[:named]
    check_columns(header, columns, None, name)
    others = [column for column in header if column not in columns]
    line, plain = 0, is_plain(text)
    for line, fields in rows:
        where = f"{name}, line {line}"
        if len(fields) < named:
            missing = header[len(fields)]
            raise InputError(f"{where}, field '{missing}'", "nothing", "a value", f"A row has {named} fields.")
        if any(fields[read_until:]):
            found = f"{len(fields)} fields, the last '{fields[-1]}'"
            raise InputError(where, found, f"{named}: {', '.join(header)}", "Remove what has no column.")
        values = dict(zip(header, fields, strict=False))
        more = {column: values.pop(column) for column in others}
        yield line, validate(schema, values, where, {}, plain=plain), more
    if not line:
        raise InputError(name, "a header and no jobs", "at least one job", "Add a row per job.")


def columns_of(rows: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Return rows that have the same keys as columns.

    Examples
    --------
    >>> columns_of([{"user": "ann"}, {"user": "bob"}])
    {'user': ['ann', 'bob']}
    """
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def read(text: str, name: str) -> Trace:
    """Read a trace in simcore's schema.

    Parameters
    ----------
    text : str
        The file's text: a header with `COLUMNS` and perhaps others in any order, a row per job, ``#`` comments.
    name : str
        The file's name, for messages.

    Raises
    ------
    InputError
        Naming file, line and field, if anything is malformed or a name comes twice.

    Examples
    --------
    >>> text = '''name,submit_s,model,max_parallelism,batch_size,samples,heterogeneous,gpu_type
    ... a,0,bert,4,8,320,no,v100'''
    >>> read(text, "example").steps()
    array([10.])
    """
    seen: dict[str, int] = {}
    submit, samples, classes, more = [], [], [], []
    for line, row, others in numbered_rows(text, name, JobRow, COLUMNS):
        if row.name in seen:
            raise InputError(
                f"{name}, line {line}, field 'name'",
                f"'{row.name}', which line {seen[row.name]} has too",
                "a name for each job alone",
                "Rename one of the two jobs.",
            )
        seen[row.name] = line
        submit.append(row.submit_s)
        samples.append(row.samples)
        more.append(others)
        classes.append(JobClass(row.model, row.batch_size, row.max_parallelism, row.heterogeneous, row.gpu_type))
    return build_trace(name, list(seen), submit, samples, classes, lines=list(seen.values()), more=columns_of(more))
