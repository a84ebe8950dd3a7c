"""Weights that have a name: in the package, in a folder of the user's where they are put by hand, or on the hub.

A name is meant wherever a checkpoint may be given as text; a folder that happens to be called the same is meant by its
path, ``./tiny``. Nothing is downloaded but what is asked for by ``hf-hub:ORG/NAME``.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from i2pmae.common.errors import CheckpointError
from i2pmae.data.paths import cache_folder, expanded

__all__ = [
    "DEFAULT",
    "HUB",
    "NAMED",
    "RECORD_FILE",
    "SCRATCH",
    "WEIGHTS_FILE",
    "Checkpoint",
    "NamedWeights",
    "as_text",
    "default_weights",
    "find_named",
    "holds_weights",
    "introduced",
    "is_name",
    "locate",
    "on_hub",
    "weights_folder",
]

WEIGHTS_FILE = "model.safetensors"
RECORD_FILE = "model.yaml"
SHIPPED = Path(__file__).with_name("shipped")
"""The folder of the package that holds a folder for each of its weights."""
VARIABLE = "I2PMAE_WEIGHTS"
"""The environment variable that names the user's folder of weights."""


@dataclass(frozen=True)
class NamedWeights:
    """Weights as the catalogue knows them. What else is known about them, their record says."""

    name: str
    """What they are called wherever a checkpoint may be given."""
    what: str
    """What they are."""
    licence: str
    """Under which terms they may be used."""
    in_package: bool
    """Whether they are to come with the package; others are too large for it, and a file of their own."""


NAMED = {
    weights.name: weights
    for weights in (
        NamedWeights("tiny", "encoder of the size tiny, for a CPU", "Apache-2.0", in_package=True),
        NamedWeights("small", "encoder of the size small, for a workstation", "Apache-2.0", in_package=False),
    )
}
"""The catalogue, by name."""
SCRATCH = "scratch"
"""What asks a task for initial weights in the place of a checkpoint."""
HUB = "hf-hub:"
"""Before the name of a repository of the Hugging Face hub, ``ORG/NAME`` or ``ORG/NAME@REVISION``."""
DEFAULT = "tiny"
"""The name of the weights that are used where nobody says which."""


def weights_folder() -> Path:
    """Where weights with a name lie that are not in the package, a folder for each.

    That is ``$I2PMAE_WEIGHTS``, else ``weights`` in the folder that keeps what was read.
    """
    chosen = os.environ.get(VARIABLE)
    return expanded(chosen) if chosen else cache_folder() / "weights"


def is_name(given: object) -> bool:
    """Whether a checkpoint is given by name. A :class:`~pathlib.Path` never is."""
    return isinstance(given, str) and given in NAMED


def on_hub(given: object) -> bool:
    """Whether a checkpoint is given as a repository of the hub."""
    return isinstance(given, str) and given.startswith(HUB)


def holds_weights(folder: Path) -> bool:
    """Whether both files of a weights folder are there."""
    return all((folder / file).is_file() for file in (WEIGHTS_FILE, RECORD_FILE))


def find_named(name: str) -> Path | None:
    """The folder of the weights of that name, in the package or the user's folder; ``None`` where they are not here."""
    return next((place for place in (SHIPPED / name, weights_folder() / name) if holds_weights(place)), None)


def default_weights() -> str | None:
    """The name of the weights that are used where nobody says which; ``None`` where they are not here."""
    return None if find_named(DEFAULT) is None else DEFAULT


def locate(given: Path | str) -> Path:
    """The path that is meant: the folder of a name, the local copy of a repository of the hub, or the path as it came.

    :class:`CheckpointError` for a name whose weights are not here, which says where they are looked for, and for a
    repository that can't be had.
    """
    if on_hub(given):
        from i2pmae.weights.hub import fetch_weights

        return fetch_weights(str(given).removeprefix(HUB))
    if not is_name(given):
        return Path(given)
    found = find_named(str(given))
    if found is None:
        raise CheckpointError(_why_absent(NAMED[str(given)]))
    return found


def introduced(name: str) -> str:
    """A sentence on which weights a name stands for."""
    found = locate(name)
    where = "in the package" if found.parent == SHIPPED else f"in {found}"
    return f"Weights {name}: {NAMED[name].what}, {where}.{_namesake(name)}"


def _why_absent(weights: NamedWeights) -> str:
    place = weights_folder() / weights.name
    if weights.in_package:
        lacking, kept = "This package was built without the weights", ""
    else:
        lacking, kept = "There are no weights", f", which are in weights/{weights.name} of the project's repository,"
    return (
        f"{lacking} {weights.name!r}, and {place} does not hold them. Put {WEIGHTS_FILE} and {RECORD_FILE}{kept} "
        f"there, or name the folder above it in {VARIABLE}: nothing is downloaded. `i2pmae pretrain best` makes an "
        f"encoder of your own, from initial weights.{_namesake(weights.name)}"
    )


def _namesake(name: str) -> str:
    """What to say of a folder that is called the same."""
    return f" The folder of that name is meant by ./{name}." if Path(name).is_dir() else ""


def as_text(given: Any) -> Any:
    """A checkpoint as it is written in configurations: text, in which a path is never mistaken for a name."""
    if isinstance(given, Path):
        return f"./{given}" if is_name(str(given)) or on_hub(str(given)) or str(given) == SCRATCH else str(given)
    return given


Checkpoint = Annotated[str, BeforeValidator(as_text)]
"""A field that takes a name of weights or the path of a run folder or weights folder."""
