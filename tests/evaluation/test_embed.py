from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from i2pmae.common.errors import I2PError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.embed import embed_to_file
from i2pmae.evaluation.features import embed_set
from i2pmae.weights.encoder import Encoder


def test_features_of_a_set_are_those_of_its_clouds(encoder: Encoder, clouds: CloudSet) -> None:
    expected = encoder.embed(clouds.points)
    for size in (1, 5, 100):
        np.testing.assert_allclose(embed_set(encoder, clouds, batch_size=size, shown=False), expected, atol=1e-5)


def test_every_point_of_a_set_counts(encoder: Encoder) -> None:
    many = CloudSet(np.random.default_rng(0).normal(size=(2, 100, 3)).astype(np.float32), ["a", "b"])
    expected = encoder.embed(many.points, max_points=None)
    np.testing.assert_array_equal(embed_set(encoder, many, shown=False), expected)


def test_a_parquet_file_has_a_row_per_cloud(encoder: Encoder, clouds: CloudSet, tmp_path: Path) -> None:
    path = embed_to_file(encoder, clouds, tmp_path / "new" / "out.parquet", batch_size=5, shown=False)
    table = pq.read_table(path)
    assert table.column_names == ["id", "embedding", "label", "split"]
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 24)
    assert table["id"].to_pylist() == clouds.ids
    assert table["label"].to_pylist()[:4] == ["stick", "plate", "ball", "stick"]
    assert table["split"].to_pylist() == clouds.splits.tolist()
    np.testing.assert_allclose(np.stack(table["embedding"].to_numpy()), encoder.embed(clouds.points), atol=1e-5)
    assert [file.name for file in path.parent.iterdir()] == ["out.parquet"]


@pytest.mark.parametrize("name", ["out.npz", "out.parquet"])
def test_a_full_disk_is_an_error_that_leaves_nothing(
    name: str, encoder: Encoder, clouds: CloudSet, tmp_path: Path, file_limit: Callable[[int], None]
) -> None:
    file_limit(20_000)
    with pytest.raises(I2PError, match=rf"Cannot write .*{name}: .*too large"):
        embed_to_file(encoder, clouds, tmp_path / name, point_features=True, batch_size=3, shown=False)
    assert not list(tmp_path.iterdir())


def test_a_npz_file_has_an_array_per_column(encoder: Encoder, clouds: CloudSet, tmp_path: Path) -> None:
    path = embed_to_file(encoder, clouds, tmp_path / "out.npz", batch_size=5, shown=False)
    with np.load(path) as arrays:
        assert set(arrays) == {"id", "embedding", "label", "split"}
        assert arrays["id"].tolist() == clouds.ids
        assert arrays["label"].tolist()[:2] == ["stick", "plate"]
        assert arrays["embedding"].dtype == np.float32
        np.testing.assert_allclose(arrays["embedding"], encoder.embed(clouds.points), atol=1e-5)


def test_what_is_not_known_is_left_out(encoder: Encoder, clouds: CloudSet, tmp_path: Path) -> None:
    bare = replace(clouds, labels=None, splits=None)
    assert pq.read_table(embed_to_file(encoder, bare, tmp_path / "a.parquet", shown=False)).num_columns == 2
    unnamed = replace(clouds, classes=None)
    labels = pq.read_table(embed_to_file(encoder, unnamed, tmp_path / "b.parquet", shown=False))["label"]
    assert labels.to_pylist() == clouds.labels.tolist()


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_features_of_points_come_with_the_points(
    encoder: Encoder, clouds: CloudSet, tmp_path: Path, suffix: str
) -> None:
    path = embed_to_file(encoder, clouds, tmp_path / f"out{suffix}", point_features=True, batch_size=8, shown=False)
    if suffix == ".npz":
        with np.load(path) as arrays:
            points, features = arrays["points"], arrays["point_features"]
    else:
        table = pq.read_table(path)
        points = np.array(table["points"].to_pylist(), dtype=np.float32)
        features = np.array(table["point_features"].to_pylist(), dtype=np.float32)
    np.testing.assert_array_equal(points, clouds.points)
    np.testing.assert_allclose(features, encoder.point_features(clouds.points), atol=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == [f"out{suffix}"]


def test_batches_are_read_one_at_a_time(encoder: Encoder, clouds: CloudSet, tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "points.bin", np.float32, "w+", shape=clouds.points.shape)
    mapped[:] = clouds.points
    path = embed_to_file(encoder, replace(clouds, points=mapped), tmp_path / "out.parquet", batch_size=4, shown=False)
    assert pq.ParquetFile(path).num_row_groups == 11


@pytest.mark.parametrize("name", ["out.csv", "out", "out.parquet.gz"])
def test_other_formats_are_refused_before_any_work(
    encoder: Encoder, clouds: CloudSet, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "embed", None)
    with pytest.raises(UsageError, match=r"\.parquet or \.npz"):
        embed_to_file(encoder, clouds, tmp_path / name)


def test_no_clouds_make_no_file(encoder: Encoder, clouds: CloudSet, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no clouds"):
        embed_to_file(encoder, clouds.subset(np.zeros(42, dtype=bool)), tmp_path / "out.npz")


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_broken_write_leaves_the_old_file(
    encoder: Encoder,
    clouds: CloudSet,
    tmp_path: Path,
    suffix: str,
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / f"out{suffix}"
    embed_to_file(encoder, clouds, path, shown=False)
    before = path.read_bytes()
    calls = []

    def fail(*args: object, **options: object) -> np.ndarray:
        calls.append(args)
        if len(calls) > 1:
            raise error
        return np.zeros((len(args[0]), 24), np.float32)  # type: ignore[arg-type]

    monkeypatch.setattr(encoder, "embed", fail)
    expected = I2PError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        embed_to_file(encoder, clouds, path, batch_size=8, point_features=True, shown=False)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
