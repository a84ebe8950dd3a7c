"""What the weights in the package are worth where labels are few: each task beside its twin from initial weights.

    python scripts/transfer.py --modelnet40 modelnet40.npz --parts parts.npz --output runs/transfer

Classes are those of ModelNet40 (official split), parts those of meshes with a label per point (`i2pmae segment --help`
says how files look); a share of the labels is taken class by class. What is done already is not done again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import tyro

import i2pmae
from i2pmae.common.files import write_text
from i2pmae.common.progress import say
from i2pmae.runs.record import RunRecord, describe_run
from i2pmae.tasks.config import EncoderChanges


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    name: str
    kind: Literal["segment", "finetune"]
    recipe: str
    changes: dict[str, Any]


FITTED: dict[str, Any] = {"head_start": "fitted", "pooling": None, "encoder": EncoderChanges()}
"""The head begins as a logistic regression on the embeddings of pre-training: its neighbourhoods and read-out."""
ONE: dict[str, Any] = {"fraction": 0.01, "batch_size": 16, "epochs": 120}
TEN: dict[str, Any] = {"fraction": 0.1, "epochs": 40}
GENTLE: dict[str, Any] = {"epochs": 10, "optimiser.learning_rate": 1e-4, "smoothing": 0.1}
LINES = (
    Line("parts, 10 %", "segment", "tiny", {"fraction": 0.1}),
    Line("parts, 30 %", "segment", "tiny", {"fraction": 0.3}),
    Line("parts, 100 %", "segment", "tiny", {}),
    Line("ModelNet40, 1 %", "finetune", "modelnet40-tiny", ONE),
    Line("ModelNet40, 1 %, head fitted first", "finetune", "modelnet40-tiny", ONE | FITTED),
    Line("ModelNet40, 10 %", "finetune", "modelnet40-tiny", TEN),
    Line("ModelNet40, 10 %, head fitted first", "finetune", "modelnet40-tiny", TEN | FITTED),
    Line("ModelNet40, 10 %, head fitted first, 10 epochs", "finetune", "modelnet40-tiny", TEN | FITTED | GENTLE),
    Line("ModelNet40, 100 %", "finetune", "modelnet40-tiny", {"epochs": 10}),
    Line("ModelNet40, 100 %, head fitted first", "finetune", "modelnet40-tiny", FITTED | {"epochs": 10}),
)


@dataclass(frozen=True)
class Options:
    """What is run, on what, and where it goes."""

    modelnet40: str
    """ModelNet40 with its official split."""
    parts: str
    """Clouds with a label per point."""
    up: Literal["y", "z"] = "z"
    """Axis that points up in ModelNet40's clouds."""
    checkpoint: str = "tiny"
    """Weights to start from."""
    output: Path = Path("runs/transfer")
    """Folder for runs."""
    records: Path = Path("docs/records")
    """Folder of the record."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run for each."""
    lines: tuple[str, ...] = ()
    """Only these lines."""


def main() -> None:
    """Run the lines that are not in the record yet."""
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(1)
    path = options.records / f"transfer-{Path(options.checkpoint).name}.json"
    for line in LINES:
        if options.lines and line.name not in options.lines:
            continue
        for seed in options.seeds:
            found = RunRecord.load(path) if path.exists() else RunRecord(kind="compare")
            row = found.children.get(line.name, RunRecord(kind="compare", recipe=line.recipe))
            if f"seed-{seed}" in row.children:
                continue
            say(f"{line.name}, seed {seed}")
            row = row.changed(children={**row.children, f"seed-{seed}": _run(options, line, seed)})
            found = found.changed(children={**found.children, line.name: row}, **describe_run())
            write_text(path, found.model_dump_json(indent=1, exclude_defaults=True) + "\n")


def _run(options: Options, line: Line, seed: int) -> RunRecord:
    """The record of a run and its twin, without what is long."""
    parts = line.kind == "segment"
    folder = options.output / f"{line.name}-{seed}".replace(" %", "").replace(", ", "-")
    changes: dict[str, Any] = {
        **line.changes,
        "checkpoint": options.checkpoint,
        "twin": True,
        "data.source": options.parts if parts else options.modelnet40,
        "training.seed": seed,
        "output.folder": folder,
    }
    if parts:
        changes["unseen_parts"] = "leave-out"
    else:
        changes["data.up"] = options.up
    config = i2pmae.recipe(line.recipe, line.kind).changed(changes)
    record = getattr(i2pmae, line.kind)(config, resume=folder.exists(), shown=False)
    say(f"{line.name}, seed {seed}: {record.score}, from scratch {record.twin.score}")
    short = {"confusion": None, "output": None, "encoder": options.checkpoint, "data": Path(record.data).name}
    twin = record.twin.changed(confusion=None, output=None, data=short["data"])
    return record.changed(short).with_twin(twin)


if __name__ == "__main__":
    main()
