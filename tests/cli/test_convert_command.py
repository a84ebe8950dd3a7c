from pathlib import Path

import pytest
import torch

from i2pmae.commands.use import load_predictor
from tests.cli.conftest import Call
from tests.weights.published import published_plain
from tests.weights.small_models import make_model

SIZES = ("--group-counts", 8, "--group-sizes", 8, "--heads", 2, "--points", 64)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A Point-BERT classifier of three classes, as its authors would release it."""
    path = tmp_path / "best.pth"
    weights = published_plain(make_model("point-bert classification")[0])
    torch.save({"base_model": {f"module.{name}": value for name, value in weights.items()}, "epoch": 3}, path)
    return path


def test_the_summary_accounts_for_everything(call: Call, file: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("stick\n\nplate\nball\n")
    output = tmp_path / "weights"
    given = ("convert", file, "--from", "point-bert", "--output", output, "--classes", names, *SIZES)
    status, out, err = call(*given)
    assert status == 0, err
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert lines[0] == f"{output}: a classifier of point-bert"
    assert lines[1] == "settings as given: 64 points, 8 tokens of 8 neighbours, 2 heads that attend everywhere"
    assert lines[2].startswith("used ")
    assert load_predictor(output, "cpu").classes == ("stick", "plate", "ball")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("{file}", "--from", "point-bert"), 2, "--output"),
        (("{file}", "--output", "out"), 2, "--from"),
        (("{file}", "--from", "point-brt", "--output", "out"), 2, "point-bert"),
        (("{file}", "--from", "i2p-mae", "--output", "out"), 1, "use --from point-bert"),
        (("nowhere.pth", "--from", "point-mae", "--output", "out"), 1, "no file nowhere.pth"),
        (("{file}", "--from", "point-bert", "--output", "out"), 2, "--settings"),
        (("{file}", "--from", "point-bert", "--output", "out", "--classes", "nowhere.txt"), 2, "nor a readable text"),
        (("{file}", "--from", "point-bert", "--output", "out", "--heads", "0"), 2, "heads: must be"),
        (("{file}", "--from", "point-bert", "--output", "out", "--settings", "modelnet40", "--classes", "modelnet40"),
         2, "3 classes, but 40 names"),
    ],
)  # fmt: skip
def test_wrong_calls_and_failures_have_their_status(
    call: Call, file: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    got, out, err = call("convert", *(argument.format(file=file) for argument in arguments))
    assert (got, out) == (status, ""), err
    assert said in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
