"""``models``: the weights that have a name, and whether they are here."""

from dataclasses import dataclass
from pathlib import Path

from i2pmae.commands.use import load
from i2pmae.weights.named import NAMED, WEIGHTS_FILE, NamedWeights, find_named, weights_folder
from i2pmae.weights.reached import Reached
from i2pmae.weights.record import ModelRecord

__all__ = ["Model", "list_models"]


@dataclass(frozen=True)
class Model:
    """Weights that have a name. What only their files say is absent where these are not here."""

    name: str
    """What :func:`i2pmae.load` and every command that takes a checkpoint know them by."""
    what: str
    """What they are."""
    licence: str
    """Under which terms they may be used."""
    folder: Path
    """Where they are, or where they would be looked for."""
    size: int = 0
    """Bytes of the weights on disk; 0 where they are not here."""
    parameters: int = 0
    """Of the encoder alone."""
    channels: int = 0
    """Of an embedding."""
    record: ModelRecord | None = None
    """What else is known about them: method, data, teacher, points per cloud."""

    @property
    def here(self) -> bool:
        """Whether the weights are on this machine."""
        return self.record is not None

    @property
    def probe(self) -> str:
        """How good a linear probe of them was, in words; empty where their record doesn't say."""
        found = None if self.record is None else Reached.of(self.record)
        return "" if found is None else str(found)


def list_models(pretrained: bool = True) -> list[Model]:
    """The weights that have a name and are here, in the package or the user's folder: an empty list where none are.

    >>> for model in i2pmae.list_models():
    ...     print(model.name, model.channels, model.probe)

    Args:
        pretrained: only weights that can be used now; False lists every name, also those whose weights are not here.

    Raises:
        CheckpointError: where the files of one are damaged.
    """
    found = [(weights, find_named(name)) for name, weights in NAMED.items()]
    here = [_model(weights, folder) for weights, folder in found if folder is not None]
    absent = [
        Model(weights.name, weights.what, weights.licence, weights_folder() / weights.name)
        for weights, folder in found
        if folder is None and not pretrained
    ]
    return [*here, *absent]


def _model(known: NamedWeights, folder: Path) -> Model:
    encoder = load(folder, "cpu")
    size, parameters = (folder / WEIGHTS_FILE).stat().st_size, encoder.info["parameters"]
    return Model(known.name, known.what, known.licence, folder, size, parameters, encoder.embedding_dim, encoder.record)
