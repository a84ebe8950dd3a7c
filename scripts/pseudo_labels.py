"""What pseudo-labels are worth: ModelNet40's files with few labels, one round of fine-tuning and then another.

python scripts/pseudo_labels.py modelnet40.npz --folder FOLDER [--classes bathtub bed ...] [--share 0.05]
    [--unlabelled 600] [--tests 20] [--steps 220] [--batch 8] [--confidence 0.9] [--seed 0]

``modelnet40.npz`` has x_train, y_train, x_test, y_test and classes, z up. Of the training clouds of the classes a share
keeps its labels, some others lose theirs, and of the test clouds some of each class are scored. Both rounds start from
the encoder in the package and take the same number of steps, so that the second has more labels and not more training;
both score the same test clouds. Prints what was found as a row of a table.
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import i2pmae

TEN = ("bathtub", "bed", "chair", "desk", "dresser", "monitor", "night_stand", "sofa", "table", "toilet")


def write(folder: Path, clouds: np.ndarray, rows: np.ndarray) -> None:
    """Each cloud as a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows.tolist():
        np.save(folder / f"{row:05d}.npy", clouds[row])


def lay_out(options: argparse.Namespace) -> dict[str, str]:
    """Write the folders ``labelled`` and ``unlabelled``; gives the true class of each unlabelled file."""
    found, rng = np.load(options.archive), np.random.default_rng(options.seed)
    names, rest = found["classes"].tolist(), []
    for name in options.classes:
        kind = names.index(name)
        rows = rng.permutation(np.flatnonzero(found["y_train"] == kind))
        count = max(3, round(options.share * len(rows)))
        write(options.folder / "labelled" / "train" / name, found["x_train"], rows[:count])
        rest += rows[count:].tolist()
        tests = rng.permutation(np.flatnonzero(found["y_test"] == kind))[: options.tests]
        write(options.folder / "labelled" / "test" / name, found["x_test"], tests)
    chosen = rng.permutation(rest)[: options.unlabelled]
    write(options.folder / "unlabelled", found["x_train"], chosen)
    return {f"{row:05d}.npy": names[found["y_train"][row]] for row in chosen.tolist()}


def tuned(options: argparse.Namespace, data: Path, name: str, clouds: int) -> float:
    """The test accuracy of fine-tuning on that data for about the wanted number of steps."""
    epochs = max(1, math.ceil(options.steps / max(1, clouds // options.batch)))
    changes = {"epochs": epochs, "batch_size": options.batch, "seed": options.seed, "up": "z", "device": "cpu"}
    record = i2pmae.finetune(
        checkpoint="tiny", data=str(data), points=1024, report=False, output=options.folder / name, **changes
    )
    print(f"{name}: {record.train_clouds} clouds, {record.figures['steps']:.0f} steps, {record.score}", flush=True)
    return record.accuracy


def main(arguments: Sequence[str] | None = None) -> None:
    """Both rounds, and a row of the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--classes", nargs="+", default=TEN)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--unlabelled", type=int, default=600)
    parser.add_argument("--tests", type=int, default=20)
    parser.add_argument("--steps", type=int, default=220)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--confidence", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    truth = lay_out(options)
    labelled, manifest = options.folder / "labelled", options.folder / "more.parquet"
    count = len(list((labelled / "train").rglob("*.npy")))
    first = tuned(options, labelled, "first", round(0.8 * count))
    table = i2pmae.predict(
        options.folder / "first",
        options.folder / "unlabelled",
        as_manifest=manifest,
        confidence=options.confidence,
        labelled=labelled,
        up="z",
    )
    sure = [row for row in table.to_pylist() if row["probability"] >= options.confidence]
    right = np.mean([truth[row["id"]] == row["label"] for row in sure])
    second = tuned(options, manifest, "second", round(0.8 * count) + len(sure))
    print(
        f"| {len(options.classes)} | {count} | {len(truth)} | {len(sure)} | {right:.1%} | "
        f"{first:.1%} | {second:.1%} | {options.seed} |"
    )


if __name__ == "__main__":
    main()
