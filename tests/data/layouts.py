"""Published data sets as small folders in their exact layouts."""

import json
import pickle
from pathlib import Path

import h5py
import numpy as np
import trimesh

from i2pmae.data.sources.benchmarks.modelnet import CLASSES_40
from i2pmae.data.sources.benchmarks.shapenetpart import CATEGORIES


def cloud(seed: int, points: int = 64) -> np.ndarray:
    """Points in a box that is longest along its third axis, then the second."""
    return (np.random.default_rng(seed).random((points, 3)) * (1, 2, 3)).astype(np.float32)


def clouds(count: int, seed: int = 0, points: int = 64) -> np.ndarray:
    return np.stack([cloud(seed + index, points) for index in range(count)])


def arrays(path: Path, labels: list[int], seed: int = 0, **more: np.ndarray) -> None:
    """A file as the published ones: data, label as a column of bytes, and more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["data"] = clouds(len(labels), seed)
        file["label"] = np.array(labels, dtype=np.uint8)[:, None]
        for name, values in more.items():
            file[name] = values


def modelnet_hdf5(root: Path, lists: bool = True) -> Path:
    folder = root / "modelnet40_ply_hdf5_2048"
    arrays(folder / "ply_data_train0.h5", [0, 1, 2, 39], 0)
    arrays(folder / "ply_data_train1.h5", [8, 8], 10)
    arrays(folder / "ply_data_test0.h5", [8, 39, 1], 20)
    if lists:
        (folder / "shape_names.txt").write_text("\n".join(CLASSES_40) + "\n")
        for split, count in (("train", 2), ("test", 1)):
            lines = [f"data/{folder.name}/ply_data_{split}{number}.h5" for number in range(count)]
            (folder / f"{split}_files.txt").write_text("\n".join(lines) + "\n")
    return folder


def modelnet_resampled(root: Path, size: int = 40) -> Path:
    folder = root / "modelnet40_normal_resampled"
    for split, names in (("train", ["bed_0001", "night_stand_0001", "bed_0002"]), ("test", ["bed_0003"])):
        for name in names:
            place = folder / name.rpartition("_")[0] / f"{name}.txt"
            place.parent.mkdir(parents=True, exist_ok=True)
            table = np.concatenate([cloud(len(name)), np.ones((64, 3))], axis=1)
            np.savetxt(place, table, fmt="%.6f", delimiter=",")
        (folder / f"modelnet{size}_{split}.txt").write_text("\n".join(names) + "\n")
    return folder


def modelnet_meshes(root: Path, classes: list[str], name: str = "ModelNet40") -> Path:
    """Boxes that are tallest along z."""
    for label in classes:
        for split, count in (("train", 2), ("test", 1)):
            place = root / name / label / split
            place.mkdir(parents=True)
            for number in range(count):
                trimesh.creation.box(extents=(1, 1, 4)).export(place / f"{label}_{number + 1:04d}.off")
    return root / name


def scanobjectnn(root: Path) -> Path:
    """Both folders, with other clouds in each."""
    for seed, folder in ((0, "main_split"), (100, "main_split_nobg")):
        for split, labels in (("training", [0, 14, 3]), ("test", [14, 2])):
            arrays(root / folder / f"{split}_objectdataset.h5", labels, seed, mask=np.zeros((len(labels), 64)))
    for split, labels in (("training", [1, 1, 1, 2]), ("test", [1])):
        arrays(root / "main_split" / f"{split}_objectdataset_augmentedrot_scale75.h5", labels, 50)
    return root


def shapenet55(root: Path) -> Path:
    names = {"train": ["02691156-a1.npy", "04554684-b2.npy", "02691156-c3.npy"], "test": ["03001627-d4.npy"]}
    (root / "ShapeNet-55").mkdir(parents=True)
    (root / "shapenet_pc").mkdir()
    for split, files in names.items():
        (root / "ShapeNet-55" / f"{split}.txt").write_text("\n".join(files) + "\n")
        for index, name in enumerate(files):
            np.save(root / "shapenet_pc" / name, cloud(index + len(split)))
    return root


def part_of(points: np.ndarray, count: int) -> np.ndarray:
    """A part for each point, from its first coordinate: so that a point keeps its part wherever it goes."""
    return (points[:, 0] * count).astype(np.int64).clip(0, count - 1)


SHAPES = {"train": [(0, "a"), (15, "b")], "val": [(0, "c")], "test": [(15, "d"), (4, "e")]}
"""Category and name of each shape of each split, where the layouts of ShapeNetPart are written."""


def each_shape() -> list[tuple[str, str, str, np.ndarray, np.ndarray, int]]:
    """Split, synset, name, points, parts from 0, and the index of the category's first part."""
    found = []
    for split, shapes in SHAPES.items():
        for index, name in shapes:
            points = cloud(ord(name), 50)
            start = sum(category.parts for category in CATEGORIES[:index])
            category = CATEGORIES[index]
            found.append((split, category.synset, name, points, part_of(points, category.parts), start))
    return found


def split_lists(root: Path, splits: tuple[str, ...] = ("train", "val", "test")) -> None:
    (root / "train_test_split").mkdir(parents=True, exist_ok=True)
    for split in splits:
        lines = [f"shape_data/{CATEGORIES[index].synset}/{name}" for index, name in SHAPES[split]]
        (root / "train_test_split" / f"shuffled_{split}_file_list.json").write_text(json.dumps(lines))


def shapenetpart_normal(root: Path) -> Path:
    folder = root / "shapenetcore_partanno_segmentation_benchmark_v0_normal"
    for _, synset, name, points, parts, start in each_shape():
        (folder / synset).mkdir(parents=True, exist_ok=True)
        table = np.concatenate([points, np.ones((len(points), 3)), (parts + start)[:, None]], axis=1)
        np.savetxt(folder / synset / f"{name}.txt", table, fmt="%.6f")
    lines = [f"{category.name}\t{category.synset}" for category in CATEGORIES]
    (folder / "synsetoffset2category.txt").write_text("\n".join(lines) + "\n")
    split_lists(folder)
    return folder


def shapenetpart_hdf5(root: Path) -> Path:
    folder = root / "hdf5_data"
    folder.mkdir(parents=True)
    for split, shapes in SHAPES.items():
        chosen = [shape for shape in each_shape() if shape[0] == split]
        with h5py.File(folder / f"ply_data_{split}0.h5", "w") as file:
            file["data"] = np.stack([points for _, _, _, points, _, _ in chosen])
            file["label"] = np.array([[index] for index, _ in shapes], dtype=np.uint8)
            file["pid"] = np.stack([parts + start for *_, parts, start in chosen]).astype(np.uint8)
        (folder / f"{split}_hdf5_file_list.txt").write_text(f"ply_data_{split}0.h5\n")
    lines = [f"{category.name}\t{category.synset}" for category in CATEGORIES]
    (folder / "all_object_categories.txt").write_text("\n".join(lines) + "\n")
    return folder


def pair(points_file: Path, labels_file: Path, points: np.ndarray, parts: np.ndarray) -> None:
    for file in (points_file, labels_file):
        file.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(points_file, points, fmt="%.6f")
    np.savetxt(labels_file, parts + 1, fmt="%d")


def shapenetpart_challenge(root: Path) -> Path:
    for split, synset, name, points, parts, _ in each_shape():
        places = [root / f"{split}_{kind}" / synset for kind in ("data", "label")]
        pair(places[0] / f"{name}.pts", places[1] / f"{name}.seg", points, parts)
    return root


def shapenetpart_pairs(root: Path) -> Path:
    for _, synset, name, points, parts, _ in each_shape():
        place = root / synset
        pair(place / "points" / f"{name}.pts", place / "points_label" / f"{name}.seg", points, parts)
    return root


def fold(path: Path, classes: tuple[int, ...] = (7, 30), protocol: int = 2) -> None:
    """A published few-shot fold: 6 columns, the label within the fold, the class of ModelNet40 as a NumPy number."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def samples(count: int, seed: int) -> list[tuple[np.ndarray, int, np.int32]]:
        return [
            (np.concatenate([cloud(seed + index), np.ones((64, 3), np.float32)], axis=1), label, np.int32(old))
            for label, old in enumerate(classes)
            for index in range(count)
        ]

    path.write_bytes(pickle.dumps({"train": samples(2, 0), "test": samples(3, 50)}, protocol=protocol))


def fewshot(root: Path) -> Path:
    folder = root / "ModelNetFewshot"
    for number in range(10):
        fold(folder / "5way_10shot" / f"{number}.pkl", (number, number + 20))
    return folder


def cut(path: Path, share: float = 0.6) -> None:
    """Truncate a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
