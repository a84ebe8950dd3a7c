import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i2pmae.common.errors import DataError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.classifiers import CLASSIFIERS
from i2pmae.evaluation.features import embed_set
from i2pmae.evaluation.probe import knn_probe, linear_probe, logistic_probe, probe_encoder, train_and_test
from i2pmae.runs.record import RunRecord
from i2pmae.weights.encoder import Encoder
from tests.evaluation.conftest import gaussians


def test_separable_classes_are_told_apart_and_noise_is_not() -> None:
    x, y = gaussians(200, 8, 4, spread=0.2)
    x_test, y_test = gaussians(80, 8, 4, spread=0.2, seed=1)
    assert linear_probe(x, y, x_test, y_test).accuracy == 1
    noise = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    assert linear_probe(noise, y, noise[::-1][:80], np.roll(y[:80], 1)).accuracy < 0.5


def test_the_result_states_its_protocol() -> None:
    x, y = gaussians(150, 8, 3, spread=1.5)
    x_test, y_test = gaussians(60, 8, 3, spread=1.5, seed=1)
    result = linear_probe(x, y, x_test, y_test, classes=("a", "b", "c"), seed=5)
    assert (result.kind, result.train_clouds, result.test_clouds, result.seeds) == ("linear-probe", 150, 60, (5,))
    assert result.selected["on"] == "train, 5-fold"
    assert "5-fold cross-validation on the 150 training clouds alone" in result.protocol
    assert "standardised" in result.protocol
    assert result.chance == pytest.approx(1 / 3)
    table = result.selected["cross_validation"]
    assert table[f"{result.selected['C']:g}"] == max(table.values())
    assert np.mean(list(result.per_class.values())) == pytest.approx(result.accuracy)
    assert np.trace(result.confusion) == round(60 * result.accuracy)
    assert np.sum(result.confusion, axis=1).tolist() == [20, 20, 20]


def test_the_test_set_has_no_say_in_the_choice() -> None:
    x, y = gaussians(150, 8, 3, spread=2)
    generator = np.random.default_rng(3)
    results = [linear_probe(x, y, generator.normal(size=(50, 8)), generator.integers(0, 3, 50)) for _ in range(3)]
    assert results[0].selected == results[1].selected == results[2].selected


def test_the_same_seed_gives_the_same_result() -> None:
    x, y = gaussians(100, 8, 4, spread=2)
    first, again = (linear_probe(x, y, x[:40], y[:40], seed=1) for _ in range(2))
    assert first == again


def test_large_values_of_C_are_left_out_once_they_only_hurt() -> None:
    x, y = gaussians(120, 60, 6, spread=6)
    result = linear_probe(x, y, x, y)
    tried = list(result.selected["cross_validation"].values())
    assert len(tried) == len(CLASSIFIERS["svm"].values) or max(tried[-2:]) < max(tried) - 0.005


def test_small_classes_have_fewer_folds() -> None:
    x, y = gaussians(60, 6, 3)
    keep = np.concatenate([np.flatnonzero(y == 0)[:3], np.flatnonzero(y > 0)])
    result = linear_probe(x[keep], y[keep], x, y)
    assert (result.selected["folds"], result.selected["on"]) == (3, "train, 3-fold")
    keep = np.concatenate([np.flatnonzero(y == 0)[:1], np.flatnonzero(y > 0)])
    with pytest.raises(DataError, match="at least 2 training clouds in every class, but '0' has 1"):
        linear_probe(x[keep], y[keep], x, y)


def test_class_indices_may_have_gaps_and_test_classes_may_be_new() -> None:
    x, y = gaussians(90, 6, 3, spread=0.2)
    labels = np.array([2, 5, 9])[y]
    result = linear_probe(x, labels, np.concatenate([x, x[:10]]), np.concatenate([labels, np.full(10, 7)]))
    assert result.accuracy == pytest.approx(0.9)
    assert result.per_class == {"2": 1, "5": 1, "7": 0, "9": 1}


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"y_train": np.zeros(60, dtype=int)}, DataError, "at least 2 classes"),
        ({"y_train": np.zeros(59, dtype=int)}, UsageError, "one label per cloud"),
        ({"train_features": np.zeros((60, 6, 3))}, UsageError, "one label per cloud"),
        ({"test_features": np.zeros((60, 5))}, UsageError, "6 channels, test features 5"),
        ({"train_features": np.full((60, 6), np.nan)}, DataError, "NaN"),
        ({"y_test": np.zeros(60)}, UsageError, "class indices"),
        ({"y_test": np.full(60, -1)}, UsageError, "from -1"),
        ({"test_features": np.zeros((0, 6)), "y_test": np.zeros(0, dtype=int)}, DataError, "no test clouds"),
        ({"folds": 1}, UsageError, "at least 2 folds"),
        ({"classes": ("a", "b")}, UsageError, "2 class names"),
    ],
)
def test_unusable_input_is_refused(change: dict, error: type, said: str) -> None:
    x, y = gaussians(60, 6, 3)
    arguments = {"train_features": x, "y_train": y, "test_features": x, "y_test": y} | change
    with pytest.raises(error, match=said):
        linear_probe(**arguments)


def test_an_encoder_is_probed_on_the_sets_own_split(encoder: Encoder, clouds: CloudSet) -> None:
    result = probe_encoder(encoder, clouds, shown=False)
    assert (result.train_clouds, result.test_clouds) == (30, 12)
    assert (result.classes, result.data, result.points) == (clouds.classes, "solids", 32)
    assert result.accuracy > 0.6 > result.chance
    assert "held out" not in result.protocol


def test_without_a_test_split_a_quarter_is_held_out(encoder: Encoder, clouds: CloudSet) -> None:
    whole = replace(clouds, splits=None)
    result = probe_encoder(encoder, whole, seed=3, shown=False)
    assert (result.train_clouds, result.test_clouds) == (32, 10)
    assert "10 of its 42 clouds, stratified by class, were held out for testing by seed 3" in result.protocol
    train, test, _ = train_and_test(whole, 3)
    assert not set(train.ids) & set(test.ids)
    assert set(train.ids) | set(test.ids) == set(clouds.ids)
    assert set(train_and_test(whole, 4)[1].ids) != set(test.ids)
    assert list(train_and_test(whole, 3)[1].ids) == list(test.ids)


def test_a_validation_split_stands_in_for_a_test_split(clouds: CloudSet) -> None:
    assert clouds.splits is not None
    named = replace(clouds, splits=np.where(clouds.splits == "test", "val", "train"))
    train, test, note = train_and_test(named, 0)
    assert (len(train), len(test)) == (30, 12)
    assert "validation split" in note


def test_clouds_without_usable_labels_are_refused(encoder: Encoder, clouds: CloudSet) -> None:
    with pytest.raises(DataError, match=r"solids has no labels.*--labels folder"):
        probe_encoder(encoder, replace(clouds, labels=None), shown=False)
    assert clouds.labels is not None
    with pytest.raises(DataError, match="negative labels"):
        probe_encoder(encoder, replace(clouds, labels=clouds.labels - 1), shown=False)
    lonely = replace(clouds.subset(np.arange(4)), splits=None)  # labels 0 1 2 0
    with pytest.raises(DataError, match="plate, ball have only 1"):
        probe_encoder(encoder, lonely, shown=False)


def test_few_clouds_of_many_classes_can_still_be_split(clouds: CloudSet) -> None:
    train, test, _ = train_and_test(replace(clouds.subset(np.arange(6)), splits=None), 0)
    assert (len(train), len(test)) == (3, 3)


def test_the_record_is_written_as_json(encoder: Encoder, clouds: CloudSet, tmp_path: Path) -> None:
    result = probe_encoder(encoder, clouds, shown=False)
    result.save(tmp_path / "new" / "probe.json")
    values = json.loads((tmp_path / "new" / "probe.json").read_text())
    assert values["scores"]["accuracy"]["mean"] == result.accuracy
    assert values["method"] == "i2p-mae" and values["machine"] and values["versions"]["torch"]
    assert RunRecord.load(tmp_path / "new" / "probe.json") == result


@pytest.mark.parametrize(("probe", "task"), [(knn_probe, "knn"), (logistic_probe, "logistic")])
def test_other_classifiers_have_the_same_protocol(probe: Callable[..., RunRecord], task: str) -> None:
    x, y = gaussians(200, 8, 4, spread=0.8)
    x_test, y_test = gaussians(80, 8, 4, spread=0.8, seed=1)
    result = probe(x, y, x_test, y_test, seed=2)
    assert (result.kind, result.seeds, result.train_clouds, result.test_clouds) == (task, (2,), 200, 80)
    assert result.accuracy > 0.8
    assert "5-fold cross-validation on the 200 training clouds alone" in result.protocol
    assert result.selected["on"] == "train, 5-fold"
    shuffled = probe(x, y, np.random.default_rng(0).normal(size=(50, 8)), np.zeros(50, int), seed=2)
    assert shuffled.selected == result.selected, "the test set has no say"
    assert probe(x, y, x_test, y_test, seed=2) == result
    with pytest.raises(DataError, match="NaN"):
        probe(np.full_like(x, np.nan), y, x_test, y_test)


def test_neighbours_are_found_by_their_direction() -> None:
    directions = np.random.default_rng(0).normal(size=(3, 6))
    y = np.arange(60) % 3
    lengths = np.random.default_rng(1).uniform(0.01, 100, (60, 1))
    x = (directions[y] * lengths).astype(np.float32)
    assert knn_probe(x, y, directions.astype(np.float32), np.arange(3)).accuracy == 1


def test_k_is_at_most_what_there_is() -> None:
    x, y = gaussians(12, 4, 3)
    result = knn_probe(x, y, x, y, values=(1, 5, 9, 20))
    assert set(result.selected["cross_validation"]) <= {"1", "5", "9"}
    with pytest.raises(DataError, match="fewer than k = 10"):
        knn_probe(x, y, x, y, values=(10, 20))
    for wrong in ((0,), (1.5,), (), (-1, 2)):
        with pytest.raises(UsageError, match="whole numbers from 1"):
            knn_probe(x, y, x, y, values=wrong)
    with pytest.raises(UsageError, match="positive numbers"):
        logistic_probe(x, y, x, y, values=(float("nan"),))


def test_a_single_value_is_taken_as_it_is() -> None:
    x, y = gaussians(6, 4, 3)
    first = linear_probe(x[:3], y[:3], x, y, values=(0.1,))
    assert (first.selected["C"], first.selected["on"]) == (0.1, "nothing, it was given")
    assert "; C = 0.1; one score" in first.protocol


def test_an_encoder_is_probed_by_any_classifier(encoder: Encoder, clouds: CloudSet) -> None:
    vectors = embed_set(encoder, clouds, shown=False)
    for name, kind in CLASSIFIERS.items():
        result = probe_encoder(encoder, clouds, classifier=name, shown=False)
        assert (result.kind, result.method) == (kind.task, "i2p-mae")
        given = probe_encoder(encoder, clouds, classifier=name, embeddings=vectors, shown=False)
        assert given.selected[kind.parameter] == result.selected[kind.parameter]
        assert given.accuracy == pytest.approx(result.accuracy, abs=0.1)
    with pytest.raises(UsageError, match=r"Unknown classifier 'svn'\. Did you mean 'svm'"):
        probe_encoder(encoder, clouds, classifier="svn", shown=False)
    with pytest.raises(UsageError, match="each of the 42 clouds"):
        probe_encoder(encoder, clouds, embeddings=vectors[:5], shown=False)
