"""Models of the hub, from a server on this machine that answers as the hub does."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from i2pmae.common.errors import TeacherError
from i2pmae.teachers.loading import load_teacher
from tests.hub import StandIn, offline, served


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    return offline(monkeypatch, tmp_path / "cache")


@pytest.fixture
def hub(
    monkeypatch: pytest.MonkeyPatch, model_folder: Callable[[str], Path], empty_cache: Path
) -> Iterator[type[StandIn]]:
    """``someone/vit`` can be had, ``someone/gated`` needs consent, ``someone/empty`` has no weights."""
    vit = {file.name: file.read_bytes() for file in model_folder("vit").iterdir()}
    with served(monkeypatch, {"someone/vit": vit, "someone/empty": {"config.json": vit["config.json"]}}) as handler:
        handler.gated.add("someone/gated")
        yield handler


def test_a_model_is_downloaded_once(
    hub: type[StandIn], model_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    first = load_teacher("someone/vit", precision="fp32")
    assert first.fingerprint() == load_teacher(model_folder("vit"), precision="fp32").fingerprint()
    asked = len(hub.asked)
    assert load_teacher("someone/vit", precision="fp32").fingerprint() == first.fingerprint()
    assert len(hub.asked) == asked, "a cached model needs no network"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_teacher("someone/vit", precision="fp32").name == "someone/vit"


@pytest.mark.parametrize(
    ("name", "said"),
    [("someone/gated", "accept"), ("someone/nothing", "has no model"), ("someone/empty", "neither safetensors nor")],
)
def test_what_the_hub_refuses(hub: type[StandIn], name: str, said: str) -> None:
    with pytest.raises(TeacherError, match=said):
        load_teacher(name)


def test_a_model_that_is_neither_here_nor_reachable(monkeypatch: pytest.MonkeyPatch, empty_cache: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(TeacherError, match=r"(?s)hf download openai/clip-vit-base-patch16.*embedded") as caught:
        load_teacher("clip-vit-b16")
    assert "HF_HUB_OFFLINE" in str(caught.value)


@pytest.mark.parametrize("listening", [False, True], ids=["refused", "silent"])
def test_a_hub_that_does_not_answer_is_given_up_soon(
    monkeypatch: pytest.MonkeyPatch, empty_cache: Path, listening: bool
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr("i2pmae.teachers.hub._REACH_SECONDS", 0.5)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listening:
            server.listen()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setattr("i2pmae.teachers.hub._download", lambda name: pytest.fail(f"{name} was asked for again"))
        with pytest.raises(TeacherError, match="can't be reached"):
            load_teacher("someone/something")
