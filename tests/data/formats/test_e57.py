import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.formats.table import read_cloud_file

TURN = np.array([np.sqrt(0.5), 0, 0, np.sqrt(0.5)])
"""A quarter turn around z, as a quaternion."""
SHIFT = np.array([1.0, 2.0, 3.0])


def turned(points: np.ndarray) -> np.ndarray:
    return np.stack([-points[:, 1], points[:, 0], points[:, 2]], axis=-1) + SHIFT


def fields(points: np.ndarray, coloured: bool = True) -> dict[str, np.ndarray]:
    scan = {f"cartesian{axis}": points[:, column] for column, axis in enumerate("XYZ")}
    colours = {f"color{name}": np.arange(len(points)) % 256 for name in ("Red", "Green", "Blue")}
    return scan | (colours if coloured else {})


def test_scans_are_merged_in_one_frame(tmp_path: Path, box: np.ndarray) -> None:
    pye57 = pytest.importorskip("pye57")
    file = pye57.E57(str(tmp_path / "a.e57"), mode="w")
    file.write_scan_raw(fields(box[:50].astype(np.float64)))
    file.write_scan_raw(fields(box[50:].astype(np.float64)), rotation=TURN, translation=SHIFT)
    file.close()
    raw = read_cloud_file(tmp_path / "a.e57")
    np.testing.assert_allclose(raw.points, np.concatenate([box[:50], turned(box[50:])]), atol=1e-4)
    np.testing.assert_array_equal(raw.columns["colour"][:, 0], [*range(50), *range(150)])
    content = (tmp_path / "a.e57").read_bytes()
    for cut in (40, 1000, len(content) - 1024):
        (tmp_path / "a.e57").write_bytes(content[:cut])
        with pytest.raises(DataError, match=r"cut short|E57 header"):
            read_cloud_file(tmp_path / "a.e57")
    (tmp_path / "a.e57").write_bytes(content[:60] + bytes(200) + content[260:])
    with pytest.raises(DataError, match=r"not a valid \.e57 file"):
        read_cloud_file(tmp_path / "a.e57")


class Scans:
    """Stands for an open file of pye57."""

    scans: list[dict[str, np.ndarray]]

    def __init__(self, path: str) -> None:
        assert Path(path).is_file()
        self.scan_count = len(self.scans)

    def get_header(self, index: int) -> Any:
        scan = self.scans[index]
        return types.SimpleNamespace(point_count=len(scan["cartesianX"]), point_fields=[*scan, "cartesianInvalidState"])

    def read_scan(self, index: int, colors: bool, transform: bool, ignore_missing_fields: bool) -> Any:
        assert transform and ignore_missing_fields
        return {name: each for name, each in self.scans[index].items() if colors or not name.startswith("color")}

    def close(self) -> None:
        self.scans = []


@pytest.mark.parametrize("coloured", [True, False])
def test_colours_are_kept_where_every_scan_has_them(
    coloured: bool, tmp_path: Path, box: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scans.scans = [fields(box[:50]), fields(box[50:50]), fields(box[50:], coloured)]
    monkeypatch.setitem(sys.modules, "pye57", types.SimpleNamespace(E57=Scans))
    (tmp_path / "a.e57").write_bytes(b"ASTM-E57" + bytes(8) + (10000).to_bytes(8, "little") + bytes(9976))
    raw = read_cloud_file(tmp_path / "a.e57")
    np.testing.assert_array_equal(raw.points, box)
    assert list(raw.columns) == (["colour"] if coloured else [])
    assert raw.extras
    Scans.scans = []
    with pytest.raises(DataError, match="the file holds no scan"):
        read_cloud_file(tmp_path / "a.e57")
    (tmp_path / "a.e57").write_bytes(b"ASTM-E57" + bytes(8) + (10000).to_bytes(8, "little") + bytes(99))
    with pytest.raises(DataError, match="it says 10000 bytes, it holds 123"):
        read_cloud_file(tmp_path / "a.e57")


def test_e57_without_the_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pye57", None)
    (tmp_path / "a.e57").write_bytes(b"ASTM-E57")
    with pytest.raises(DataError, match=r"pip install 'i2pmae\[e57\]'"):
        read_cloud_file(tmp_path / "a.e57")
