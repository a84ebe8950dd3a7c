"""ModelNet40 and ModelNet10: CAD models of 40 and 10 classes, as meshes or as points that were sampled from them."""

from functools import partial
from pathlib import Path

from i2pmae.data.sources.benchmarks.base import Benchmark, Gathered, Layout, listed_arrays, places, read_list
from i2pmae.data.sources.plan import Plan

__all__ = ["CLASSES_10", "CLASSES_40", "MODELNET10", "MODELNET40"]

CLASSES_40 = [
    "airplane",
    "bathtub",
    "bed",
    "bench",
    "bookshelf",
    "bottle",
    "bowl",
    "car",
    "chair",
    "cone",
    "cup",
    "curtain",
    "desk",
    "door",
    "dresser",
    "flower_pot",
    "glass_box",
    "guitar",
    "keyboard",
    "lamp",
    "laptop",
    "mantel",
    "monitor",
    "night_stand",
    "person",
    "piano",
    "plant",
    "radio",
    "range_hood",
    "sink",
    "sofa",
    "stairs",
    "stool",
    "table",
    "tent",
    "toilet",
    "tv_stand",
    "vase",
    "wardrobe",
    "xbox",
]
CLASSES_10 = ["bathtub", "bed", "chair", "desk", "dresser", "monitor", "night_stand", "sofa", "table", "toilet"]
HDF5, RESAMPLED = "modelnet40_ply_hdf5_2048", "modelnet40_normal_resampled"
COUNTS = {40: {"train": 9843, "test": 2468}, 10: {"train": 3991, "test": 908}}
RESAMPLED_POINTS = 10000


def find_hdf5(path: Path, size: int) -> Plan | None:
    """``ply_data_train*.h5`` and ``ply_data_test*.h5``: 2048 points each, y up, classes as numbers."""
    for place in places(path, HDF5):
        if any((place / name).is_file() for name in ("all_object_categories.txt", "train_hdf5_file_list.txt")):
            continue  # ShapeNetPart calls its files the same
        lists = {split: f"{split}_files.txt" for split in ("train", "test")}
        files = listed_arrays(place, lists, "ply_data_{}*.h5")
        if not files:
            continue
        found = Gathered(place)
        meaning = tuple(read_list(place / "shape_names.txt") or CLASSES_40)
        if sorted(meaning) != CLASSES_40:
            found.faults.append(f"shape_names.txt does not hold the 40 classes of ModelNet40, but {len(meaning)} names")
            meaning = tuple(CLASSES_40)
        for file, split in files:
            found.add_arrays(file, split, meaning, _classes(size))
        return _plan(found, size, "HDF5 files", meaning=meaning)
    return None


def find_resampled(path: Path, size: int) -> Plan | None:
    """``CLASS/CLASS_0001.txt`` with lines ``x,y,z,nx,ny,nz``: 10,000 points each, y up, and lists of the splits."""
    prefix = f"modelnet{size}"
    for place in places(path, RESAMPLED):
        lists = {split: place / f"{prefix}_{split}.txt" for split in ("train", "test")}
        if not any(file.is_file() for file in lists.values()):
            continue
        found = Gathered(place)
        for split, file in lists.items():
            for number, name in enumerate(read_list(file) or [], 1):
                label = name.rpartition("_")[0]
                if label in _classes(size):
                    found.add_file(place / label / f"{name}.txt", label, split, listed=file.name)
                else:
                    found.faults.append(f"{file.name}, line {number}: {name!r} is of no class of ModelNet{size}")
        return _plan(found, size, "text files with normals", points=RESAMPLED_POINTS)
    return None


def find_meshes(path: Path, size: int) -> Plan | None:
    """``CLASS/train/*.off`` and ``CLASS/test/*.off``: meshes, z up."""
    for place in places(path, f"ModelNet{size}", "ModelNet40"):
        there = [label for label in CLASSES_40 if any((place / label / split).is_dir() for split in ("train", "test"))]
        if not any(label in _classes(size) for label in there):
            continue
        found = Gathered(place)
        for label in _classes(size):
            if label not in there:
                found.missing.append(f"the folder {label} with train and test")
            for split in ("train", "test"):
                for file in sorted((place / label / split).glob("*.off")):
                    found.add_file(file, label, split)
        if size == 40 and there == CLASSES_10:
            found.faults.append(f"it holds the ten classes of ModelNet10: open it as modelnet10={path}")
        return _plan(found, size, "meshes", up="z") if found.entries else None
    return None


def _classes(size: int) -> list[str]:
    return CLASSES_40 if size == 40 else CLASSES_10


def _plan(
    found: Gathered,
    size: int,
    layout: str,
    meaning: tuple[str, ...] | None = None,
    up: str = "y",
    points: int | None = None,
) -> Plan:
    classes = tuple(_classes(size))
    return found.plan(f"ModelNet{size}", layout, COUNTS[size], classes=classes, meaning=meaning, up=up, points=points)


def _benchmark(size: int) -> Benchmark:
    return Benchmark(
        f"modelnet{size}",
        f"ModelNet{size}",
        f"CAD models of {size} classes, for classification.",
        "https://modelnet.cs.princeton.edu (meshes); sampled points: "
        f"https://shapenet.cs.stanford.edu/media/{HDF5}.zip and {RESAMPLED}.zip",
        (
            Layout(f"{HDF5}/ply_data_train*.h5 and ply_data_test*.h5", partial(find_hdf5, size=size)),
            Layout(
                f"{RESAMPLED}/CLASS/*.txt with modelnet{size}_train.txt and modelnet{size}_test.txt",
                partial(find_resampled, size=size),
            ),
            Layout(f"ModelNet{size}/CLASS/train/*.off and CLASS/test/*.off", partial(find_meshes, size=size)),
        ),
    )


MODELNET40 = _benchmark(40)
MODELNET10 = _benchmark(10)
