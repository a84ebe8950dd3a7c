"""Sets of clouds: indexing, one line of description, and the digest of their content."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i2pmae.common.errors import UsageError
from i2pmae.data import clouds as clouds_module
from i2pmae.data.clouds import Cloud, CloudSet


@pytest.fixture
def some() -> CloudSet:
    rng = np.random.default_rng(0)
    return CloudSet(
        rng.random((6, 10, 3)).astype(np.float32),
        [f"c{row}" for row in range(6)],
        labels=np.array([0, 1, 0, 1, 0, 1]),
        classes=("cup", "jug"),
        splits=np.array(["train"] * 4 + ["test"] * 2),
        part_labels=rng.integers(0, 3, (6, 10)),
        parts=("a", "b", "c"),
        name="things",
        files_up="z",
        bad_files=Path("bad_files.csv"),
    )


def test_one_cloud(some: CloudSet) -> None:
    cloud = some[3]
    assert isinstance(cloud, Cloud)
    np.testing.assert_array_equal(cloud.points, some.points[3])
    np.testing.assert_array_equal(cloud.part_labels, some.part_labels[3])
    assert (cloud.id, cloud.label, cloud.split) == ("c3", 1, "train")
    assert some[-1].id == some[np.int64(5)].id == "c5"
    bare = CloudSet(some.points, some.ids)[0]
    assert (bare.label, bare.split, bare.part_labels) == (None, None, None)
    assert [cloud.id for cloud in some] == list(some.ids)


def test_several_clouds(some: CloudSet) -> None:
    for rows, expected in (
        (slice(1, 5, 2), [1, 3]),
        (slice(None, None, -1), [5, 4, 3, 2, 1, 0]),
        ([4, -1, 0], [4, 5, 0]),
        (np.array([2, 2]), [2, 2]),
        (some.labels == 1, [1, 3, 5]),
        ([True, False] * 3, [0, 2, 4]),
        ([], []),
    ):
        chosen = some[rows]
        assert list(chosen.ids) == [f"c{row}" for row in expected]
        np.testing.assert_array_equal(chosen.points, some.points[expected])
        np.testing.assert_array_equal(chosen.labels, some.labels[expected])
        np.testing.assert_array_equal(chosen.part_labels, some.part_labels[expected])
        assert (chosen.name, chosen.files_up, chosen.bad_files) == ("things", "z", Path("bad_files.csv"))
    assert np.shares_memory(some[2:4].points, some.points)
    assert some.split("test").files_up == "z"


@pytest.mark.parametrize("rows", [6, -7, [0, 6], np.array([-7])])
def test_clouds_that_are_not_there(rows: object, some: CloudSet) -> None:
    with pytest.raises(IndexError, match=r"things has 6 clouds: there is none of index (6|-7)"):
        some[rows]


def test_what_is_no_index(some: CloudSet) -> None:
    with pytest.raises(IndexError, match="things has 6 clouds, the mask 5 values"):
        some[np.ones(5, bool)]
    for rows in ("c3", 1.5, np.zeros((2, 2), int), [0.5]):
        with pytest.raises(UsageError, match="expected the index of a cloud"):
            some[rows]


def test_a_set_describes_itself_in_a_line(some: CloudSet) -> None:
    assert repr(some) == "CloudSet('things': 6 clouds of 10 points; 2 classes; splits train 4, test 2; 3 parts)"
    bare = CloudSet(some.points, some.ids, labels=np.zeros(6, int), part_labels=some.part_labels)
    assert repr(bare) == "CloudSet('clouds': 6 clouds of 10 points; 1 class; part labels)"
    assert repr(CloudSet(some.points, some.ids)) == "CloudSet('clouds': 6 clouds of 10 points)"


def test_the_digest_follows_from_the_content_alone(some: CloudSet, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = some.digest()
    assert len(digest) == 32 and digest == some.digest()
    same = replace(some, name="other", notes=("n",), splits=None, points=np.asfortranarray(some.points))
    assert same.digest() == digest
    assert replace(some, points=some.points.astype(">f4"), labels=some.labels.astype(np.int32)).digest() == digest
    monkeypatch.setattr(clouds_module, "DIGEST_BYTES", 200)
    assert replace(some).digest() == digest


def test_every_change_of_the_content_changes_the_digest(some: CloudSet) -> None:
    def touched(values: np.ndarray, by: float = 1) -> np.ndarray:
        values = values.copy()
        values.reshape(-1)[-1] += by
        return values

    others = [
        replace(some, ids=[*some.ids[:-1], "c6"]),
        replace(some, ids=["c0c", "1", *some.ids[2:]]),
        replace(some, points=touched(some.points, 1e-4)),
        replace(some, points=some.points.astype(np.float16)),
        replace(some, labels=touched(some.labels)),
        replace(some, labels=None),
        replace(some, part_labels=touched(some.part_labels)),
        replace(some, part_labels=None),
        some[::-1],
        some[:5],
    ]
    assert len({some.digest(), *(other.digest() for other in others)}) == len(others) + 1


def test_the_digest_of_a_memory_map(some: CloudSet, tmp_path: Path) -> None:
    np.save(tmp_path / "points.npy", some.points)
    mapped = replace(some, points=np.load(tmp_path / "points.npy", mmap_mode="r"))
    assert mapped.digest() == some.digest()


def test_a_run_has_a_list_of_bad_files_of_its_own(some: CloudSet, tmp_path: Path) -> None:
    listed = tmp_path / "cache" / "bad_files.csv"
    listed.parent.mkdir()
    listed.write_text("file,reason\n")
    damaged = replace(some, bad_files=listed, notes=(f"1 of 7 could not be used: {listed}", "other"))
    run = tmp_path / "run"
    run.mkdir()
    assert damaged.notes_in(run) == (f"1 of 7 could not be used: {run / 'bad_files.csv'}", "other")
    assert (run / "bad_files.csv").read_text() == listed.read_text()
    assert replace(some, bad_files=None, notes=("other",)).notes_in(run) == ("other",)
