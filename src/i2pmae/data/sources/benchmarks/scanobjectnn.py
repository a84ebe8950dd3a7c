"""ScanObjectNN: objects cut out of scans of rooms, 15 classes, in three variants."""

from functools import partial
from pathlib import Path

from i2pmae.common.errors import DataError
from i2pmae.data.sources.benchmarks.base import Benchmark, Gathered, Layout, places
from i2pmae.data.sources.plan import Plan

__all__ = ["CLASSES", "OBJ_BG", "OBJ_ONLY", "PB_T50_RS"]

CLASSES = (
    "bag",
    "bin",
    "box",
    "cabinet",
    "chair",
    "desk",
    "display",
    "door",
    "shelf",
    "table",
    "bed",
    "pillow",
    "sink",
    "sofa",
    "toilet",
)
WITH_BACKGROUND, WITHOUT = "main_split", "main_split_nobg"
PLAIN, PERTURBED = "objectdataset.h5", "objectdataset_augmentedrot_scale75.h5"


def find(path: Path, title: str, folder: str, ending: str, train: int, test: int) -> Plan | None:
    """``training_*.h5`` and ``test_*.h5`` in the folder of the variant: 2048 points each, y up, classes as numbers."""
    files = {"train": f"training_{ending}", "test": f"test_{ending}"}
    other = WITHOUT if folder == WITH_BACKGROUND else WITH_BACKGROUND
    for parent in places(path, "h5_files"):
        place = parent / folder if (parent / folder).is_dir() else parent
        if not any((place / name).is_file() for name in files.values()):
            continue
        if place.name == other:  # Both folders have files of these names, with other content.
            raise DataError(
                f"{path} is {other} of ScanObjectNN; {title} is in {folder}. Give the folder that holds {folder}."
            )
        found = Gathered(place)
        if place.name != folder:
            found.notes.append(f"{place} is not called {folder}, and is taken for it.")
        for split, name in files.items():
            if (place / name).is_file():
                found.add_arrays(place / name, split, CLASSES)
            else:
                found.faults.append(f"{name} is missing")
        counts = {"train": train, "test": test}
        return found.plan(f"ScanObjectNN {title}", "HDF5 files", counts, classes=CLASSES, meaning=CLASSES)
    return None


def _benchmark(name: str, title: str, about: str, folder: str, ending: str, train: int, test: int) -> Benchmark:
    return Benchmark(
        name,
        f"ScanObjectNN {title}",
        f"Scanned objects of 15 classes, {about}, for classification.",
        "https://hkust-vgd.github.io/scanobjectnn (after agreeing to its terms)",
        (
            Layout(
                f"{folder}/training_{ending} and test_{ending}",
                partial(find, title=title, folder=folder, ending=ending, train=train, test=test),
            ),
        ),
    )


OBJ_BG = _benchmark("scanobjectnn-bg", "OBJ-BG", "with background", WITH_BACKGROUND, PLAIN, 2309, 581)
OBJ_ONLY = _benchmark("scanobjectnn-only", "OBJ-ONLY", "without background", WITHOUT, PLAIN, 2309, 581)
PB_T50_RS = _benchmark(
    "scanobjectnn-pb",
    "PB-T50-RS",
    "moved, rotated and scaled, with background",
    WITH_BACKGROUND,
    PERTURBED,
    11416,
    2882,
)
