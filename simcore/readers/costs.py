"""Network prices from the zoo or a file: simcore's own YAML, the artifact's JSON, LIBRA's YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from simcore.files import read_yaml
from simcore.models.network.cost import CostModel, LevelCost
from simcore.readers.other_files import refuse_other
from simcore.readers.quantities import Entry, NotEmpty, Price, Strict
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import is_price_table, json_or_yaml, top_fields

EXAMPLE = "prices: {Pod: {link: $7.8 per GB/s, switch: $18 per GB/s}}"


class _Level(Strict):
    link: Price
    switch: Price | None = None
    nic: Price | None = None


class _Costs(Entry):
    count_links: Literal["once", "twice"] = "once"
    prices: Annotated[dict[str, _Level], NotEmpty]


def read_costs(name_or_path: str | Path | InputFile, place: str = "cost") -> Read[CostModel]:
    """Read a cost model by its name in the zoo, or from a file.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        For example ``sc245``. A file without ``prices`` is read as the artifact's or LIBRA's: levels with bare dollars
        per GB/s, where levels named ``Inter...`` mean that links are counted in both directions, as LIBRA does.
    place : str
        The field that gave it, for messages.

    Returns
    -------
    Read of CostModel
        Prices in dollars per B/s.

    Raises
    ------
    InputError
        For an unknown name (with the closest one), or naming file, line and field.

    Examples
    --------
    >>> model = read_costs("sc245").value
    >>> model.levels["Pod"].link, model.counts_both_directions
    (7.8e-09, False)
    """
    file = read_entry("costs", name_or_path, place, "cost")
    text = json_or_yaml(file, "cost")
    fields = top_fields(text)
    refuse_other(file.path, text, fields, "cost")
    if is_price_table(fields):
        from simcore.readers import libra  # whose schemas no other cost model needs

        return file.of(libra.parse_prices(file.path, text))
    data = read_yaml(file.path, _Costs, "cost", text, EXAMPLE)
    levels = {name: LevelCost(level.link, level.switch, level.nic) for name, level in data.prices.items()}
    model = CostModel(file.path.stem, levels, data.count_links == "twice", data.source or str(file.path))
    return file.of(model)
