"""Few-shot ModelNet40: the published folds, each a pickle with a few clouds to train on and some to test with."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.formats.base import Block
from i2pmae.data.formats.beside import UNNAMED
from i2pmae.data.formats.pickles import read_pickle
from i2pmae.data.sources.benchmarks.base import Benchmark, Gathered, Layout, natural, places
from i2pmae.data.sources.benchmarks.modelnet import CLASSES_40
from i2pmae.data.sources.listing import source_file
from i2pmae.data.sources.plan import Entry, Plan

__all__ = ["FEWSHOT", "FoldSet", "find", "setting"]

SETTING = re.compile(r"(\d+)way_?(\d+)shot")
FOLDS = 10
FORM = "expected {'train': [(points, label, class), ...], 'test': [...]}"


@dataclass(frozen=True)
class FoldSet:
    """The clouds of one fold: those to train on, then those to test with."""

    path: Path
    labels: np.ndarray
    """``(clouds,)`` classes of ModelNet40."""
    splits: np.ndarray
    extras: bool
    """Whether points have normals."""
    classes: tuple[str, ...] = tuple(CLASSES_40)
    parts: None = None
    ids: None = None
    size: None = None

    def __len__(self) -> int:
        return len(self.labels)

    def blocks(self, columns: Sequence[str] = ()) -> Iterator[Block]:
        """The clouds one by one: they need not have equally many points."""
        for row, (_, points, _, _) in enumerate(_samples(self.path)):
            beside = {UNNAMED: points[None, :, 3:]} if columns and points.shape[1] == 6 else {}
            yield Block(row, points[None, :, :3], columns=beside)


def describe_fold(path: Path) -> FoldSet:
    """What one pickle holds; :class:`DataError` where it is not of the published form."""
    splits, labels, own, columns = [], [], [], set()
    for split, points, label, old in _samples(path):
        splits.append(split)
        own.append(label)
        labels.append(old)
        columns.add(points.shape[1])
    for split in ("train", "test"):
        if split not in splits:
            raise DataError(f"there is no cloud in {split!r}; {FORM}")
    if min(labels) < 0 or max(labels) >= len(CLASSES_40):
        raise DataError(f"the classes run from {min(labels)} to {max(labels)}; expected 0 to {len(CLASSES_40) - 1}")
    pairs = len(set(zip(own, labels, strict=True)))
    if pairs != len(set(own)) or pairs != len(set(labels)):
        raise DataError("the same label stands for several classes, or the other way round")
    return FoldSet(path, np.array(labels), np.array(splits), extras=max(columns) > 3)


def _samples(path: Path) -> Iterator[tuple[str, np.ndarray, int, int]]:
    """Split, points, label within the fold and class of ModelNet40 of each cloud."""
    content = read_pickle(path)
    if not isinstance(content, dict) or not {"train", "test"} <= content.keys():
        raise DataError(f"the pickle holds {type(content).__name__}; {FORM}")
    for split in ("train", "test"):
        samples = content[split]
        if not isinstance(samples, (list, tuple)):
            raise DataError(f"{split!r} is {type(samples).__name__}; {FORM}")
        for row, sample in enumerate(samples):
            try:
                if not isinstance(sample, (list, tuple)):
                    raise ValueError
                points, label, old = sample
                fits = isinstance(points, np.ndarray) and points.ndim == 2 and points.shape[1] >= 3
                if not fits or points.dtype.kind not in "fiu" or not len(points):
                    raise ValueError
                yield split, points, _whole(label), _whole(old)
            except (TypeError, ValueError):
                raise DataError(f"cloud {row} of {split!r} has another form; {FORM}") from None


def _whole(value: Any) -> int:
    if not isinstance(value, (int, np.generic, np.ndarray)):  # Of nested lists, even a look may take for ever.
        raise TypeError
    number = np.asarray(value).reshape(())
    if number.dtype.kind not in "iu":
        raise ValueError
    return int(number)


def find(path: Path) -> Plan | None:
    """``5way_10shot/0.pkl`` … ``9.pkl``, and the same for 5way_20shot, 10way_10shot and 10way_20shot."""
    if path.is_file():
        return _plan(path.parent.parent, [path]) if path.suffix == ".pkl" and setting(path.parent) else None
    for place in places(path, "ModelNetFewshot"):
        if setting(place):
            return _plan(place.parent, natural(place.glob("*.pkl")), [place])
        folders = [folder for folder in natural(place.iterdir()) if folder.is_dir() and setting(folder)]
        if folders:
            return _plan(place, [file for folder in folders for file in natural(folder.glob("*.pkl"))], folders)
    return None


def setting(folder: Path) -> tuple[int, int] | None:
    """The ways and shots that the name of a folder says."""
    match = SETTING.fullmatch(folder.name)
    return (int(match[1]), int(match[2])) if match else None


def _plan(root: Path, files: list[Path], folders: list[Path] | None = None) -> Plan:
    found = Gathered(root)
    for file in files:
        entry = Entry(source_file(file, found.name(file)), describe=partial(describe_fold, file))
        found.entries.append(entry)
    for folder in folders or []:
        there = {file.name for file in folder.glob("*.pkl")}
        names = [f"{number}.pkl" for number in range(FOLDS)]
        found.missing += [f"{folder.name}/{name}" for name in names if name not in there]
    if not files:
        found.faults.append("there is no fold (0.pkl, 1.pkl, …)")
    return found.plan("few-shot ModelNet40", "pickled folds", {}, classes=tuple(CLASSES_40))


FEWSHOT = Benchmark(
    "modelnet-fewshot",
    "few-shot ModelNet40",
    "Ten folds each of 5 and 10 classes with 10 and 20 clouds to train on, 20 of each class to test with.",
    "DATASET.md of https://github.com/Julie-tang00/Point-BERT (ModelNetFewshot)",
    (Layout("5way_10shot/0.pkl … 9.pkl, and the same for 5way_20shot, 10way_10shot, 10way_20shot", find),),
)
