"""Confident predictions become a manifest that the next round of fine-tuning reads."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

import i2pmae
from i2pmae.cli import main
from i2pmae.common.errors import UsageError
from i2pmae.tasks.classification.predict import CloudClassifier
from i2pmae.tasks.segmentation.predict import CloudSegmenter
from tests.weights.small_models import CLASSES, make_model


class Sure(CloudClassifier):
    """Knows the class from the file's place in the set: every third cloud for sure."""

    def _run(self, points, batch_size, up, scale, function):
        rows = [torch.full((3,), 0.3) for _ in points]
        for place in range(0, len(rows), 3):
            rows[place] = torch.tensor([0.02, 0.95, 0.03])
        return rows


@pytest.fixture
def classifier() -> CloudClassifier:
    return Sure(*make_model("i2p-mae classification"), "cpu")


@pytest.fixture
def new(tmp_path: Path) -> Path:
    folder = tmp_path / "new"
    folder.mkdir()
    for row in range(7):
        np.savetxt(folder / f"{row}.xyz", np.random.default_rng(row).normal(size=(64, 3)))
    return folder


def opened(path: Path) -> i2pmae.CloudSet:
    return i2pmae.open_clouds(path, points=32, labels="folder", shown=False)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_confident_clouds_are_listed_by_their_files(classifier: CloudClassifier, new: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    table = i2pmae.predict(classifier, new, as_manifest=path, shown=False)
    rows = rows_of(path)
    assert [row["path"] for row in rows] == ["new/0.xyz", "new/3.xyz", "new/6.xyz"] and table.num_rows == 7
    assert {row["label"] for row in rows} == {CLASSES[1]} and {row["source"] for row in rows} == {"predicted"}
    assert "split" not in rows[0] and float(rows[0]["probability"]) == pytest.approx(0.95)
    read = opened(path)
    assert len(read) == 3 and read.classes == (CLASSES[1],)


def test_labelled_clouds_are_merged_and_alone_tested_on(
    classifier: CloudClassifier, new: Path, scans: Path, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere" / "both.csv"
    path.parent.mkdir()
    i2pmae.predict(classifier, new, as_manifest=path, labelled=scans, shown=False)
    rows = rows_of(path)
    labelled = [row for row in rows if row["source"] == "labelled"]
    assert len(labelled) == 24 and {row["split"] for row in labelled} == {"train", "val", "test"}
    assert {row["split"] for row in rows if row["source"] == "predicted"} == {"train"}
    assert all(Path(row["path"]).is_absolute() and Path(row["path"]).parent.name == row["label"] for row in labelled)
    own = opened(scans)
    again = opened(path)
    assert len(again) == 27 and set(again.classes) == set(own.classes)
    more = tmp_path / "more.csv"
    with pytest.raises(UsageError, match=r"probability of at least 0\.9 is among the 24 labelled ones already"):
        i2pmae.predict(classifier, scans, as_manifest=more, labelled=scans, shown=False)
    assert not more.exists()


def test_what_cannot_become_a_manifest_is_refused(
    classifier: CloudClassifier, new: Path, scans: Path, tmp_path: Path
) -> None:
    path = tmp_path / "more.csv"

    def refused(match: str, data: object = new, **options: object) -> None:
        with pytest.raises(UsageError, match=match):
            i2pmae.predict(classifier, data, **{"as_manifest": path, "shown": False} | options)
        assert not path.exists() or path.read_text() == "path,label\n"

    refused(r"No prediction has a probability of at least 0\.99 \(the largest is 0\.950\): lower", confidence=0.99)
    refused("above 0 and at most 1, got 1.5", confidence=1.5)
    refused(r"written as \.csv or \.parquet, not '\.json'", as_manifest=tmp_path / "a.json")
    refused("Labelled clouds go into a manifest", as_manifest=None, labelled=scans)
    archive = tmp_path / "set.npz"
    np.savez(archive, points=np.random.default_rng(0).normal(size=(4, 64, 3)).astype(np.float32))
    refused("is no file of its own: use a folder of files", data=archive)
    refused("give the folder or manifest", data=i2pmae.open_clouds(archive, points=64))
    path.write_text("path,label\n")
    refused("is what is read: write the manifest to another file", labelled=path)
    segmenter = CloudSegmenter(*make_model("i2p-mae segmentation"), "cpu")
    with pytest.raises(UsageError, match="which a part segmenter does not give"):
        i2pmae.predict(segmenter, new, as_manifest=path, category="chair", shown=False)


def test_the_command_says_what_it_wrote(
    new: Path,
    tmp_path: Path,
    classifier: CloudClassifier,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("i2pmae.commands.predict.load_predictor", lambda *_: classifier)
    line = ["predict", "run", str(new), "--as-manifest", str(tmp_path / "more.parquet"), "--confidence", "0.5"]
    assert main(line) == 0
    printed = capfd.readouterr()
    assert printed.out == "" and "3 of 7 clouds with a confident label: 3 plate" in printed.err
    assert len(opened(tmp_path / "more.parquet")) == 3
