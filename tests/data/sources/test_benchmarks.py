"""Each layout of each published data set: what it becomes, and what is said where it is not as it should be."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from i2pmae.common.errors import DataError, UsageError
from i2pmae.data.clouds import CloudSet, normalise
from i2pmae.data.open.folds import open_folds
from i2pmae.data.open.source import open_clouds
from i2pmae.data.read.files import Request
from i2pmae.data.sources.benchmarks import READERS, recognise
from i2pmae.data.sources.benchmarks.modelnet import CLASSES_10, CLASSES_40
from i2pmae.data.sources.benchmarks.shapenet55 import TAXONOMY
from i2pmae.data.sources.benchmarks.shapenetpart import CATEGORIES, PARTS
from tests.data import layouts


def read(name: str, path: Path, points: int = 64, **options: Any) -> CloudSet:
    return open_clouds(f"{name}={path}", points=points, workers=0, shown=False, **options)


def test_official_facts() -> None:
    assert (len(CLASSES_40), len(CLASSES_10), len(TAXONOMY)) == (40, 10, 55)
    assert (len(CATEGORIES), len(PARTS)) == (16, 50)
    assert sorted(CLASSES_40) == CLASSES_40
    assert set(CLASSES_10) < set(CLASSES_40)
    assert (PARTS[0], PARTS[12], PARTS[30], PARTS[49]) == ("Airplane/0", "Chair/0", "Motorbike/0", "Table/2")
    for name, reader in READERS.items():
        assert (reader.name, bool(reader.layouts)) == (name, True)
        assert "http" in reader.obtained


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_modelnet40_hdf5(lists: bool, inside: bool, tmp_path: Path) -> None:
    folder = layouts.modelnet_hdf5(tmp_path, lists)
    opened = read("modelnet40", folder if inside else tmp_path)
    assert opened.classes == tuple(CLASSES_40)
    assert opened.labels.tolist() == [0, 1, 2, 39, 8, 8, 8, 39, 1]
    assert opened.splits.tolist() == ["train"] * 6 + ["test"] * 3
    np.testing.assert_allclose(opened.points[4], normalise(layouts.cloud(10)), atol=1e-6)
    assert opened.ids[4] == "ply_data_train1.h5/000000"
    assert "6 of 9843 train, 3 of 2468 test" in opened.notes[0]


def test_class_names_in_another_order_keep_their_meaning(tmp_path: Path) -> None:
    folder = layouts.modelnet_hdf5(tmp_path)
    (folder / "shape_names.txt").write_text("\n".join(reversed(CLASSES_40)))
    opened = read("modelnet40", folder)
    assert opened.classes == tuple(CLASSES_40)
    assert opened.labels.tolist() == [39, 38, 37, 0, 31, 31, 31, 0, 38]
    (folder / "shape_names.txt").write_text("cup\npot\n")
    with pytest.raises(DataError, match=r"shape_names.txt does not hold the 40 classes of ModelNet40, but 2 names"):
        read("modelnet40", folder)


def test_modelnet10_is_ten_classes_of_the_same_files(tmp_path: Path) -> None:
    opened = read("modelnet10", layouts.modelnet_hdf5(tmp_path))
    assert opened.classes == tuple(CLASSES_10)
    named = [opened.classes[label] for label in opened.labels]
    assert named == ["bathtub", "bed", "chair", "chair", "chair", "bathtub"]
    assert opened.splits.tolist() == ["train"] * 4 + ["test"] * 2
    assert list(opened.ids)[:2] == ["ply_data_train0.h5/000001", "ply_data_train0.h5/000002"]


@pytest.mark.parametrize("size", [40, 10])
def test_modelnet_resampled(size: int, tmp_path: Path) -> None:
    folder = layouts.modelnet_resampled(tmp_path, size)
    for path in (folder, tmp_path):
        opened = read(f"modelnet{size}", path)
        named = [opened.classes[label] for label in opened.labels]
        assert named == ["bed", "night_stand", "bed", "bed"]
        assert opened.splits.tolist() == ["train"] * 3 + ["test"]
        np.testing.assert_allclose(opened.points[0], normalise(layouts.cloud(len("bed_0001"))), atol=1e-5)
    assert len(opened.classes) == size


def test_modelnet_meshes_are_z_up_unless_told_otherwise(tmp_path: Path) -> None:
    folder = layouts.modelnet_meshes(tmp_path, CLASSES_10, "ModelNet10")
    for path in (folder, tmp_path):
        opened = read("modelnet10", path)
        assert (len(opened), opened.splits.tolist().count("test")) == (30, 10)
        assert opened.labels[:4].tolist() == [0, 0, 0, 1]
        assert (np.ptp(opened.points, axis=1).argmax(-1) == 1).all()
    told = read("modelnet10", folder, up="y")
    assert "ModelNet10 is z up in this layout, and is read as y up" in told.notes[0]
    assert (np.ptp(told.points, axis=1).argmax(-1) == 2).all()
    with pytest.raises(DataError, match=r"ten classes of ModelNet10: open it as modelnet10="):
        read("modelnet40", tmp_path / "ModelNet10")


def test_missing_class_folders_are_noted(tmp_path: Path) -> None:
    opened = read("modelnet40", layouts.modelnet_meshes(tmp_path, ["bed", "xbox"]))
    assert opened.labels.tolist() == [2, 2, 2, 39, 39, 39]
    assert "38 things that belong to ModelNet40 are missing: the folder airplane" in opened.notes[0]


@pytest.mark.parametrize(
    ("name", "labels", "seed"),
    [
        ("scanobjectnn-bg", [0, 14, 3, 14, 2], 0),
        ("scanobjectnn-only", [0, 14, 3, 14, 2], 100),
        ("scanobjectnn-pb", [1, 1, 1, 2, 1], 50),
    ],
)
def test_scanobjectnn(name: str, labels: list[int], seed: int, tmp_path: Path) -> None:
    root = layouts.scanobjectnn(tmp_path / "ScanObjectNN" / "h5_files")
    folder = root / ("main_split_nobg" if name.endswith("only") else "main_split")
    for path in (folder, root, root.parent):
        opened = read(name, path)
        assert opened.labels.tolist() == labels
        assert opened.classes[0] == "bag" and opened.classes[14] == "toilet"
        np.testing.assert_allclose(opened.points[0], normalise(layouts.cloud(seed)), atol=1e-6)


def test_scanobjectnn_folders_are_not_exchanged(tmp_path: Path) -> None:
    root = layouts.scanobjectnn(tmp_path)
    with pytest.raises(DataError, match=r"is main_split of ScanObjectNN; OBJ-ONLY is in main_split_nobg"):
        read("scanobjectnn-only", root / "main_split")
    with pytest.raises(DataError, match=r"is main_split_nobg of ScanObjectNN; OBJ-BG is in main_split"):
        read("scanobjectnn-bg", root / "main_split_nobg")
    (root / "main_split_nobg").rename(root / "mine")
    assert "is not called main_split, and is taken for it" in read("scanobjectnn-bg", root / "mine").notes[0]


def test_shapenet55(tmp_path: Path) -> None:
    root = layouts.shapenet55(tmp_path / "ShapeNet55-34")
    for path in (root, root / "ShapeNet-55", root / "shapenet_pc", tmp_path):
        opened = read("shapenet55", path)
        named = [opened.classes[label] for label in opened.labels]
        assert named == ["airplane", "washer", "airplane", "chair"]
        assert opened.splits.tolist() == ["train"] * 3 + ["test"]
    assert len(opened.classes) == 55
    assert "3 of 41952 train, 1 of 10518 test" in opened.notes[0]


LAYOUTS: list[Callable[[Path], Path]] = [
    layouts.shapenetpart_normal,
    layouts.shapenetpart_hdf5,
    layouts.shapenetpart_challenge,
    layouts.shapenetpart_pairs,
]


@pytest.mark.parametrize("write", LAYOUTS)
@pytest.mark.parametrize("points", [50, 20, 70])
def test_shapenetpart_layouts_agree(write: Callable[[Path], Path], points: int, tmp_path: Path) -> None:
    folder = write(tmp_path / "sets")
    if write is layouts.shapenetpart_pairs:
        layouts.split_lists(folder)
    opened = read("shapenetpart", folder, points)
    assert opened.parts == PARTS and opened.part_labels.dtype == np.int64
    found = {}
    for row in range(len(opened)):
        found[opened.splits[row], opened.classes[opened.labels[row]]] = row
    assert set(found) == {
        ("train", "Airplane"),
        ("train", "Table"),
        ("val", "Airplane"),
        ("test", "Table"),
        ("test", "Chair"),
    }
    for split, synset, _, stored, parts, start in layouts.each_shape():
        category = next(category for category in CATEGORIES if category.synset == synset)
        row = found[split, category.name]
        # Each point still has its own part: find it among the stored points, up to the shift and scale of the cloud.
        own = opened.points[row]
        low, high = stored.argmin(0)[2], stored.argmax(0)[2]
        if points >= len(stored):
            scale = np.ptp(stored[:, 2]) / np.ptp(own[:, 2])
            restored = (own - own.min(0)) * scale + stored.min(0)
            distances = np.linalg.norm(restored[:, None] - stored[None], axis=-1)
            assert distances.min(1).max() < 1e-4
            np.testing.assert_array_equal(opened.part_labels[row], parts[distances.argmin(1)] + start)
        else:
            # A subset: parts were cut along x, so their order along x is kept.
            order = own[:, 0].argsort()
            assert (np.diff(opened.part_labels[row][order]) >= 0).all()
            assert len(set(opened.part_labels[row].tolist())) > 1
        assert low != high


def test_shapenetpart_without_lists_is_one_split(tmp_path: Path) -> None:
    opened = read("shapenetpart", layouts.shapenetpart_pairs(tmp_path), 50)
    assert set(opened.splits.tolist()) == {"train"}
    assert "no list of its train and val and test split" in opened.notes[0]
    assert "all its clouds are taken for training" in opened.notes[0]
    layouts.split_lists(tmp_path, ("train",))
    opened = read("shapenetpart", tmp_path, 50)
    assert len(opened) == 2
    assert "no list of its val and test split" in opened.notes[0]
    assert "3 clouds of ShapeNetPart are in no list of a split" in opened.notes[1]


@pytest.mark.parametrize("protocol", [2, 4])
def test_fewshot_folds(protocol: int, tmp_path: Path) -> None:
    folder = layouts.fewshot(tmp_path)
    layouts.fold(folder / "5way_10shot" / "3.pkl", (39, 5), protocol)
    opened = read("modelnet-fewshot", tmp_path)
    assert len(opened) == 100 and opened.classes == tuple(CLASSES_40)
    assert opened.splits.tolist() == (["train"] * 4 + ["test"] * 6) * 10
    folds = open_folds(tmp_path, 5, 10, Request(64, "y", 0), workers=0, shown=False)
    assert [fold.name for fold in folds][:2] == [f"few-shot ModelNet40 5way_10shot/{n}.pkl" for n in (0, 1)]
    assert folds[3].classes == (CLASSES_40[5], CLASSES_40[39])
    assert folds[3].labels.tolist() == [1, 1, 0, 0, 1, 1, 1, 0, 0, 0]
    assert len(folds) == 10 and len(folds[3].split("train")) == 4
    np.testing.assert_allclose(folds[3].points[1], normalise(layouts.cloud(1)), atol=1e-6)
    alone = read("modelnet-fewshot", folder / "5way_10shot" / "3.pkl")
    np.testing.assert_array_equal(alone.points, folds[3].points)
    with pytest.raises(DataError, match="no folds of 10 ways and 20 shots"):
        open_folds(tmp_path, 10, 20, Request(64, "y", 0))
    (folder / "5way_10shot" / "7.pkl").unlink()
    assert (
        "1 things that belong to few-shot ModelNet40 are missing: 5way_10shot/7.pkl"
        in (read("modelnet-fewshot", folder).notes[0])
    )


class Attack:
    """What a stranger would put into a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_with_code_is_refused_and_not_run(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "5way_10shot" / "0.pkl"
    target.parent.mkdir()
    content = {"train": [(layouts.cloud(0), 0, Attack(tmp_path / "hacked"))], "test": []}
    target.write_bytes(pickle.dumps(content, protocol=protocol))
    with pytest.raises(DataError, match=r"5way_10shot/0.pkl: the pickle holds .*, which could run code"):
        read("modelnet-fewshot", tmp_path)
    assert not (tmp_path / "hacked").exists()
    pickle.loads(target.read_bytes())
    assert (tmp_path / "hacked").exists()  # the attack would have worked


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([1, 2], "holds list; expected"),
        ({"train": [(np.zeros((5, 3)), 0, 1)]}, "holds dict; expected"),
        ({"train": [(np.zeros((5, 3)), 0, 1)], "test": []}, "no cloud in 'test'"),
        ({"train": [(np.zeros((5, 2)), 0, 1)], "test": []}, "cloud 0 of 'train' has another form"),
        ({"train": [(np.zeros((5, 3), object), 0, 1)], "test": []}, "cloud 0 of 'train' has another form"),
        ({"train": [(np.zeros((5, 3)), 0)], "test": []}, "cloud 0 of 'train' has another form"),
        ({"train": [(np.zeros((5, 3)), 0, 40)], "test": [(np.zeros((5, 3)), 0, 40)]}, "expected 0 to 39"),
        ({"train": [(np.ones((5, 3)), 0, 4)], "test": [(np.ones((5, 3)), 0, 5)]}, "stands for several classes"),
    ],
)
def test_folds_of_another_form(content: object, reason: str, tmp_path: Path) -> None:
    (tmp_path / "5way_10shot").mkdir()
    (tmp_path / "5way_10shot" / "0.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=reason):
        read("modelnet-fewshot", tmp_path)


def test_cut_pickles(tmp_path: Path) -> None:
    layouts.fold(tmp_path / "5way_10shot" / "0.pkl")
    layouts.cut(tmp_path / "5way_10shot" / "0.pkl")
    with pytest.raises(DataError, match="pickle is damaged or cut short"):
        read("modelnet-fewshot", tmp_path)


@pytest.mark.parametrize("name", list(READERS))
def test_wrong_paths(name: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"There is no file or folder .*Did you mean 'data'"):
        read(name, tmp_path / "dat")
    with pytest.raises(DataError) as caught:
        read(name, tmp_path / "data")
    message = str(caught.value)
    assert "It holds notes.txt" in message and READERS[name].obtained in message
    assert all(layout.expects in message for layout in READERS[name].layouts)
    with pytest.raises(DataError, match="file or empty"):
        read(name, tmp_path / "data" / "notes.txt")


def test_data_sets_that_are_mixed_up_are_recognised(tmp_path: Path) -> None:
    layouts.scanobjectnn(tmp_path / "scan")
    with pytest.raises(DataError, match=r"no ModelNet40 in a known layout(.|\n)*another data set: scanobjectnn-bg="):
        read("modelnet40", tmp_path / "scan")
    layouts.shapenetpart_hdf5(tmp_path)
    with pytest.raises(DataError, match=r"no ModelNet40 (.|\n)*another data set: shapenetpart="):
        read("modelnet40", tmp_path / "hdf5_data")
    layouts.modelnet_hdf5(tmp_path / "m")
    with pytest.raises(DataError, match=r"no ShapeNetPart (.|\n)*another data set: modelnet40="):
        read("shapenetpart", tmp_path / "m" / "modelnet40_ply_hdf5_2048")
    assert recognise(tmp_path / "m") == ["modelnet40", "modelnet10"]


def test_unknown_names_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'modelnet40'"):
        open_clouds(f"modelnet4={tmp_path}")
    with pytest.raises(UsageError, match="Say where ModelNet40 is: modelnet40=PATH"):
        open_clouds("modelnet40")
    np.save(tmp_path / "a=b.npy", layouts.cloud(0))
    assert len(open_clouds(tmp_path / "a=b.npy", points=64, shown=False)) == 1


def test_cut_and_foreign_hdf5(tmp_path: Path) -> None:
    folder = layouts.modelnet_hdf5(tmp_path)
    layouts.cut(folder / "ply_data_train1.h5")
    (folder / "ply_data_test0.h5").unlink()
    with pytest.raises(DataError) as caught:
        read("modelnet40", folder)
    assert "ply_data_train1.h5: the file is damaged or cut short" in str(caught.value)
    assert "ply_data_test0.h5 cannot be read: No such file" in str(caught.value)
    assert "there is no cloud of the test split" in str(caught.value)


def test_damage_behind_the_labels_is_found(tmp_path: Path) -> None:
    path = tmp_path / "modelnet40_ply_hdf5_2048" / "ply_data_train0.h5"
    layouts.modelnet_hdf5(tmp_path, lists=False)
    with h5py.File(path, "w") as file:
        file["label"] = np.zeros((40, 1), np.uint8)
        file.create_dataset("data", data=layouts.clouds(40), chunks=(8, 64, 3), fletcher32=True)
    content = path.read_bytes()
    at = content.find(layouts.cloud(20).tobytes()[:64])
    assert at > 0
    path.write_bytes(content[:at] + bytes(64) + content[at + 64 :])
    with pytest.raises(DataError, match=r"ply_data_train0.h5: the file is damaged or cut short"):
        read("modelnet40", tmp_path)


def test_labels_out_of_range(tmp_path: Path) -> None:
    folder = layouts.scanobjectnn(tmp_path)
    layouts.arrays(folder / "main_split" / "test_objectdataset.h5", [3, 15])
    with pytest.raises(DataError, match=r"test_objectdataset.h5: the labels run from 3 to 15; expected 0 to 14"):
        read("scanobjectnn-bg", folder)


def test_a_missing_split(tmp_path: Path) -> None:
    folder = layouts.scanobjectnn(tmp_path / "s")
    (folder / "main_split" / "test_objectdataset.h5").unlink()
    with pytest.raises(DataError, match=r"test_objectdataset.h5 is missing\n  there is no cloud of the test split"):
        read("scanobjectnn-bg", folder)
    folder = layouts.shapenet55(tmp_path / "n")
    (folder / "ShapeNet-55" / "test.txt").unlink()
    with pytest.raises(DataError, match="there is no cloud of the test split"):
        read("shapenet55", folder)
    folder = layouts.shapenetpart_normal(tmp_path / "p")
    (folder / "train_test_split" / "shuffled_val_file_list.json").write_text("{")
    with pytest.raises(DataError, match=r"shuffled_val_file_list.json is no list of SYNSET/NAME"):
        read("shapenetpart", folder)
    (folder / "train_test_split" / "shuffled_val_file_list.json").unlink()
    with pytest.raises(DataError, match=r"list train_test_split/shuffled_val_file_list.json is missing"):
        read("shapenetpart", folder)
    folder = layouts.modelnet_meshes(tmp_path / "m", ["bed"])
    shutil.rmtree(folder / "bed" / "test")
    with pytest.raises(DataError, match="there is no cloud of the test split"):
        read("modelnet40", folder)


def test_listed_files_that_are_not_there(tmp_path: Path) -> None:
    folder = layouts.shapenet55(tmp_path)
    (folder / "shapenet_pc" / "02691156-a1.npy").unlink()
    with pytest.raises(DataError) as caught:
        read("shapenet55", folder)
    message = str(caught.value)
    assert "1 of 4 files or clouds cannot be used" in message
    assert "listed in ShapeNet-55/train.txt, but shapenet_pc/02691156-a1.npy cannot be read: No such" in message
    opened = read("shapenet55", folder, max_bad_share=0.3)
    assert len(opened) == 3
    assert "2 of 41952 train" in opened.notes[0]
    (folder / "ShapeNet-55" / "train.txt").write_text("notes.npy\n")
    with pytest.raises(DataError, match=r"train.txt, line 1: 'notes.npy' is of no class of ShapeNet-55"):
        read("shapenet55", folder)


def test_listed_texts_that_are_not_there(tmp_path: Path) -> None:
    folder = layouts.modelnet_resampled(tmp_path)
    (folder / "bed" / "bed_0002.txt").unlink()
    assert len(read("modelnet40", folder, max_bad_share=0.5)) == 3
    with pytest.raises(DataError, match=r"bed/bed_0002.txt: listed in modelnet40_train.txt, but"):
        read("modelnet40", folder)
    (folder / "modelnet40_test.txt").write_text("bed_0003\nspoon_0001\n")
    with pytest.raises(DataError, match=r"modelnet40_test.txt, line 2: 'spoon_0001' is of no class of ModelNet40"):
        read("modelnet40", folder)


def test_damaged_clouds_are_left_out(tmp_path: Path) -> None:
    folder = layouts.shapenet55(tmp_path / "a")
    layouts.cut(folder / "shapenet_pc" / "04554684-b2.npy")
    with pytest.raises(DataError, match=r"04554684-b2.npy: the file is damaged or cut short"):
        read("shapenet55", folder)
    folder = layouts.shapenetpart_pairs(tmp_path / "b")
    place = folder / CATEGORIES[0].synset
    (place / "points_label" / "a.seg").write_text("1\n2\n")
    with pytest.raises(DataError, match=r"a.pts: there are 50 points, but 2 part labels in a.seg"):
        read("shapenetpart", folder, 50)
    (place / "points_label" / "a.seg").write_text("5\n" * 50)
    with pytest.raises(DataError, match="part labels run from 5 to 5; expected 1 to 4"):
        read("shapenetpart", folder, 50)
    (place / "points_label" / "a.seg").write_text("one\n" * 50)
    with pytest.raises(DataError, match="not one whole number per line"):
        read("shapenetpart", folder, 50)
    (place / "points_label" / "a.seg").unlink()
    with pytest.raises(DataError, match=r"points_label/a.seg cannot be read: No such file"):
        read("shapenetpart", folder, 50)
    assert len(read("shapenetpart", folder, 50, max_bad_share=0.5)) == 4


@pytest.mark.parametrize(("last", "reason"), [("9", "run from 9 to 9; expected 0 to 3"), ("0.5", "not whole numbers")])
def test_a_last_column_of_other_numbers_is_no_part(last: str, reason: str, tmp_path: Path) -> None:
    folder = layouts.shapenetpart_normal(tmp_path)
    file = folder / CATEGORIES[0].synset / "a.txt"
    lines = [f"{line.rpartition(' ')[0]} {last}" for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=f"a.txt: the part labels .*{reason}"):
        read("shapenetpart", folder, 50)


def test_an_hdf5_without_parts_is_no_shapenetpart(tmp_path: Path) -> None:
    folder = layouts.shapenetpart_hdf5(tmp_path)
    layouts.arrays(folder / "ply_data_val0.h5", [0])
    with pytest.raises(DataError, match=r"ply_data_val0.h5: expected an array pid"):
        read("shapenetpart", folder, 50)
    (folder / "all_object_categories.txt").write_text("Cup 1\n")
    with pytest.raises(DataError, match="does not hold the 16 categories"):
        read("shapenetpart", folder, 50)


def test_a_list_of_a_foreign_category(tmp_path: Path) -> None:
    folder = layouts.shapenetpart_normal(tmp_path)
    (folder / "train_test_split" / "shuffled_val_file_list.json").write_text(json.dumps(["shape_data/123/x"]))
    with pytest.raises(DataError, match=r"names 123/x, which is of no category"):
        read("shapenetpart", folder, 50)


def test_limit_keeps_the_shares_of_splits_and_classes(tmp_path: Path) -> None:
    folder = tmp_path / "modelnet40_ply_hdf5_2048"
    layouts.arrays(folder / "ply_data_train0.h5", [0] * 20)
    layouts.arrays(folder / "ply_data_train1.h5", [1] * 20)
    layouts.arrays(folder / "ply_data_test0.h5", [0, 1] * 5)
    opened = read("modelnet40", folder, clouds=10)
    assert opened.splits.tolist() == ["train"] * 8 + ["test"] * 2
    assert np.bincount(opened.labels[:8]).tolist() == [4, 4]
    assert not any("official" in note for note in opened.notes)
    assert set(read("modelnet40", folder, clouds=2).splits.tolist()) == {"train", "test"}


def test_fewer_and_more_points_follow_from_the_seed(tmp_path: Path) -> None:
    folder = layouts.scanobjectnn(tmp_path)
    few = read("scanobjectnn-bg", folder, 32)
    assert few.points.shape == (5, 32, 3)
    np.testing.assert_allclose(np.linalg.norm(few.points, axis=-1).max(1), 1, atol=1e-5)
    np.testing.assert_array_equal(few.points, read("scanobjectnn-bg", folder, 32, cache=tmp_path / "c").points)
    assert not np.array_equal(few.points, read("scanobjectnn-bg", folder, 32, seed=1).points)
    many = read("scanobjectnn-bg", folder, 100)
    assert len(np.unique(many.points[0], axis=0)) == 64
    assert any("fewer than 100 points" in note for note in many.notes)


def test_a_shape_in_two_lists_of_splits(tmp_path: Path) -> None:
    root = layouts.shapenet55(tmp_path / "a")
    with (root / "ShapeNet-55" / "test.txt").open("a") as file:
        file.write("02691156-a1.npy\n")
    with pytest.raises(DataError, match=r"a1.npy \(train\) and shapenet_pc/02691156-a1.npy \(test\) are one file"):
        open_clouds(f"shapenet55={root}", points=64, workers=0, shown=False)
    root = layouts.shapenetpart_pairs(tmp_path / "b")
    layouts.split_lists(root)
    lists = root / "train_test_split"
    name = json.loads((lists / "shuffled_val_file_list.json").read_text())[0]
    (lists / "shuffled_test_file_list.json").write_text(json.dumps([name]))
    with pytest.raises(DataError, match="is in the lists of both val and test"):
        open_clouds(f"shapenetpart={root}", points=64, workers=0, shown=False)
