import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Call


def test_the_score_comes_with_its_protocol(call: Call, weights: Path, archive: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "probe.json"
    status, out, err = call("probe", weights, "--data", archive, "--output", output)
    assert status == 0, err
    result = json.loads(output.read_text())
    assert result.keys() >= {"accuracy", "C", "train_clouds", "test_clouds"}
    assert (result["train_clouds"], result["test_clouds"]) == (30, 12)
    assert result["classes"] == ["stick", "plate", "ball"]
    assert (result["encoder"], result["data"], result["points"]) == (str(weights), str(archive), 32)
    assert f"accuracy         {result['accuracy']:.2%}" in out
    assert "chosen on train, 5-fold" in out
    assert result["protocol"] in out


def test_json_is_all_that_goes_to_standard_output(call: Call, weights: Path, archive: Path) -> None:
    status, out, _ = call("probe", weights, "--data", archive, "--json", "--folds", 3)
    assert status == 0
    assert json.loads(out)["selected"]["folds"] == 3


def test_sub_folders_are_classes(call: Call, weights: Path, folder: Path) -> None:
    status, out, err = call("probe", weights, "--data", folder, "--json", "--seed", 3)
    assert status == 0, err
    result = json.loads(out)
    assert result["classes"] == ["ball", "plate", "stick"]
    assert (result["train_clouds"], result["test_clouds"]) == (18, 6)
    assert "held out for testing by seed 3" in result["protocol"]


def test_built_in_shapes_can_be_probed(call: Call, weights: Path) -> None:
    status, out, err = call("probe", weights, "--data", "shapes", "--clouds", 400, "--json")
    assert status == 0, err
    assert json.loads(out)["test_clouds"] == 80


def test_the_same_call_gives_the_same_result(call: Call, weights: Path, archive: Path) -> None:
    first, again = (json.loads(call("probe", weights, "--data", archive, "--json")[1]) for _ in range(2))
    assert first.pop("seconds") >= 0 and again.pop("seconds") >= 0
    assert first == again


@pytest.mark.parametrize(("name", "parameter"), [("knn", "k"), ("logistic", "C")])
def test_other_classifiers_can_be_chosen(call: Call, weights: Path, archive: Path, name: str, parameter: str) -> None:
    status, out, err = call("probe", weights, "--data", archive, "--classifier", name)
    assert status == 0, err
    assert f"\n{parameter}  " in out and "chosen on train, 5-fold" in out
    result = json.loads(call("probe", weights, "--data", archive, "--classifier", name, "--json")[1])
    assert result["kind"] == name and result[parameter] > 0
    status, _, err = call("probe", weights, "--data", archive, "--classifier", "forest")
    assert status == 2 and "forest" in err


def test_the_read_out_can_be_chosen(call: Call, weights: Path, archive: Path, tmp_path: Path) -> None:
    table = tmp_path / "features.npz"
    status, out, err = call("probe", weights, archive, "--json", "--pooling", "levels:mean|max", "--features", table)
    assert status == 0, err
    width = json.loads(out)["selected"]["features"]
    assert width > json.loads(call("probe", weights, archive, "--json")[1])["selected"]["features"]
    assert np.load(table)["embedding"].shape == (42, width)
    status, _, err = call("probe", weights, archive, "--pooling", "levels:median")
    assert status == 2 and "levels:mean|max" in err


def test_vectors_can_be_averaged_over_copies(call: Call, weights: Path, archive: Path, tmp_path: Path) -> None:
    probe = ("probe", weights, archive, "--copies", 2, "--json", "--features", tmp_path / "features.npz")
    status, out, err = call(*probe)
    assert status == 0, err
    assert "means over 2 copies" in json.loads(out)["protocol"]
    assert "copies" not in json.loads(call("probe", weights, archive, "--json")[1])["protocol"]
    assert call("embed", weights, archive, "--output", tmp_path / "plain.npz")[0] == 0
    assert call("embed", weights, archive, "--copies", 2, "--output", tmp_path / "copies.npz")[0] == 0
    kept, plain, copies = (np.load(tmp_path / f"{name}.npz")["embedding"] for name in ("features", "plain", "copies"))
    np.testing.assert_allclose(kept, copies, atol=1e-6)
    assert np.abs(copies - plain).max() > 1e-5
    status, _, err = call("probe", weights, archive, "--copies", 0)
    assert status == 2 and "copies must be at least 1" in err and "Traceback" not in err


def test_features_can_be_written_too(call: Call, weights: Path, archive: Path, tmp_path: Path) -> None:
    probe = ("probe", weights, "--data", archive, "--json")
    status, out, err = call(*probe, "--features", tmp_path / "f.npz")
    assert status == 0, err
    plain = json.loads(call(*probe)[1])
    assert json.loads(out)["accuracy"] == pytest.approx(plain["accuracy"], abs=0.1)
    assert call("embed", weights, archive, "--output", tmp_path / "e.npz")[0] == 0
    with np.load(tmp_path / "f.npz") as features, np.load(tmp_path / "e.npz") as embedded:
        assert set(features) == {"id", "embedding", "label", "split"} == set(embedded)
        np.testing.assert_allclose(features["embedding"], embedded["embedding"], atol=1e-5)
    status, out, err = call(*probe, "--features", tmp_path / "f.csv")
    assert (status, out) == (2, "") and ".parquet or .npz" in err


@pytest.mark.parametrize(
    ("data", "said"), [("flat", "labels from folders were asked for"), ("bare.npz", "has no labels")]
)
def test_data_without_labels_is_refused(call: Call, weights: Path, tmp_path: Path, data: str, said: str) -> None:
    points = np.random.default_rng(0).normal(size=(6, 40, 3))
    (tmp_path / "flat").mkdir()
    for row, cloud in enumerate(points):
        np.savetxt(tmp_path / "flat" / f"{row}.xyz", cloud)
    np.savez(tmp_path / "bare.npz", points=points)
    status, out, err = call("probe", weights, "--data", tmp_path / data)
    assert (status, out) == (1, "")
    assert said in " ".join(err.split())


def test_a_damaged_checkpoint_is_named(call: Call, weights: Path, archive: Path) -> None:
    path = weights / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    status, out, err = call("probe", weights, "--data", archive)
    assert (status, out) == (1, "")
    assert "model.safetensors is damaged" in err


def test_the_data_must_be_named(call: Call, weights: Path) -> None:
    status, _, err = call("probe", weights)
    assert status == 2
    assert "holds weights, not clouds: say which data" in err
