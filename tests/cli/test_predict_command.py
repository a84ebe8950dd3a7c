import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import trimesh

from i2pmae.commands.use import load_predictor
from i2pmae.data.open.source import open_clouds
from tests.cli.conftest import Call
from tests.weights.small_models import save_model


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    return save_model(tmp_path / "classifier", "i2p-mae classification")


@pytest.fixture(params=["i2p-mae segmentation", "point-mae segmentation"])
def segmenter(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return save_model(tmp_path / "segmenter", request.param)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_classes_of_a_folder_are_printed(call: Call, classifier: Path, folder: Path) -> None:
    status, out, err = call("predict", classifier, folder)
    assert status == 0, err
    table = rows(out)
    clouds = open_clouds(folder, points=64, shown=False)
    expected = load_predictor(classifier, "cpu").predict(clouds.points, max_points=None)
    assert [row["id"] for row in table] == list(clouds.ids)
    assert [row["label"] for row in table] == expected.labels
    found = np.array([[float(row[f"p_{name}"]) for name in ("stick", "plate", "ball")] for row in table])
    np.testing.assert_allclose(found, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose([float(row["probability"]) for row in table], found.max(1), atol=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_the_suffix_decides_the_format(
    call: Call, classifier: Path, archive: Path, tmp_path: Path, suffix: str
) -> None:
    output = tmp_path / "new" / f"out{suffix}"
    status, out, err = call("predict", classifier, archive, "--output", output, "--batch-size", 5)
    assert status == 0, err
    assert out.startswith(f"{output}: 42 clouds: ")
    if suffix == ".parquet":
        table = pq.read_table(output).to_pylist()
    else:
        text = output.read_text()
        table = json.loads(text) if suffix == ".json" else rows(text)
    assert list(table[0]) == ["id", "label", "probability", "truth", "p_stick", "p_plate", "p_ball"]
    assert [row["truth"] for row in table[:3]] == ["stick", "plate", "ball"]
    clouds = open_clouds(archive, points=64, shown=False)
    assert [row["id"] for row in table] == list(clouds.ids)
    expected = load_predictor(classifier, "cpu").predict(clouds.points, max_points=None).probabilities
    found = np.array([[float(row[f"p_{name}"]) for name in ("stick", "plate", "ball")] for row in table])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_most_probable_classes(call: Call, classifier: Path, archive: Path) -> None:
    status, out, _ = call("predict", classifier, archive, "--top", 2, "--clouds", 6)
    assert status == 0
    table, whole = rows(out), rows(call("predict", classifier, archive, "--clouds", 6)[1])
    assert list(table[0]) == ["id", "label", "probability", "label_2", "probability_2", "truth"]
    for row, all_of_them in zip(table, whole, strict=True):
        order = sorted(("stick", "plate", "ball"), key=lambda name: -float(all_of_them[f"p_{name}"]))
        assert [row["label"], row["label_2"]] == order[:2]
        assert row["probability_2"] == all_of_them[f"p_{order[1]}"]


def test_bad_files_are_listed_and_the_others_predicted(call: Call, classifier: Path, folder: Path) -> None:
    (folder / "ball" / "broken.xyz").write_text("1 2 x\n")
    status, out, err = call("predict", classifier, folder)
    assert status == 0, err
    assert len(rows(out)) == 24
    assert "1 of 25" in " ".join(err.split())


def test_parts_are_counted_and_written(call: Call, segmenter: Path, folder: Path, tmp_path: Path) -> None:
    output, ply = tmp_path / "parts.parquet", tmp_path / "ply"
    given = ("predict", segmenter, folder, "--category", "chair", "--output", output, "--ply", ply, "--batch-size", 5)
    status, out, err = call(*given)
    assert status == 0, err
    assert out == f"{output}: 24 clouds\n"
    table = pq.read_table(output)
    assert table.column_names == ["id", "category", "probability", "n_leg", "n_seat", "n_wing"]
    clouds = open_clouds(folder, points=64, shown=False)
    expected = load_predictor(segmenter, "cpu").predict(clouds.points, category="chair")
    counts = np.stack([table[f"n_{name}"].to_numpy() for name in ("leg", "seat", "wing")], 1)
    np.testing.assert_array_equal(counts, [np.bincount(labels, minlength=3) for labels in expected.labels])
    np.testing.assert_allclose(table["probability"].to_numpy(), expected.probabilities.max(-1).mean(-1), atol=1e-5)

    legend = json.loads((ply / "legend.json").read_text())
    assert [(row["part"], row["name"]) for row in legend] == [(0, "leg"), (1, "seat"), (2, "wing")]
    colours = np.array([list(bytes.fromhex(row["colour"][1:])) for row in legend])
    assert len(np.unique(colours, axis=0)) == 3
    assert len(list(ply.rglob("*.ply"))) == 24
    for row, name in enumerate(clouds.ids):
        cloud = trimesh.load(ply / Path(name).with_suffix(".ply"))
        np.testing.assert_allclose(cloud.vertices, clouds.points[row], atol=1e-6)
        np.testing.assert_array_equal(cloud.visual.vertex_colors[:, :3], colours[expected.labels[row]])
        stored = cloud.metadata["_ply_raw"]["vertex"]["data"]["part"]
        np.testing.assert_array_equal(np.asarray(stored).ravel(), expected.labels[row])


def test_the_data_may_name_the_categories(call: Call, segmenter: Path, tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(4, 70, 3)).astype(np.float32)
    path = tmp_path / "set.npz"
    np.savez(path, points=points, labels=[0, 1, 1, 0], classes=np.array(["plane", "chair"]))
    status, out, err = call("predict", segmenter, path)
    assert status == 0, err
    table = rows(out)
    assert [row["category"] for row in table] == ["plane", "chair", "chair", "plane"]
    assert [row["n_wing"] for row in table] == ["64", "0", "0", "64"]


def test_more_points_than_in_training_all_get_a_part(call: Call, segmenter: Path, folder: Path) -> None:
    status, out, _ = call("predict", segmenter, folder, "--category", "chair", "--points", 300)
    assert status == 0
    assert all(int(row["n_leg"]) + int(row["n_seat"]) == 300 for row in rows(out))


def test_files_of_the_same_name_do_not_replace_each_other(call: Call, segmenter: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number, name in enumerate(("a.xyz", "a.txt", "b.xyz")):
        np.savetxt(data / name, np.random.default_rng(number).normal(size=(70, 3)))
    status, _, err = call("predict", segmenter, data, "--category", "chair", "--ply", tmp_path / "ply")
    assert status == 0, err
    assert sorted(file.name for file in (tmp_path / "ply").glob("*.ply")) == ["a.txt.ply", "a.xyz.ply", "b.xyz.ply"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("{classifier}", "{folder}", "--output", "out.npz"), 2, "written as .csv, .parquet, .json"),
        (("{classifier}", "{folder}", "--top", "4"), 2, "from 1 to 3"),
        (("{classifier}", "{folder}", "--top", "0"), 2, "from 1 to 3"),
        (
            ("{classifier}", "{folder}", "--ply", "out"),
            2,
            "holds a classifier, which has no use for --ply: leave it out",
        ),
        (("{classifier}", "{folder}", "--category", "chair"), 2, "no use for --category: leave it out"),
        (("{classifier}", "{folder}", "--batch-size", "0"), 2, "at least 1"),
        (
            ("{classifier}", "{folder}", "--points", "2"),
            2,
            "points: must be at least 3 (got 2)",
        ),
        (("{classifier}", "nowhere"), 1, "no file or folder nowhere"),
        (("{classifier}",), 2, "Say which data: `i2pmae predict CHECKPOINT DATA [OPTIONS]`"),
        (("{segmenter}", "{folder}"), 2, "--category"),
        (("{segmenter}", "{folder}", "--category", "chiar"), 2, "Did you mean 'chair'"),
        (("{segmenter}", "{folder}", "--labels", "folder"), 2, "clouds of ball, plate, stick, which this segmenter"),
        (("{segmenter}", "{folder}", "--top", "2"), 2, "a part segmenter, which has no use for --top: leave it out"),
        (("{segmenter}", "{folder}", "--category", "chair", "--ply", "{classifier}/model.yaml"), 1, "Cannot write"),
        (("{weights}", "{folder}"), 1, "holds a pre-trained encoder (i2p-mae), not a classifier"),
        (("{folder}", "{folder}"), 1, "not a run or weights folder"),
    ],
)
def test_wrong_calls_and_failures_have_their_status(
    call: Call,
    classifier: Path,
    segmenter: Path,
    weights: Path,
    folder: Path,
    arguments: tuple[str, ...],
    status: int,
    said: str,
) -> None:
    places = {"classifier": classifier, "segmenter": segmenter, "weights": weights, "folder": folder}
    got, out, err = call("predict", *(argument.format(**places) for argument in arguments))
    assert (got, out) == (status, ""), err
    assert said in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
