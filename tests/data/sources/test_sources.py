import gc
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from i2pmae.common.errors import DataError, UsageError
from i2pmae.data.config import DataConfig
from i2pmae.data.open.source import open_clouds
from i2pmae.data.shapes import CATEGORIES, WIDE
from i2pmae.data.sources.named import is_shapes, plan_source


def test_built_in_shapes_have_both_splits() -> None:
    clouds = open_clouds("shapes", points=64, clouds=50, seed=3)
    assert clouds.points.shape == (50, 64, 3)
    assert clouds.splits is not None
    assert (clouds.splits == "train").sum() == 40
    assert len(clouds.split("test")) == 10
    assert len(set(clouds.ids)) == 50
    assert clouds.classes == CATEGORIES
    again = open_clouds("shapes", points=64, clouds=50, seed=3)
    np.testing.assert_array_equal(clouds.points, again.points)
    assert np.abs(clouds.points - open_clouds("shapes", points=64, clouds=50, seed=4).points).max() > 0.1


def test_a_path_is_opened_with_all_options(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(6, 20, 3))
    np.savez(tmp_path / "set.npz", points=points, labels=np.arange(6) % 2)
    options = {"points": 16, "cache": tmp_path / "cache", "workers": 0, "shown": False}
    clouds = open_clouds(tmp_path / "set.npz", clouds=4, **options)
    assert clouds.points.shape == (4, 16, 3)
    assert clouds.labels is not None
    turned = open_clouds(str(tmp_path / "set.npz"), clouds=4, up="z", **options)
    np.testing.assert_allclose(turned.points[..., 1], clouds.points[..., 2], atol=1e-6)


def test_a_folder_called_shapes_is_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes").mkdir()
    np.savetxt(tmp_path / "shapes" / "one.xyz", np.random.default_rng(0).normal(size=(30, 3)))
    assert is_shapes("shapes") and not is_shapes("./shapes")
    clouds = open_clouds("./shapes", points=16, cache=tmp_path / "cache", workers=0, shown=False)
    assert list(clouds.ids) == ["one.xyz"]
    a_path = open_clouds(Path("shapes"), points=16, cache=tmp_path / "cache", workers=0, shown=False)
    assert list(a_path.ids) == ["one.xyz"]
    assert not is_shapes(Path("shapes")) and DataConfig().changed(source=Path("shapes")).source == "./shapes"


def test_unusable_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="y up"):
        open_clouds("shapes", up="z")
    with pytest.raises(UsageError, match="at least 2"):
        open_clouds("shapes", clouds=1)
    with pytest.raises(DataError, match="no file or folder"):
        open_clouds(tmp_path / "nowhere")


def test_the_configuration_says_which_shapes_are_made_and_they_are_there_once() -> None:
    config = DataConfig(points=64, clouds=300).changed({"shapes.assemblies": 0.5, "shapes.catalogue": "wide"})
    clouds = open_clouds(config, seed=1, shown=False)
    assert clouds.classes is not None and clouds.classes[: len(CATEGORIES)] == CATEGORIES
    assert clouds.classes[-1] == "assembly_any" and len(clouds.classes) > 100
    assert clouds.labels is not None and (clouds.labels >= len(WIDE)).mean() == 0.5
    training = config.training_part(clouds, seed=1)
    assert len(training) == 240 and np.shares_memory(training.points, clouds.points)
    assert not np.shares_memory(clouds.subset([3, 1]).points, clouds.points)
    plain = open_clouds("shapes", points=64, clouds=300, seed=1, shown=False)
    assert plain.classes == CATEGORIES


def test_a_plan_of_many_files_holds_no_objects_for_them(tmp_path: Path) -> None:
    count = 400
    for row in range(count):
        folder = tmp_path / f"class{row % 4}" / ("train" if row % 8 < 4 else "test")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{row:05d}.npy").write_bytes(b"x")
    plan_source(tmp_path, "folder")  # what is imported or cached on the way
    gc.collect()
    tracemalloc.start()
    try:
        plan = plan_source(tmp_path, "folder")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 200 * count  # a path alone takes as much
    assert len(plan.entries) == count
    assert [entry.file.id for entry in plan.entries] == sorted(entry.file.id for entry in plan.entries)
    last = plan.entries[-1]
    assert (last.label, last.split) == ("class3", "train")
    assert last.file.path == tmp_path / last.file.id and last.file.path.is_file()
