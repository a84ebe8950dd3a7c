"""ShapeNetPart: shapes of 16 categories, each point labelled as one of its category's parts, 50 in all."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from i2pmae.data.formats.parts import PartSource
from i2pmae.data.paths import portable
from i2pmae.data.sources.benchmarks.base import Benchmark, Gathered, Layout, listed_arrays, places, read_list
from i2pmae.data.sources.plan import Plan

__all__ = ["CATEGORIES", "PARTS", "SHAPENETPART", "Category"]


class Category(NamedTuple):
    """One of the 16 categories."""

    name: str
    synset: str
    parts: int
    """How many parts it has."""


CATEGORIES = (
    Category("Airplane", "02691156", 4),
    Category("Bag", "02773838", 2),
    Category("Cap", "02954340", 2),
    Category("Car", "02958343", 4),
    Category("Chair", "03001627", 4),
    Category("Earphone", "03261776", 3),
    Category("Guitar", "03467517", 3),
    Category("Knife", "03624134", 2),
    Category("Lamp", "03636649", 4),
    Category("Laptop", "03642806", 2),
    Category("Motorbike", "03790512", 6),
    Category("Mug", "03797390", 2),
    Category("Pistol", "03948459", 3),
    Category("Rocket", "04099429", 3),
    Category("Skateboard", "04225987", 3),
    Category("Table", "04379243", 3),
)
"""In the order of the labels, and of the parts."""
CLASSES = tuple(category.name for category in CATEGORIES)
PART_COUNTS = {category.name: category.parts for category in CATEGORIES}
PARTS = tuple(f"{category.name}/{part}" for category in CATEGORIES for part in range(category.parts))
"""Names of the 50 parts, in the order of the part labels; parts have no official names but their numbers."""
COUNTS = {"train": 12137, "val": 1870, "test": 2874}
NORMAL = "shapenetcore_partanno_segmentation_benchmark_v0_normal"


def find_normal(path: Path) -> Plan | None:
    """``SYNSET/ID.txt`` with lines ``x y z nx ny nz part`` (parts from 0 to 49), and JSON lists of the splits."""
    for place in places(path, NORMAL):
        there = {
            (category.synset, file.stem) for category in CATEGORIES for file in (place / category.synset).glob("*.txt")
        }
        if not there:
            continue
        found = Gathered(place)
        known = {category.synset: (category.name, start) for category, start in _starts()}
        lists = _split_lists(found)
        for split, shapes in lists.items():
            for synset, shape in shapes:
                if synset not in known:
                    found.faults.append(portable(f"{_list(split)} names {synset}/{shape}, which is of no category"))
                    continue
                name, start = known[synset]
                parts = PartSource(None, start, start, PART_COUNTS[name])
                found.add_file(place / synset / f"{shape}.txt", name, split, parts, _list(split))
        _note_unlisted(found, len(there.difference(*lists.values())))
        return _plan(found, "text files with normals")
    return None


def find_hdf5(path: Path) -> Plan | None:
    """``ply_data_{train,val,test}*.h5`` with ``data``, ``label`` and ``pid``: 2048 points each."""
    for place in places(path, "hdf5_data"):
        if (place / "shape_names.txt").is_file():
            continue  # ModelNet40 calls its files the same
        lists = {split: f"{split}_hdf5_file_list.txt" for split in COUNTS}
        files = listed_arrays(place, lists, "ply_data_{}*.h5")
        if not files:
            continue
        found = Gathered(place)
        names = tuple(line.split()[0] for line in read_list(place / "all_object_categories.txt") or CLASSES)
        if sorted(names) != list(CLASSES):
            found.faults.append("all_object_categories.txt does not hold the 16 categories of ShapeNetPart")
            names = CLASSES
        for file, split in files:
            found.add_arrays(file, split, names, parts=True)
        return _plan(found, "HDF5 files", names)
    return None


def find_challenge(path: Path) -> Plan | None:
    """``train_data/SYNSET/*.pts`` and ``train_label/SYNSET/*.seg``, the same for val and test; parts count from 1."""
    for place in places(path):
        if not any((place / f"{split}_data").is_dir() for split in COUNTS):
            continue
        found = Gathered(place)
        for split in COUNTS:
            for category, start in _starts():
                for file in sorted((place / f"{split}_data" / category.synset).glob("*.pts")):
                    labels = place / f"{split}_label" / category.synset / f"{file.stem}.seg"
                    found.add_file(file, category.name, split, PartSource(labels, 1, start, category.parts))
        return _plan(found, "files of points and of parts, by split")
    return None


def find_pairs(path: Path) -> Plan | None:
    """``SYNSET/points/*.pts`` and ``SYNSET/points_label/*.seg``; parts count from 1; with lists of splits or without.

    Without any list, all clouds are of the train split.
    """
    for place in places(path, NORMAL.removesuffix("_normal")):
        if not any((place / category.synset / "points").is_dir() for category in CATEGORIES):
            continue
        found = Gathered(place)
        lists = _split_lists(found, needed=False)
        splits: dict[tuple[str, str], str] = {}
        for listed, pair in ((split, pair) for split, pairs in lists.items() for pair in pairs):
            first = splits.setdefault(pair, listed)
            if first != listed:
                found.faults.append(f"{'/'.join(pair)} is in the lists of both {first} and {listed}")
        unlisted, seen = 0, set()
        for category, start in _starts():
            folder = place / category.synset
            for file in sorted((folder / "points").glob("*.pts")):
                seen.add((category.synset, file.stem))
                split = splits.get((category.synset, file.stem), None if lists else "train")
                if split is None:
                    unlisted += 1
                    continue
                labels = folder / "points_label" / f"{file.stem}.seg"
                found.add_file(file, category.name, split, PartSource(labels, 1, start, category.parts))
        for synset, shape in sorted(set(splits) - seen):
            reason = f"listed in {_list(splits[synset, shape])}, but not there"
            found.problems.append((portable(f"{synset}/points/{shape}.pts"), reason))
        _note_unlisted(found, unlisted)
        needed = {split: COUNTS[split] for split in COUNTS if split in lists or (split == "train" and not lists)}
        return replace(_plan(found, "files of points and of parts, by category", needed=needed), counts=COUNTS)
    return None


def _starts() -> Iterator[tuple[Category, int]]:
    """Each category with the index of its first part."""
    start = 0
    for category in CATEGORIES:
        yield category, start
        start += category.parts


def _list(split: str) -> str:
    return f"train_test_split/shuffled_{split}_file_list.json"


def _split_lists(found: Gathered, needed: bool = True) -> dict[str, list[tuple[str, str]]]:
    """Synset and name of each shape of each split that has a list; its lines end in ``SYNSET/NAME``."""
    lists = {}
    for split in COUNTS:
        file = found.root / _list(split)
        if not file.is_file():
            continue
        try:
            lines = [PurePosixPath(line).parts[-2:] for line in json.loads(file.read_text(encoding="utf-8"))]
            lists[split] = [(synset, shape) for synset, shape in lines]
        except (ValueError, TypeError, RecursionError) as error:
            found.faults.append(f"{_list(split)} is no list of SYNSET/NAME: {error}")
    missing = [split for split in COUNTS if split not in lists]
    if needed:
        found.faults += [f"the list {_list(split)} is missing" for split in missing]
    elif missing:
        alone = "" if lists else ": all its clouds are taken for training"
        found.notes.append(f"ShapeNetPart has no list of its {' and '.join(missing)} split in train_test_split{alone}.")
    return lists


def _note_unlisted(found: Gathered, count: int) -> None:
    if count:
        found.notes.append(f"{count} clouds of ShapeNetPart are in no list of a split, and are left out.")


def _plan(
    found: Gathered, layout: str, meaning: tuple[str, ...] | None = None, needed: dict[str, int] | None = None
) -> Plan:
    return found.plan("ShapeNetPart", layout, needed or COUNTS, classes=CLASSES, meaning=meaning, parts=PARTS)


SHAPENETPART = Benchmark(
    "shapenetpart",
    "ShapeNetPart",
    "Shapes of 16 categories with 50 parts, for part segmentation.",
    "https://shapenet.org (after registering); "
    f"https://shapenet.cs.stanford.edu/media/{NORMAL}.zip and shapenet_part_seg_hdf5_data.zip",
    (
        Layout(f"{NORMAL}/SYNSET/*.txt with {_list('train')}, …val…, …test…", find_normal),
        Layout("hdf5_data/ply_data_train*.h5, ply_data_val*.h5 and ply_data_test*.h5", find_hdf5),
        Layout("train_data/SYNSET/*.pts with train_label/SYNSET/*.seg, and the same for val and test", find_challenge),
        Layout("SYNSET/points/*.pts with SYNSET/points_label/*.seg", find_pairs),
    ),
)
