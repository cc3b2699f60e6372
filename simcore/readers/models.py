"""Transformers of the zoo or from a file: simcore's own YAML, or Hugging Face's config.json."""

from __future__ import annotations

from pathlib import Path

from simcore.errors import InputError
from simcore.models.training.architecture import Transformer
from simcore.readers.model_file import is_hugging_face, parse_hugging_face, parse_model
from simcore.readers.read import InputFile, Read, read_entry
from simcore.readers.sniff import is_layer_text, json_or_yaml, top_fields


def read_model(
    name_or_path: str | Path | InputFile,
    place: str = "model",
    *,
    sequence: int | None = None,
    batch: int | None = None,
) -> Read[Transformer]:
    """Read the shape of a transformer.

    Parameters
    ----------
    name_or_path : str, Path or InputFile
        An entry of the zoo, such as ``bert-base``, or a file.
    place : str
        The field that gave it, for messages.
    sequence, batch : int, optional
        Tokens per sequence and sequences per mini-batch, in place of the model's own.

    Raises
    ------
    InputError
        If there is none, or naming file, line and field.

    Examples
    --------
    >>> model = read_model("bert-base", batch=4).value
    >>> model.name, model.blocks, model.tokens
    ('bert-base', 12, 1536)
    """
    file = read_entry("models", name_or_path, place, "model")
    text = json_or_yaml(file, "model")
    if is_layer_text(text):
        expected = "a transformer, whose kernels have shapes"
        raise InputError(place, f"'{file.path}', whose compute times are written out", expected)
    parse = parse_hugging_face if is_hugging_face(top_fields(text)) else parse_model
    return file.of(parse(file.path, text, sequence, batch).transformer)
