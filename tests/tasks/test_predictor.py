from pathlib import Path

import numpy as np
import pytest
import torch

from i2pmae.commands.use import load_predictor
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.common.seeds import torch_generator
from i2pmae.ops import three_nn_interpolate
from i2pmae.tasks.classification.predict import CloudClassifier
from i2pmae.tasks.segmentation.predict import CloudSegmenter
from tests.weights.small_models import POINTS, make_model, save_model


@pytest.fixture
def clouds() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, POINTS, 3)).astype(np.float32)


@pytest.fixture
def classifier(tmp_path: Path) -> CloudClassifier:
    found = load_predictor(save_model(tmp_path, "i2p-mae classification"), "cpu")
    assert isinstance(found, CloudClassifier)
    return found


@pytest.fixture(params=["i2p-mae segmentation", "point-mae segmentation"])
def segmenter(request: pytest.FixtureRequest, tmp_path: Path) -> CloudSegmenter:
    found = load_predictor(save_model(tmp_path, request.param), "cpu")
    assert isinstance(found, CloudSegmenter)
    return found


def unit(clouds: np.ndarray) -> torch.Tensor:
    points = torch.from_numpy(clouds) - torch.from_numpy(clouds).mean(1, keepdim=True)
    return points / points.norm(dim=-1).amax(1)[:, None, None]


def test_probabilities_are_those_of_the_model(classifier: CloudClassifier, clouds: np.ndarray) -> None:
    with torch.no_grad():
        classifier.model.head[-1].bias -= classifier.model(unit(clouds)).mean(0)  # so that classes differ
        expected = classifier.model(unit(clouds)).softmax(-1).numpy()
    found = classifier.predict(clouds)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
    assert isinstance(found.probabilities, np.ndarray)
    assert found.labels == [("stick", "plate", "ball")[index] for index in expected.argmax(1)]
    assert len(set(found.labels)) > 1
    assert "3 classes" in repr(classifier)


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_a_class_does_not_depend_on_its_batch(classifier: CloudClassifier, clouds: np.ndarray, batch_size: int) -> None:
    expected = classifier.predict(clouds[3]).probabilities
    assert expected.shape == (3,)
    assert isinstance(classifier.predict(clouds[3]).labels, str)
    rows = classifier.predict(clouds, batch_size=batch_size).probabilities
    np.testing.assert_allclose(rows[3], expected, atol=1e-5)


def test_clouds_of_different_sizes_keep_their_order(classifier: CloudClassifier, segmenter: CloudSegmenter) -> None:
    generator = np.random.default_rng(1)
    clouds = [torch.from_numpy(generator.normal(size=(size, 3))) for size in (40, 16, 200, 40)]
    rows = classifier.predict(clouds, batch_size=2).probabilities
    assert isinstance(rows, torch.Tensor)
    names = ["chair", "plane", "chair", "chair"]
    parts = segmenter.predict(clouds, category=names, batch_size=2)
    assert [len(part) for part in parts.labels] == [40, 16, 200, 40]
    for row, part, cloud, name in zip(rows, parts.probabilities, clouds, names, strict=True):
        torch.testing.assert_close(row, classifier.predict(cloud).probabilities, atol=1e-5, rtol=0)
        alone = segmenter.predict(cloud, category=name).probabilities
        torch.testing.assert_close(part, alone, atol=1e-5, rtol=0)


def test_parts_are_those_of_the_category(segmenter: CloudSegmenter, clouds: np.ndarray) -> None:
    found = segmenter.predict(clouds, category=["chair", "chair", "plane", "chair", "plane"])
    assert found.probabilities.shape == (5, 64, 3)
    np.testing.assert_allclose(found.probabilities.sum(-1), 1, atol=1e-5)
    assert (found.probabilities[[0, 1, 3], :, 2] == 0).all()
    assert (found.labels[[2, 4]] == 2).all()
    assert set(found.labels[0]) <= {0, 1}
    with torch.no_grad():
        logits = segmenter.model(unit(clouds), torch.tensor([0, 0, 1, 0, 1]))[0, :, :2]
    np.testing.assert_allclose(found.probabilities[0, :, :2], logits.softmax(-1).numpy(), atol=1e-5)
    other = segmenter.predict(clouds[:1], category="plane").probabilities
    assert np.abs(other - found.probabilities[:1]).max() > 0.1


def test_every_point_of_a_large_cloud_gets_a_part(segmenter: CloudSegmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2pmae.tasks.segmentation.predict.CHUNK", 100)
    cloud = np.random.default_rng(2).normal(size=(500, 3)).astype(np.float32)
    found = segmenter.predict(cloud, category="chair")
    assert found.labels.shape == (500,)
    points = unit(cloud[None])
    chosen = torch.randperm(500, generator=torch_generator(0, "thin", 500))[:64]
    with torch.no_grad():
        known = segmenter.model(points[:, chosen], torch.tensor([0]))
    expected = three_nn_interpolate(points, points[:, chosen], known)[0, :, :2].softmax(-1)
    np.testing.assert_allclose(found.probabilities[:, :2], expected.numpy(), atol=1e-4)
    whole = segmenter.predict(cloud, category="chair", max_points=None)
    assert np.abs(whole.probabilities - found.probabilities).max() > 1e-3


def test_a_segmenter_without_categories_needs_none(tmp_path: Path, clouds: np.ndarray) -> None:
    segmenter = load_predictor(save_model(tmp_path, "point-m2ae segmentation"), "cpu")
    assert isinstance(segmenter, CloudSegmenter)
    assert segmenter.predict(clouds).probabilities.shape == (5, 64, 2)
    assert segmenter.predict(np.zeros((0, 64, 3))).probabilities.shape == (0, 64, 2)
    with pytest.raises(UsageError, match="without categories: leave the category 'chair' out"):
        segmenter.predict(clouds, category="chair")


@pytest.mark.parametrize(
    ("category", "said"),
    [
        (None, "say what the clouds show.*Known: chair, plane"),
        ("chiar", "Unknown category 'chiar'.*'chair'"),
        (["chair"], "one category for each of the 5 clouds, got 1"),
        (["chair"] * 4 + ["car"], "Unknown category 'car'"),
    ],
)
def test_categories_that_are_missing_or_unknown_are_refused(
    segmenter: CloudSegmenter, clouds: np.ndarray, category: object, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        segmenter.predict(clouds, category=category)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["i2p-mae pretraining", "point-mae encoder"])
def test_an_encoder_names_no_classes(tmp_path: Path, kind: str) -> None:
    with pytest.raises(CheckpointError, match=r"holds .*encoder.*not a classifier.*i2pmae finetune.*i2pmae segment"):
        load_predictor(save_model(tmp_path, kind))


@pytest.mark.parametrize(
    "bad",
    [np.zeros((2, 64, 3)), np.full((64, 3), np.nan), np.zeros((4, 3)), np.zeros((2, 64, 2)), "chair.off", None, []],
)
def test_unusable_clouds_are_refused(classifier: CloudClassifier, segmenter: CloudSegmenter, bad: object) -> None:
    for call in (classifier.predict, lambda points: segmenter.predict(points, category="chair")):
        with pytest.raises(UsageError):
            call(bad)


def test_no_clouds_give_no_rows(classifier: CloudClassifier) -> None:
    found = classifier.predict(np.zeros((0, 64, 3)))
    assert (found.probabilities.shape, found.labels) == ((0, 3), [])


def test_the_model_is_put_into_evaluation_mode(clouds: np.ndarray) -> None:
    model, record = make_model("i2p-mae classification")
    classifier = CloudClassifier(model.train(), record, "cpu")
    np.testing.assert_array_equal(classifier.predict(clouds).probabilities, classifier.predict(clouds).probabilities)
