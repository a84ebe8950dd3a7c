from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from i2pmae.commands.use import load
from i2pmae.data.open.source import open_clouds
from tests.cli.conftest import Call


def test_a_folder_becomes_a_table(call: Call, weights: Path, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "vectors.parquet"
    status, out, err = call("embed", weights, folder, "--output", output)
    assert status == 0, err
    assert out == f"{output}: 24 clouds of 32 points, 24 channels each\n"
    table = pq.read_table(output)
    assert table.column_names == ["id", "embedding"]
    assert table["id"][0].as_py() == "ball/02.xyz"
    clouds = open_clouds(folder, points=32, shown=False)
    expected = load(weights, "cpu").embed(clouds.points, max_points=None)
    np.testing.assert_allclose(np.stack(table["embedding"].to_numpy()), expected, atol=1e-5)
    assert "24 of 24 clouds have more than 32 points" in err


def test_labels_of_folders_are_given_on_request(call: Call, weights: Path, folder: Path, tmp_path: Path) -> None:
    assert call("embed", weights, folder, "--output", tmp_path / "a.npz", "--labels", "folder")[0] == 0
    with np.load(tmp_path / "a.npz") as arrays:
        assert [name.split("/")[0] for name in arrays["id"]] == arrays["label"].tolist()


def test_options_reach_the_reader_and_the_table(call: Call, weights: Path, archive: Path, tmp_path: Path) -> None:
    first = ("embed", weights, archive, "--points", 40, "--clouds", 10, "--device", "cpu", "--batch-size", 3)
    assert call(*first, "--output", tmp_path / "a.npz", "--point-features")[0] == 0
    assert call(*first, "--output", tmp_path / "b.npz", "--up", "z")[0] == 0
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        assert a["points"].shape == (10, 40, 3)
        assert a["point_features"].shape == (10, 40, 60)
        assert set(a["split"]) == {"train", "test"}
        assert set(a["label"]) == {"stick", "plate", "ball"}
        assert np.abs(a["embedding"] - b["embedding"]).max() > 1e-4


def test_built_in_shapes_have_a_name(call: Call, weights: Path, tmp_path: Path) -> None:
    assert call("embed", weights, "shapes", "--clouds", 40, "--output", tmp_path / "a.parquet")[0] == 0
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.num_rows == 40
    assert set(table["split"].to_pylist()) == {"train", "test"}


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("{weights}", "{folder}", "--output", "out.csv"), 2, ".parquet or .npz"),
        (("{weights}", "{folder}"), 2, "--output"),
        (("{weights}", "{folder}", "--output", "out.npz", "--batch-size", "0"), 2, "at least 1"),
        (
            ("{weights}", "{folder}", "--output", "out.npz", "--points", "2"),
            2,
            "points: must be at least 3 (got 2)",
        ),
        (
            ("{weights}", "{folder}", "--output", "out.npz", "--points", "0"),
            2,
            "points: must be at least 3 (got 0)",
        ),
        (("{weights}", "{folder}", "--output", "out.npz", "--device", "tpu"), 2, "Unknown device 'tpu'"),
        (("{weights}", "shapes", "--output", "out.npz", "--up", "z"), 2, "y up"),
        (
            ("{weights}", "shapes", "--output", "out.npz", "--clouds", "1"),
            2,
            "Expected at least 2 built-in shapes",
        ),
        (("{weights}", "nowhere", "--output", "out.npz"), 1, "no file or folder nowhere"),
        (("wieghts", "{folder}", "--output", "out.npz"), 1, "no checkpoint wieghts"),
        (("{folder}", "{folder}", "--output", "out.npz"), 1, "not a run or weights folder"),
        (("{weights}", "{folder}", "--output", "{weights}/model.yaml/out.npz"), 1, "Cannot write"),
    ],
)
def test_wrong_calls_and_failures_have_their_status(
    call: Call, weights: Path, folder: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    given = [argument.format(weights=weights, folder=folder) for argument in arguments]
    got, out, err = call("embed", *given)
    assert (got, out) == (status, ""), err
    assert said in " ".join(err.split())
    assert "Traceback" not in err
