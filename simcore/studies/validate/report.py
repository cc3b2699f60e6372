"""What is said of a model that was held against measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from simcore.report import Block, Column, Grid, Headline, Sentences
from simcore.studies.validate.errors import Errors
from simcore.studies.validate.outcome import Measured, ValidateOutcome
from simcore.units import counted

LONGEST = 28
"""Characters of a source in a table."""

MOST_GROUPS = 24
"""Groups of a table that are listed one by one."""

MOST_REASONS = 25
"""Reasons that are listed."""

_NUMBERS = ("rows", "expressed", "fitted", "MAPE", "median", "P90", "bias", "noise", "in 90%")


def short(text: str, most: int = LONGEST) -> str:
    """Return a text of at most so many characters, the middle cut out.

    Examples
    --------
    >>> short("VIA-Research/vTrain@f8dda847", 16)
    'VIA-Re...dda847'
    """
    if len(text) <= most:
        return text
    ends = (most - 3) // 2
    return f"{text[:ends]}...{text[-ends:]}"


def report(result: ValidateOutcome) -> list[Block]:
    """Return errors by source, why rows are not expressed, and what was fitted on what."""
    blocks: list[Block] = []
    for each in result.measured:
        total = each.total
        unit = "time of an iteration" if each.what == "iterations" else "time of a collective"
        text = f"{result.name}: {total.expressed:,} of {counted(total.rows, 'measured row')} expressed"
        blocks += [Headline(text, f"{unit}\n{_rests_on(each)}"), _by_source(each), *_by_group(each)]
        if each.total.expressed < each.total.rows:
            blocks.append(_reasons(each))
    return [*blocks, Sentences("", sentences(result))]


def _rests_on(each: Measured) -> str:
    """Say what predictions are made with: of which precisions the rows are, and where the rest is from."""
    rows: dict[str, int] = {}
    for row in each.rows:
        rows[row.precision or "not said"] = rows.get(row.precision or "not said", 0) + 1
    precisions = ", ".join(f"{name} ({count:,})" for name, count in sorted(rows.items()))
    if each.what == "iterations":
        given = "model, batch, sequence and layout are those of each row, device and network those of the zoo"
        return f"{given}; what a row does not say is its software's usual; rows by precision: {precisions}"
    return f"size and group are those of each row, lines those of the zoo; rows by number format: {precisions}"


def sentences(result: ValidateOutcome) -> list[str]:
    """Say what the numbers mean, and what was fitted on what."""
    return [
        "Errors are |predicted / measured - 1|; the bias is above 0 where the model says too much.",
        "Noise is the mean deviation of equal rows from their median, in the median over sets of equal rows.",
        "'in 90%' is the share of measurements in their 90 % interval, of rows that were not fitted.",
        *_fitted(result),
        *_published(result),
    ]


def _fitted(result: ValidateOutcome) -> Iterator[str]:
    """Say which rows were fitted, and which errors they are in."""
    fitted = [(source, errors) for source, errors in result.sources if errors.fitted]
    if not fitted:
        yield "No constant was fitted to these rows."
    else:
        rows, expressed = (sum(getattr(errors, name) for _, errors in fitted) for name in ("fitted", "expressed"))
        named = fitted[0][0] if len(fitted) == 1 else f"{len(fitted)} sources"
        told = f"Constants were fitted to {rows:,} of {counted(expressed, 'row')} of {named}"
        yield f"{told}: errors leave them out where there are others."
    if any(errors.of_fitted for _, errors in (*result.sources, *result.groups)):
        yield "Errors marked with * are of fitted rows."
    if result.stack is not None:
        yield f"The constants are the stack '{result.stack.name}': -o DIR writes stack.yaml, which --stack takes."
    if result.stacks:
        count, rows = len(result.stacks), sum(one.rows for one in result.stacks)
        sure = sum(all(one.identified.values()) for one in result.stacks)
        yield (
            f"Three constants each of {count} stacks were fitted to {rows:,} rows, mostly a tenth. Halves of those "
            f"rows give all three within 5% for {sure} of the stacks; others are not identified: see stacks.csv of -o."
        )
        yield "Their intervals are quantiles of public rows: where rows are among those, 'in 90%' says little."
    yield from result.fits


def _published(result: ValidateOutcome) -> Iterator[str]:
    """Say what is published of the noise."""
    each = [found for table in result.measured for source in table.sources for found in table.published(source)]
    if each:
        yield "Published noise, marked with ~ where no rows repeat: " + "; ".join(found.says for found in each) + "."


def _by_source(each: Measured) -> Grid:
    sources = sorted(each.sources.items(), key=lambda pair: -pair[1].rows)
    rows = [(short(source), *_cells(errors, _least(each, source))) for source, errors in sources]
    if len(rows) > 1:
        rows.append(("all", *_cells(each.total)))
    return _table("source", rows)


def _least(each: Measured, source: str) -> float | None:
    """Return the least noise that is published of a source; None where nothing is."""
    return min((found.least for found in each.published(source)), default=None)


def _by_group(each: Measured) -> list[Block]:
    """Return the errors by device, precision and kind where some source has several, and they are few."""
    if len(each.groups) == len(each.sources):
        return []
    if len(each.groups) > MOST_GROUPS:
        text = f"They are {len(each.groups)} groups by device, precision and kind: see --json, or sources.csv of -o."
        return [Sentences("", [text])]
    blocks: list[Block] = []
    for source in each.sources:
        groups = {key[1:]: errors for key, errors in each.groups.items() if key[0] == source}
        vary = [len(set(column)) > 1 for column in zip(*groups, strict=True)]
        same = [word for word, differs in zip(next(iter(groups)), vary, strict=True) if word and not differs]
        rows = [(_label(words, vary), *_cells(errors)) for words, errors in groups.items()]
        if len(rows) > 1:
            blocks += [Headline(", ".join([source, *same])), _table("of it", rows)]
    return blocks


def _label(words: Sequence[str], vary: Sequence[bool]) -> str:
    """Return the words by which a group differs from others of its source."""
    named = [word for word, differs in zip(words, vary, strict=True) if word and differs]
    room = (LONGEST - 2 * (len(named) - 1)) // max(1, len(named))
    text = ", ".join(named)
    return text if len(text) <= LONGEST else ", ".join(short(word, room) for word in named)


def _table(first: str, rows: Sequence[Sequence[str]]) -> Grid:
    return Grid([Column(first, left=True), *map(Column, _NUMBERS)], rows, keys=1)


def _reasons(each: Measured) -> Grid:
    """Return why rows are not expressed, with their number and where most of them are from."""
    counts: dict[str, list[tuple[int, str]]] = {}
    for (source, reason), count in each.reasons().items():
        counts.setdefault(reason, []).append((count, source))
    ranked = sorted(counts.items(), key=lambda one: -sum(count for count, _ in one[1]))
    listed = [(reason, f"{sum(count for count, _ in of):,}", _sources(of)) for reason, of in ranked]
    rest = sum(count for _, of in ranked[MOST_REASONS:] for count, _ in of)
    if rest:
        listed[MOST_REASONS:] = [(counted(len(ranked) - MOST_REASONS, "further reason"), f"{rest:,}", "")]
    columns = [
        Column("not expressed because", left=True),
        Column("rows", whole=True),
        Column("of", left=True, whole=True),
    ]
    return Grid(columns, listed)


def _sources(counts: Sequence[tuple[int, str]]) -> str:
    """Name the source that most rows are of, and the number of others."""
    most = short(max(counts)[1])
    return most if len(counts) == 1 else f"{most} and {counted(len(counts) - 1, 'other')}"


def _cells(errors: Errors, published: float | None = None) -> tuple[str, ...]:
    mark = "*" if errors.of_fitted else ""
    off = (errors.mape, errors.median, errors.p90)
    noise = _noise(errors.noise) if errors.noise is not None or published is None else f"~{_noise(published)}"
    return (
        f"{errors.rows:,}", f"{errors.expressed:,}", f"{errors.fitted:,}", *(_share(each, mark) for each in off),
        _share(errors.bias, mark, "+"), noise, _share(errors.covered_90, digits=0),
    )  # fmt: skip


def _noise(value: float | None) -> str:
    return _share(value, digits=1 if value is None or value >= 0.001 else 2)


def _share(value: float | None, mark: str = "", sign: str = "", digits: int = 1) -> str:
    return "" if value is None else f"{value:{sign}.{digits}%}{mark}"
