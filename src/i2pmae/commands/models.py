"""``models``: the weights that have a name, and are here."""

from dataclasses import dataclass
from pathlib import Path

from i2pmae.commands.use import load
from i2pmae.weights.card import PROBES
from i2pmae.weights.named import NAMED, WEIGHTS_FILE, find_named
from i2pmae.weights.record import ModelRecord

__all__ = ["Model", "list_models"]


@dataclass(frozen=True)
class Model:
    """Weights that have a name."""

    name: str
    """What :func:`i2pmae.load` and every command that takes a checkpoint know them by."""
    what: str
    """What they are."""
    licence: str
    """Under which terms they may be used."""
    folder: Path
    """Where they are."""
    size: int
    """Bytes of the weights on disk."""
    parameters: int
    """Of the encoder alone."""
    channels: int
    """Of an embedding."""
    record: ModelRecord
    """What else is known about them: method, data, teacher, points per cloud."""

    @property
    def probe(self) -> str:
        """How good a linear probe of them was, in words; empty where their record doesn't say."""
        found, before, data = (self.record.notes.get(PROBES[name]) for name in ("accuracy", "twin", "data"))
        if not isinstance(found, float):
            return ""
        untrained = f" (untrained {before:.1%})" if isinstance(before, float) else ""
        return f"{found:.1%}{untrained}" + (f", {data}" if data else "")


def list_models() -> list[Model]:
    """The weights that have a name and are here, in the package or the user's folder: an empty list where none are.

    >>> for model in i2pmae.list_models():
    ...     print(model.name, model.channels, model.probe)

    :class:`CheckpointError` where the files of one are damaged.
    """
    return [_model(name, folder) for name in NAMED if (folder := find_named(name)) is not None]


def _model(name: str, folder: Path) -> Model:
    encoder, known = load(folder, "cpu"), NAMED[name]
    size, parameters = (folder / WEIGHTS_FILE).stat().st_size, encoder.info["parameters"]
    return Model(name, known.what, known.licence, folder, size, parameters, encoder.embedding_dim, encoder.record)
