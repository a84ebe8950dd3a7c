from pathlib import Path

import numpy as np
import pytest
import trimesh

from i2pmae.commands.use import load_predictor
from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.tasks.segmentation.ply import LEGEND, PartFiles
from i2pmae.tasks.segmentation.predict import CloudSegmenter
from tests.weights.small_models import save_model

PARTS = ("low", "high")


def written(folder: Path, *ids: str) -> list[str]:
    """Names of the files that clouds of these names are written to, below the folder, in order."""
    files = PartFiles(folder, ids, PARTS)
    for row in range(len(ids)):
        points = np.random.default_rng(row).normal(size=(20, 3)).astype(np.float32)
        files.write(row, points, np.arange(20) % 2)
    names = [path.relative_to(folder).as_posix() for path in files.files]
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {*names, LEGEND}
    for row, path in enumerate(files.files):
        expected = np.random.default_rng(row).normal(size=(20, 3)).astype(np.float32)
        np.testing.assert_allclose(trimesh.load(path).vertices, expected, atol=1e-6)
    return names


@pytest.fixture
def segmenter(tmp_path: Path) -> CloudSegmenter:
    found = load_predictor(save_model(tmp_path / "weights", "point-m2ae segmentation"), "cpu")
    assert isinstance(found, CloudSegmenter)
    return found


def clouds(*ids: str) -> CloudSet:
    points = np.random.default_rng(0).normal(size=(len(ids), 64, 3)).astype(np.float32)
    return CloudSet(points, list(ids))


def test_scans_that_are_there_are_not_replaced(tmp_path: Path, segmenter: CloudSegmenter) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "b.ply").write_text("a scan")
    with pytest.raises(UsageError, match=r"scans/b.ply exists.*new or empty folder"):
        segmenter.table(clouds("a.ply", "b.ply"), ply=scans, shown=False)
    assert [path.name for path in scans.iterdir()] == ["b.ply"]  # nothing was written before the refusal
    assert (scans / "b.ply").read_text() == "a scan"
    (scans / "b.ply").rename(scans / LEGEND)
    with pytest.raises(UsageError, match=r"legend.json exists"):
        segmenter.table(clouds("a.ply"), ply=scans, shown=False)
    assert (scans / LEGEND).read_text() == "a scan"


def test_a_file_that_appears_in_the_meantime_is_not_replaced(tmp_path: Path) -> None:
    files = PartFiles(tmp_path, ["a"], PARTS)
    (tmp_path / "a.ply").write_text("a scan")
    with pytest.raises(UsageError, match=r"a.ply exists"):
        files.write(0, np.zeros((2, 3), np.float32), np.zeros(2, int))
    assert (tmp_path / "a.ply").read_text() == "a scan"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("chair/1.obj", "chair/1.ply"),
        ("//home/user/scan.ply", "home/user/scan.ply"),
        ("///scan", "scan.ply"),
        ("/etc/passwd", "etc/passwd.ply"),
        ("../../scan.ply", "scan.ply"),
        ("a/../../b.xyz", "a/b.ply"),
        ("a\\..\\..\\b.xyz", "a/b.ply"),
        ("C:\\scans\\b.xyz", "C_/scans/b.ply"),
        ("..", "cloud.ply"),
        ("", "cloud.ply"),
        (" . ", "cloud.ply"),
        ("a\x00b", "a_b.ply"),
        ("a\nb/\udc80.xyz", "a_b/_.ply"),
        ("NUL.xyz", "_NUL.ply"),
        ("a. /b", "a/b.ply"),
    ],
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str, expected: str) -> None:
    assert written(tmp_path / "outer" / "ply", name) == [expected]
    assert [path.name for path in tmp_path.iterdir()] == ["outer"]
    assert [path.name for path in (tmp_path / "outer").iterdir()] == ["ply"]


def test_names_that_no_disk_can_hold_are_cut(tmp_path: Path) -> None:
    names = written(tmp_path / "ply", "x" * 5000, "/".join(["ä" * 100] * 300), "a/" * 3000 + "b")
    assert len(set(names)) == 3
    assert max(len(name.encode()) for name in names) < 200


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a.xyz", "a.txt"), ["a.xyz.ply", "a.txt.ply"]),
        (("a.xyz", "A.xyz"), ["000000-a.xyz.ply", "000001-A.xyz.ply"]),
        (("é", "e\u0301"), ["000000-é.ply", "000001-é.ply"]),
        (("x/a", "../x/a", "x//a"), ["000000-a.ply", "000001-a.ply", "000002-a.ply"]),
        (("a", "a.ply/b"), ["000000-a.ply", "000001-b.ply"]),
        (("x" * 200, "x" * 300), ["000000-" + "x" * 120 + ".ply", "000001-" + "x" * 120 + ".ply"]),
    ],
)
def test_every_cloud_has_a_file_of_its_own(tmp_path: Path, names: tuple[str, ...], expected: list[str]) -> None:
    assert written(tmp_path / "ply", *names) == expected


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "ply").mkdir()
    (tmp_path / "ply" / "x").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="leads out of the folder"):
        PartFiles(tmp_path / "ply", ["x/a"], PARTS)
    (tmp_path / "ply" / "b.ply").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"b.ply exists"):
        PartFiles(tmp_path / "ply", ["b"], PARTS)
    assert not list((tmp_path / "elsewhere").iterdir()) and not (tmp_path / "nowhere").exists()


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "ply").symlink_to(tmp_path / "disk")
    assert written(tmp_path / "ply", "a/b") == ["a/b.ply"]
