from pathlib import Path

import h5py
import numpy as np
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.clouds import normalise
from i2pmae.data.formats.arrays import describe_arrays
from i2pmae.data.open.source import open_clouds

NAMES = np.array(["cup", "jug", "pot"])


@pytest.fixture
def clouds() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(9, 64, 3)).astype(np.float32)


def split_arrays(clouds: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "x_train": clouds[:6],
        "y_train": np.arange(6) % 3,
        "x_test": clouds[6:],
        "y_test": np.arange(3),
        "classes": NAMES,
        "name_train": np.array(["n"] * 6),
    }


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_split_archive(save: type, tmp_path: Path, clouds: np.ndarray) -> None:
    save(tmp_path / "set.npz", **split_arrays(clouds))
    opened = open_clouds(tmp_path / "set.npz", points=64, up="z", shown=False)
    turned = np.stack([clouds[..., 0], clouds[..., 2], -clouds[..., 1]], -1)
    np.testing.assert_allclose(opened.points, normalise(turned), atol=1e-6)
    assert opened.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2]
    assert opened.classes == ("cup", "jug", "pot")
    assert opened.splits.tolist() == ["train"] * 6 + ["test"] * 3
    assert opened.ids[0] == "set.npz/000000"
    assert opened.notes == ()
    assert opened.name == "set.npz"


def test_points_labels_split(tmp_path: Path, clouds: np.ndarray) -> None:
    split = np.array(["train", "test", "val"] * 3)
    np.savez(tmp_path / "set.npz", points=clouds, labels=np.arange(9.0), split=split)
    opened = open_clouds(tmp_path / "set.npz", points=64, shown=False)
    assert opened.labels.tolist() == list(range(9))
    assert opened.labels.dtype == np.int64
    assert opened.classes is None
    assert opened.splits.tolist() == split.tolist()


def test_labels_may_be_names(tmp_path: Path, clouds: np.ndarray) -> None:
    np.savez(tmp_path / "set.npz", points=clouds, labels=NAMES[[2, 0, 1] * 3])
    opened = open_clouds(tmp_path / "set.npz", points=64, shown=False)
    assert opened.classes == ("cup", "jug", "pot")
    assert opened.labels.tolist() == [2, 0, 1] * 3


@pytest.mark.parametrize("key", ["data", "points"])
def test_hdf5_set(key: str, tmp_path: Path, clouds: np.ndarray) -> None:
    with h5py.File(tmp_path / "set.h5", "w") as file:
        file[key] = np.concatenate([clouds, clouds], -1)
        file["label"] = np.arange(9, dtype=np.uint8)[:, None] % 3
        file["classes"] = NAMES.astype("S")
        file.create_group("other")
    opened = open_clouds(tmp_path / "set.h5", points=64, shown=False)
    np.testing.assert_allclose(opened.points, normalise(clouds), atol=1e-6)
    assert opened.labels.tolist() == [0, 1, 2] * 3
    assert opened.classes == tuple(NAMES)
    assert len(opened.notes) == 1
    assert "9 of 9 clouds have more than coordinates" in opened.notes[0]


def test_column_major_and_other_number_types(tmp_path: Path, clouds: np.ndarray) -> None:
    whole = (clouds * 100).astype(np.int16)
    np.savez(tmp_path / "set.npz", points=np.asfortranarray(whole))
    opened = open_clouds(tmp_path / "set.npz", points=64, shown=False)
    np.testing.assert_allclose(opened.points, normalise(whole.astype(np.float64)), atol=1e-6)


def test_more_and_fewer_points_are_said_once(tmp_path: Path, clouds: np.ndarray) -> None:
    np.save(tmp_path / "set.npy", clouds)
    fewer = open_clouds(tmp_path / "set.npy", points=40, shown=False)
    assert fewer.points.shape == (9, 40, 3)
    assert fewer.notes == ("9 of 9 clouds have more than 40 points: a random 40 of each are used.",)
    more = open_clouds(tmp_path / "set.npy", points=100, shown=False)
    assert [len(np.unique(cloud, axis=0)) for cloud in more.points] == [64] * 9
    assert len(more.notes) == 1
    assert "9 of 9 clouds have fewer than 100 points: they are sampled with replacement" in more.notes[0]
    other = open_clouds(tmp_path / "set.npy", points=40, seed=1, shown=False)
    assert not np.array_equal(other.points, fewer.points)


def test_array_in_the_right_form_is_mapped_and_not_copied(tmp_path: Path, clouds: np.ndarray) -> None:
    np.save(tmp_path / "set.npy", normalise(clouds))
    opened = open_clouds(tmp_path / "set.npy", points=64, cache=tmp_path / "cache", shown=False)
    assert isinstance(opened.points, np.memmap)
    assert Path(opened.points.filename) == tmp_path / "set.npy"
    assert not (tmp_path / "cache").exists()
    assert opened.ids[-1] == "set.npy/000008"
    turned = open_clouds(tmp_path / "set.npy", points=64, up="z", cache=tmp_path / "cache", shown=False)
    assert turned.points.places.folder.parent == tmp_path / "cache"


def test_bad_clouds_of_a_set_are_left_out_and_listed(tmp_path: Path, clouds: np.ndarray) -> None:
    many = np.tile(clouds, (4, 1, 1))
    many[5, 3, 1], many[20] = np.nan, 0.5
    np.savez(tmp_path / "set.npz", points=many, labels=np.arange(36))
    opened = open_clouds(tmp_path / "set.npz", points=64, cache=tmp_path / "cache", shown=False)
    assert opened.labels.tolist() == [row for row in range(36) if row not in (5, 20)]
    assert "2 of 36" in opened.notes[0]
    listed = Path(opened.notes[0].rpartition("the reasons: ")[2]).read_text()
    assert "set.npz/000005,some coordinates are NaN" in listed
    assert "set.npz/000020,there are fewer than 3" in listed
    with pytest.raises(DataError, match="2 of 36"):
        open_clouds(tmp_path / "set.npz", points=64, cache=tmp_path / "cache", max_bad_share=0.05, shown=False)


def wrong(**arrays: object) -> dict[str, object]:
    return arrays


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        (wrong(points=np.zeros((4, 5, 2))), r"shape \(4, 5, 2\); expected"),
        (wrong(points=np.zeros((4, 3, 50))[:, :, :2]), "transpose"),
        (wrong(points=np.zeros((4, 5))[0]), "expected"),
        (wrong(points=np.zeros((0, 5, 3))), "no points"),
        (wrong(points=np.array([["a"] * 3] * 4)), "expected numbers"),
        (wrong(points=np.zeros((4, 5, 3), dtype=complex)), "expected numbers"),
        (wrong(points=np.array([[None] * 3] * 4, dtype=object)), "never unpickled"),
        (wrong(points=np.ones((4, 5, 3)), labels=np.zeros(3)), "4 clouds, but labels"),
        (wrong(points=np.ones((4, 5, 3)), labels=np.array([0, 1, 2, 3]), classes=NAMES), "from 0 to 3; expected"),
        (wrong(points=np.ones((4, 5, 3)), labels=np.array([0, -1, 2, 2])), "from -1"),
        (wrong(points=np.ones((4, 5, 3)), labels=np.array([0, 0.5, 2, 2])), "whole numbers"),
        (wrong(points=np.ones((4, 5, 3)), labels=np.array(["cup"] * 3 + ["cap"]), classes=NAMES), "'cap' is none"),
        (wrong(points=np.ones((4, 5, 3)), labels=np.array([None] * 4, dtype=object)), "object"),
        (wrong(points=np.ones((4, 5, 3)), split=np.array(["train"] * 5)), "4 clouds, but split"),
        (wrong(points=np.ones((4, 5, 3)), split=np.zeros(4)), "expected strings"),
        (wrong(points=np.ones((4, 5, 3)), labels=np.zeros(4), classes=np.array(["a", "a"])), "more than once"),
        (wrong(x_train=np.ones((4, 5, 3)), y_train=np.zeros(4), x_test=np.ones((4, 5, 3))), "y_train only"),
        (wrong(a=np.ones((4, 5, 3)), b=np.ones((4, 5, 3))), r"holds a \(4, 5, 3\), b .* Expected"),
        (wrong(), "no arrays"),
    ],
)
def test_arrays_that_do_not_fit(arrays: dict[str, np.ndarray], reason: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError, match=reason):
        open_clouds(tmp_path / "set.npz", shown=False)


@pytest.mark.parametrize("suffix", ["npz", "npy", "h5"])
@pytest.mark.parametrize("share", [0.99, 0.6, 0.01])
def test_truncated_sets_are_refused(suffix: str, share: float, tmp_path: Path, clouds: np.ndarray) -> None:
    path = tmp_path / f"set.{suffix}"
    if suffix == "npy":
        np.save(path, clouds)
    elif suffix == "npz":
        np.savez(path, points=clouds)
    else:
        with h5py.File(path, "w") as file:
            file["data"] = clouds
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="damaged or cut short"):
        open_clouds(path, points=50, shown=False)


def test_damage_inside_an_archive_is_found_and_leaves_no_cache(tmp_path: Path, clouds: np.ndarray) -> None:
    many = np.tile(clouds, (100, 1, 1))
    np.savez(tmp_path / "set.npz", points=many)
    content = bytearray((tmp_path / "set.npz").read_bytes())
    content[-3000] ^= 255
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        open_clouds(tmp_path / "set.npz", points=64, cache=tmp_path / "cache", shown=False)
    assert not list((tmp_path / "cache").rglob("*.npy"))
    assert not list((tmp_path / "cache").glob(".*"))


def test_one_cloud_is_no_set(tmp_path: Path, clouds: np.ndarray) -> None:
    np.savez(tmp_path / "one.npz", points=clouds[0], labels=np.zeros(64))
    assert describe_arrays(tmp_path / "one.npz") is None
    opened = open_clouds(tmp_path / "one.npz", points=64, shown=False)
    np.testing.assert_allclose(opened.points[0], normalise(clouds[0]), atol=1e-6)
    assert opened.ids == ["one.npz"]


def test_limit_is_spread_over_a_set(tmp_path: Path, clouds: np.ndarray) -> None:
    np.savez(tmp_path / "set.npz", **split_arrays(clouds))
    opened = open_clouds(tmp_path / "set.npz", points=64, clouds=3, shown=False)
    assert list(opened.ids) == ["set.npz/000000", "set.npz/000004", "set.npz/000006"]  # of other classes
    assert opened.splits.tolist() == ["train", "train", "test"]
