import csv
import io
from pathlib import Path

import pytest

from tests.cli.conftest import Call


def test_a_folder_is_indexed_and_searched(call: Call, weights: Path, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "files.index"
    status, out, err = call("index", weights, folder, "--output", output, "--regions", 3)
    assert status == 0, err
    assert out.startswith(f"{output}: 24 clouds, 24 channels, 3 regions each, ")
    query = folder / "ball" / "02.xyz"
    status, out, err = call("search", output, query, "--top", 4)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert status == 0 and [row["rank"] for row in rows] == ["1", "2", "3", "4"], err
    status, out, err = call("search", output, query, "--near", "-0.1", "0", "0.2", "--radius", "0.9", "--top", "2")
    assert status == 0 and next(csv.DictReader(io.StringIO(out))).keys() >= {"x", "y", "z"}, err
    status, out, err = call("search", output, "--duplicates", "--above", "0.999", "--output", tmp_path / "a.csv")
    assert status == 0 and out.endswith("pairs of near duplicates\n"), err
    assert call("search", "--index", output, "--query", "ball/02.xyz", "--top", "1")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("search", "nowhere", "x"), 1, "no index nowhere"),
        (("search", "nowhere"), 2, "Say which query"),
        (("search",), 2, "Say which index"),
        (("index", "{weights}", "{folder}"), 2, "--output"),
        (("index", "{weights}", "nowhere", "--output", "i"), 1, "no file or folder nowhere"),
        (("index", "{weights}", "{folder}", "--output", "{folder}"), 2, "is there already"),
    ],
)
def test_wrong_calls_have_their_status(
    call: Call, weights: Path, folder: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    got, out, err = call(*(argument.format(weights=weights, folder=folder) for argument in arguments))
    assert (got, out) == (status, "") and said in " ".join(err.split()), err
    assert "Traceback" not in err
