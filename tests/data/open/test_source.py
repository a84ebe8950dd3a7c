"""The one door: a configuration and keywords say the same, and every kind of source goes through it."""

from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

import i2pmae
from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.open.source import open_clouds, request_for
from i2pmae.data.read.files import Request
from i2pmae.data.shapes import ShapesConfig
from tests.data import layouts

KINDS = ("folder", "file", "array", "manifest", "published", "prepared", "address", "shapes")
PLACES = (("train", "cup"), ("train", "jug"), ("test", "cup"), ("test", "jug"))


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, str | Path]:
    """A source of every kind."""
    for seed, (split, kind) in enumerate(PLACES):
        (tmp_path / "folder" / split / kind).mkdir(parents=True)
        np.savetxt(tmp_path / "folder" / split / kind / "a.xyz", layouts.cloud(seed))
    np.savez(tmp_path / "array.npz", points=layouts.clouds(6), labels=np.arange(6) % 2)
    rows = ["path,label,split", *(f"folder/{split}/{kind}/a.xyz,{kind},{split}" for split, kind in PLACES)]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    layouts.modelnet_hdf5(tmp_path / "published")
    i2pmae.prepare(tmp_path / "array.npz", tmp_path / "prepared", workers=0, shown=False)
    far = fsspec.filesystem("memory")
    far.put(str(tmp_path / "prepared"), "/far", recursive=True)
    named = {"file": tmp_path / "folder/test/cup/a.xyz", "array": tmp_path / "array.npz", "address": "memory://far"}
    named |= {"manifest": tmp_path / "manifest.csv", "published": f"modelnet40={tmp_path / 'published'}"}
    return {"shapes": "shapes", "folder": tmp_path / "folder", "prepared": tmp_path / "prepared", **named}


def same(one: CloudSet, other: CloudSet) -> None:
    np.testing.assert_array_equal(one.points, other.points)
    assert (list(one.ids), one.classes, one.name) == (list(other.ids), other.classes, other.name)
    assert one.digest() == other.digest()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_source_is_read_alike_by_configuration_and_by_keywords(
    kind: str, sources: dict[str, str | Path], tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"points": 32, "clouds": 2, "labels": "auto", "workers": 0, "max_bad_share": 0.5}
    changes["cache"] = tmp_path / "one"
    by_name = open_clouds(sources[kind], seed=3, shown=False, **changes)
    assert by_name.points.shape == (1 if kind == "file" else 2, 32, 3)
    assert (by_name.labels is None) == (kind == "file")
    config = DataConfig(source=str(sources[kind]), **(changes | {"cache": tmp_path / "other"}))
    same(by_name, open_clouds(config, seed=3, shown=False))
    assert open_clouds(config, points=16, shown=False).points.shape[1] == 16 and config.points == 32
    assert np.abs(open_clouds(config, seed=4, shown=False).points - by_name.points).max() > 1e-3


def test_the_axis_is_that_of_the_set_where_nobody_says(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.xyz", layouts.cloud(0))
    read = {"points": 64, "workers": 0, "shown": False, "cache": tmp_path / "cache"}
    y_up, z_up = (open_clouds(tmp_path / "a.xyz", up=up, **read).points for up in (None, "z"))
    np.testing.assert_allclose(y_up[..., 2], z_up[..., 1], atol=1e-6)
    assert request_for(DataConfig(), "z").up == "z" and request_for(DataConfig(up="x"), "z").up == "x"


def test_a_request_has_all_that_the_configuration_says_of_a_cloud() -> None:
    config = DataConfig(points=3, up="z", clouds=1, parts="none", columns=("normal",))
    assert request_for(config, "y", 5) == Request(3, "z", 5, 1, False, ("normal",))


def test_values_come_as_people_and_numpy_write_them(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(3, 40, 3)))
    opened = open_clouds(str(tmp_path / "a.npy"), points=np.int64(8), cache=str(tmp_path / "cache"), shown=False)
    assert opened.points.shape == (3, 8, 3)
    made = open_clouds("shapes", points=3, clouds=4, shapes=ShapesConfig(catalogue="wide"), shown=False)
    same(made, open_clouds("shapes", points=3, clouds=4, **{"shapes.catalogue": "wide"}, shown=False))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pionts": 3}, "DataConfig has no field 'pionts'. Did you mean 'points'"),
        ({"limit": 3}, "DataConfig has no field 'limit'. Known: .*clouds"),
        ({"shapes.tild": 3}, "Did you mean 'shapes.tilt'"),
        ({"points": 2}, r"points: must be at least 3 \(got 2\)"),
        ({"points": "many"}, r"points: must be a whole number \(got 'many'\)"),
        ({"up": "w"}, r"up: must be 'y', 'z' or 'x' \(got 'w'\)"),
        ({"labels": "folders"}, r"labels: must be 'none', 'folder' or 'auto' \(got 'folders'\)"),
        ({"max_bad_share": 1.5}, r"max_bad_share: must be at most 1 \(got 1.5\)"),
        ({"max_bad_share": float("nan")}, "max_bad_share: must be a finite number"),
        ({"columns": "colour"}, r"columns: must be a list of names, such as \('colour',\)"),
        ({"columns": None}, "columns: must be a list"),
        ({"shapes": 3}, "shapes: must be a section of fields"),
        ({"points": 2, "clouds": 0, "workers": -1}, "points: .*\n.*clouds: must be at least 1.*\n.*workers: "),
        ({"fraction": 0.5}, "fraction is the share that a run trains on"),
    ],
)
def test_what_cannot_be_asked_for_is_said_in_words(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    for source in (tmp_path, DataConfig(source=str(tmp_path)), "shapes"):
        with pytest.raises(UsageError, match=said) as error:
            open_clouds(source, **changes)
        assert "Input should" not in str(error.value) and "pydantic" not in str(error.value)


@pytest.mark.parametrize("source", [None, 5, ["a"]])
def test_what_names_no_clouds(source: Any) -> None:
    with pytest.raises(UsageError, match="source: must be text"):
        open_clouds(source)
