"""Headers of text files: which columns are the coordinates."""

from pathlib import Path

import numpy as np
import pytest

from i2pmae.common.errors import DataError
from i2pmae.data.formats.text import read_text


def columns(path: Path, header: str, width: int = 4, delimiter: str = ",", ending: str = "") -> list[int]:
    """The columns that are read as x, y and z, from a table whose values name their column."""
    row = delimiter.join(f"{column}.0" for column in range(width)) + ending
    path.write_text(f"{header}\n" + f"{row}\n" * 4)
    return read_text(path).points[0].astype(int).tolist()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("timestamp,pos_x,pos_y,pos_z", [1, 2, 3]),
        ('"Points:0","Points:1","Points:2","Temperature"', [0, 1, 2]),
        ('"Temperature","Points_0","Points_1","Points_2"', [1, 2, 3]),
        ("Points[1],Points[2],Points[3],t", [0, 1, 2]),
        ("t,X [m],Y [m],Z [m]", [1, 2, 3]),
        ("t,x_m,y_m,z_m", [1, 2, 3]),
        ("coord_z,coord_y,coord_x,i", [2, 1, 0]),
        ("t,XCoord,YCoord,ZCoord", [1, 2, 3]),
        ("id,posX,posY,posZ", [1, 2, 3]),
        ("id,PX,PY,PZ", [1, 2, 3]),
        ("//X,Y,Z,Intensity", [0, 1, 2]),
        ("# t x y z", [1, 2, 3]),
        ("# t x y z\n# in metres", [1, 2, 3]),
        ("# x y z", [0, 1, 2]),
        ("# scanned in May", [0, 1, 2]),
        (",x,y,z", [1, 2, 3]),
        ("Scanned by hand", [0, 1, 2]),
    ],
)
def test_usual_spellings(header: str, expected: list[int], tmp_path: Path) -> None:
    assert columns(tmp_path / "a.csv", header) == expected


def test_other_columns_of_x_y_and_z(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    assert columns(path, "nx,ny,nz,x,y,z", 6) == [3, 4, 5]
    assert columns(path, "normal_x,normal_y,normal_z,position_x,position_y,position_z", 6) == [3, 4, 5]
    assert columns(path, '"Normals:0","Normals:1","Normals:2","Points:0","Points:1","Points:2"', 6) == [3, 4, 5]
    assert columns(path, "pos_x,pos_y,pos_z,x,y,z", 6) == [3, 4, 5]


def test_other_delimiters(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    assert columns(path, "t\tX [m]\tY [m]\tZ [m]", delimiter="\t") == [1, 2, 3]
    assert columns(path, "t X [m] Y [m] Z [m]", delimiter=" ") == [1, 2, 3]
    assert columns(path, "t;x (m);y (m);z (m)", delimiter=";") == [1, 2, 3]
    assert columns(path, "t,x,y,z,", delimiter=",", ending=",") == [1, 2, 3]


@pytest.mark.parametrize(
    "header",
    [
        "lon,lat,alt,time",
        "a,b,c,d",
        "nx,ny,nz,d",
        "vel_x,vel_y,vel_z,d",
        "x,y,x,z",
        "px,py,pz,x",
        "# timestamp a b c",
    ],
)
def test_columns_that_cannot_be_told_are_not_guessed(header: str, tmp_path: Path) -> None:
    names = ", ".join(header.lstrip("# ").replace(" ", ",").split(","))
    with pytest.raises(DataError, match=f"names the columns {names}: .*Call these x, y and z"):
        columns(tmp_path / "a.csv", header)


def test_two_triples_and_missing_names(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be told"):
        columns(tmp_path / "a.csv", "pos_x,pos_y,pos_z,coord_x,coord_y,coord_z", 6)
    with pytest.raises(DataError, match=r"has 3 names \(x, y, z\), but the first row 4 columns"):
        columns(tmp_path / "a.csv", "x,y,z")
    assert columns(tmp_path / "a.csv", "x,y,z", 3) == [0, 1, 2]
    assert columns(tmp_path / "a.csv", "", 5) == [0, 1, 2]


def test_part_labels_of_a_header_with_other_spellings(tmp_path: Path) -> None:
    rows = np.column_stack([np.arange(4), np.ones((4, 3)), [5, 6, 5, 6]])
    np.savetxt(tmp_path / "a.csv", rows, delimiter=",", header="t,pos_x,pos_y,pos_z,Label", comments="")
    read = read_text(tmp_path / "a.csv")
    assert read.part_labels is not None and read.part_labels.tolist() == [5, 6, 5, 6]
    assert (read.points == 1).all() and read.extras
