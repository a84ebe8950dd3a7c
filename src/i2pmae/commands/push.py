"""``push``: weights on the Hugging Face hub, with a card that is written from what their run measured."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from i2pmae.commands.use import Encoder
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.common.progress import say
from i2pmae.data.shapes import make_shapes
from i2pmae.encoders.base import PointModel
from i2pmae.methods.pictures import pictured
from i2pmae.runs.record import START, RunRecord, Score
from i2pmae.viz import write_view
from i2pmae.weights.card import cell, data_name, table
from i2pmae.weights.hub import check_repository, publish, published, upload_command, write_folder
from i2pmae.weights.named import NAMED, is_name, locate, on_hub
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import load_model

__all__ = ["Pushed", "push"]

FEATURES = "features.png"
DRAWN = 3
"""Built-in shapes that the card shows the features of."""
OF_RUNS = {"confusion.png": "Confusion of the classes", "parts.png": "Parts that it finds"}
"""Pictures that runs leave in their folder."""


@dataclass(frozen=True)
class Pushed:
    """What :func:`push` made."""

    folder: Path
    """Where the files are, as they are on the hub."""
    url: str | None
    """The address of the commit; absent where nothing was uploaded."""
    command: str
    """What uploads the folder."""


def push(
    checkpoint: str | Path,
    repository: str,
    *,
    folder: str | Path | None = None,
    licence: str = "",
    precision: Literal["fp16", "fp32"] = "fp16",
    private: bool = False,
    message: str = "Weights of i2pmae",
    upload: bool = True,
    pictures: bool = True,
    shown: bool = True,
) -> Pushed:
    """Where weights were published: a folder with safetensors, record and model card, and the address of a commit.

    Of a pre-trained model the encoder alone, of a classifier or segmenter all of it. The card is written from the
    record of the run: data, method, protocol, scores beside those without pre-training, licence, pictures. Others then
    use it by ``i2pmae.load("hf-hub:ORG/NAME")``.

    >>> i2pmae.push("runs/scans", "my-lab/scans", licence="apache-2.0")

    Args:
        checkpoint: a run folder, a weights folder or a name (:func:`i2pmae.list_models`).
        repository: ORG/NAME on the hub; it is made where it isn't there.
        folder: where the files are written, ``hub/ORG/NAME`` where absent; what has the same names there is replaced.
        licence: the hub's name of the terms of the weights, such as apache-2.0; of weights with a name their own.
        precision: of the weights on disk; what is loaded is float32 either way.
        private: whether a new repository is private.
        message: of the commit.
        upload: whether to upload; else the folder is written, and the command that uploads it is in the result.
        pictures: whether the card shows pictures: those of the run, and features of built-in shapes as colours.
        shown: whether it is said what is missing on the card.

    Raises:
        UsageError: for a name that can't be one. CheckpointError: for weights that cannot be read. I2PError: where the
            hub can't be reached or refuses; the folder is written then.
    """
    check_repository(repository)
    if precision not in ("fp16", "fp32"):
        raise UsageError(f"Unknown precision {precision!r}: expected fp16 or fp32.")
    place = Path("hub") / repository if folder is None else Path(folder)
    source = locate(checkpoint)
    source = source.parent if source.is_file() else source
    if place.resolve() == source.resolve():
        raise UsageError(f"{place} is the checkpoint itself: choose another folder to write to.")
    encoder = Encoder(*load_model(source), "cpu")
    if not licence and is_name(checkpoint):
        licence = NAMED[str(checkpoint)].licence.lower()
    if not licence and shown:
        say("No licence was named, and the card says so: nobody may use the weights then. Name one with --licence.")
    model, record = published(encoder.model, encoder.record)
    run = None if on_hub(checkpoint) else _run(source)
    files = write_folder(
        place,
        model,
        record,
        repository,
        encoder.facts | _provenance(run),
        precision=precision,
        licence=licence,
        results="" if run is None else _results(run),
        pictures=_pictures(place, source, model, record) if pictures else (),
    )
    url = publish(place, repository, files=files, message=message, private=private) if upload else None
    return Pushed(place, url, upload_command(place, repository))


def _run(folder: Path) -> RunRecord | None:
    """What the run in a folder found; ``None`` where there is no run, or it scored nothing."""
    try:
        found = RunRecord.load(folder)
    except CheckpointError:
        return None
    return found if found.scores else None


def _provenance(run: RunRecord | None) -> dict[str, str]:
    """Rows on how a run came about; paths of its machine are nobody's business."""
    if run is None:
        return {}
    versions = ", ".join(f"{name} {number}" for name, number in run.versions.items())
    epochs = run.figures.get("epochs")
    return {
        "epochs": "" if epochs is None else f"{epochs:g}",
        "seeds": ", ".join(map(str, run.seeds)),
        "machine": run.machine,
        "versions": versions,
        "commit": run.commit or "",
    }


def _results(run: RunRecord) -> str:
    """What a run found, beside the same without pre-training, and how it was measured."""
    columns = {"these weights": run}
    columns |= {"started from": run.children[START]} if START in run.children else {}
    columns |= {"without pre-training": run.twin} if run.twin is not None else {}
    head: list[object] = ["", *columns]
    rows: list[list[object]] = [
        [name.replace("_", " "), *(_score(record, name) for record in columns.values())] for name in run.scores
    ]
    lines = ["| " + " | ".join(map(cell, row)) + " |" for row in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    about = {
        "protocol": run.protocol,
        "data": data_name(run.data),
        "training clouds": run.train_clouds or "",
        "test clouds": run.test_clouds or "",
        "classes": len(run.classes) or "",
        "by chance": "" if run.chance is None else f"{run.chance:.1%}",
    }
    return "\n".join(lines) + "\n\n" + table(about)


def _score(run: RunRecord, name: str) -> Score | str:
    return run.scores.get(name, "–")


def _pictures(place: Path, source: Path, model: PointModel, record: ModelRecord) -> list[tuple[str, str]]:
    """Pictures that were put into a folder, and what they show."""
    place.mkdir(parents=True, exist_ok=True)
    found = []
    for name, what in OF_RUNS.items():
        if (source / name).is_file():
            shutil.copyfile(source / name, place / name)
            found.append((name, what))
    shapes = make_shapes(DRAWN, max(record.points, model.min_points))
    write_view(place / FEATURES, [pictured(shapes, row, model) for row in range(DRAWN)])
    return [*found, (FEATURES, "Features of points as colours, of built-in shapes")]
