"""Files of every format, written by the tests themselves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOMS = (2.0, 4.0, 6.0)
"""Extents of the test clouds: three different ones, so that exchanged axes show."""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2PMAE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def box() -> np.ndarray:
    """200 points that fill a box of sides ROOMS, its corners among them; away from the origin."""
    points = np.random.default_rng(7).random((200, 3))
    points[:8] = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1]), -1).reshape(-1, 3)
    return (points * ROOMS + (10, 20, 30)).astype(np.float32)


@pytest.fixture
def write_pcd() -> Callable[..., None]:
    """A function that writes a .pcd file by hand."""

    def write(path: Path, points: np.ndarray, storage: str, height: int = 1) -> None:
        table = np.zeros(len(points), dtype=[("rgb", "<u4"), ("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("n", "<f4", 2)])
        for column, axis in enumerate("xyz"):
            table[axis] = points[:, column]
        header = (
            "# .PCD v0.7\nVERSION 0.7\nFIELDS rgb x y z n\nSIZE 4 4 4 4 4\nTYPE U F F F F\nCOUNT 1 1 1 1 2\n"
            f"WIDTH {len(points) // height}\nHEIGHT {height}\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {len(points)}\n"
            f"DATA {storage}\n"
        ).encode()
        if storage == "ascii":
            body = "".join(f"7 {x:.9g} {y:.9g} {z:.9g} 0 0\n" for x, y, z in points).encode()
        elif storage == "binary":
            body = table.tobytes()
        else:
            columns = b"".join(np.ascontiguousarray(table[name]).tobytes() for name in table.dtype.names)
            packed = lzf_literals_and_runs(columns)
            body = np.array([len(packed), len(columns)], dtype="<u4").tobytes() + packed
        path.write_bytes(header + body)

    return write


def lzf_literals_and_runs(data: bytes) -> bytes:
    """A plain LZF compressor: runs of one byte become overlapping copies, everything else literals."""
    out = bytearray()
    at = 0
    while at < len(data):
        run = 1
        while at + run < len(data) and data[at + run] == data[at] and run < 200:
            run += 1
        if run >= 4:  # One literal, then a copy from one byte back.
            out += bytes([0, data[at]])
            length = run - 1 - 2
            out += bytes([length << 5, 0]) if length < 7 else bytes([7 << 5, length - 7, 0])
            at += run
        else:
            out += bytes([0, data[at]])
            at += 1
    return bytes(out)
