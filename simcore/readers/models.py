"""Transformers of the zoo or from a file: simcore's own YAML, or Hugging Face's config.json."""

from __future__ import annotations

from pathlib import Path

from simcore.errors import InputError
from simcore.models.training.architecture import Transformer
from simcore.readers import zoo
from simcore.readers.model_file import is_hugging_face, read_hugging_face, read_model
from simcore.readers.sniff import is_layer_text, read_source, top_fields


def load_model(
    name_or_path: str | Path, place: str = "--model", *, sequence: int | None = None, batch: int | None = None
) -> Transformer:
    """Load the shape of a transformer.

    Parameters
    ----------
    name_or_path : str or Path
        An entry of the zoo, such as ``bert-base``, or a file.
    place : str
        The option that gave it, for messages.
    sequence, batch : int, optional
        Tokens per sequence and sequences per mini-batch, in place of the model's own.

    Raises
    ------
    InputError
        If there is none, or naming file, line and field.

    Examples
    --------
    >>> model = load_model("bert-base", batch=4)
    >>> model.name, model.blocks, model.tokens
    ('bert-base', 12, 1536)
    """
    path = zoo.find("models", name_or_path, place)
    text = read_source(path, "model")
    if is_layer_text(text):
        expected = "a transformer, whose kernels have shapes"
        raise InputError(place, f"'{path}', whose compute times are written out", expected)
    read = read_hugging_face if is_hugging_face(top_fields(text)) else read_model
    return read(path, text, sequence, batch).transformer
