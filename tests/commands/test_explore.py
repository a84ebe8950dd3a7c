"""The command that explores: what it writes, what it serves, and what it refuses before it computes anything."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import i2pmae
from i2pmae.cli import main
from i2pmae.commands import explore as module
from i2pmae.common.errors import CheckpointError, UsageError
from i2pmae.exploring.shapes import Shapes

Weights = Callable[..., Path]


@pytest.fixture
def index(weights: Weights, scans: Path, tmp_path: Path) -> Path:
    made = i2pmae.index(weights(), scans, output=tmp_path / "index", regions=4, radius=0.5, device="cpu", shown=False)
    return Path(made.folder)


def test_a_page_is_written_from_an_index_and_from_a_folder(
    index: Path, weights: Weights, scans: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main(["explore", str(index), "--output", str(page), "--device", "cpu"]) == 0
    assert capfd.readouterr().out == f"Written: {page}\n"
    first = page.read_text()
    assert "ball/02.xyz" in first and 'id="kept"' in first
    line = ["explore", str(weights()), str(scans), "--output", str(page), "--count", "5", "--labels", "folder"]
    assert main([*line, "--device", "cpu"]) == 0
    assert "It has 5 of 24 shapes" in capfd.readouterr().err
    assert '"classes":["ball"' in page.read_text()


def test_a_page_is_served_on_this_machine(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uvicorn = pytest.importorskip("uvicorn")
    pytest.importorskip("fastapi")
    seen: list[Any] = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: seen.extend(s.getsockname() for s in sockets))
    monkeypatch.setattr(module.webbrowser, "open", seen.append)
    assert i2pmae.explore(index, port=0, device="cpu", shown=False) is None
    address, (host, port) = seen
    assert host == "127.0.0.1" and address == f"http://127.0.0.1:{port}"


def test_a_busy_port_is_said_before_anything_is_computed(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    monkeypatch.setattr(Shapes, "__init__", lambda *_: pytest.fail("nothing is to be computed"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match=r"Cannot listen at 127.0.0.1:.*such as \d+, which is free"):
            i2pmae.explore(index, port=taken.getsockname()[1], device="cpu")


def test_an_index_of_another_encoder_is_refused(index: Path, weights: Weights, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(UsageError, match="made with another encoder"):
        i2pmae.explore(index, weights("point-mae pretraining"), output=page, device="cpu", shown=False)
    assert page.read_text() == "mine"
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        i2pmae.explore(index, tmp_path / "nowhere", output=page, device="cpu", shown=False)


def test_an_index_of_before_is_named(index: Path, tmp_path: Path) -> None:
    record = index / "index.yaml"
    lines = [line for line in record.read_text().splitlines() if not line.startswith("shown:")]
    record.write_text("\n".join(lines))
    with pytest.raises(UsageError, match=r"earlier version, which kept no points.*make it again"):
        i2pmae.explore(index, output=tmp_path / "page.html", device="cpu", shown=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"output": "page.png"}, "written as .html"),
        ({"output": "page.html", "count": 1}, "at least 2 shapes"),
        ({"port": 70_000}, "from 0 to 65535"),
        ({"output": "page.html", "clouds": 3, "points": 64}, "leave clouds, points out"),
    ],
)
def test_wrong_calls_are_refused(index: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        i2pmae.explore(index, device="cpu", shown=False, **options)


def test_without_what_serves_a_file_is_offered(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2pmae.serving.listening.importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"i2pmae\[serve\].*--output PAGE.html"):
        i2pmae.explore(index)
