"""Models of the hub, from a server on this machine that answers as the hub does."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from i2pmae.common.errors import TeacherError
from i2pmae.teachers.loading import load_teacher

COMMIT = "0123456789" * 4


class FakeHub(BaseHTTPRequestHandler):
    """``someone/vit`` can be had, ``someone/gated`` needs consent, ``someone/empty`` has no weights."""

    folder: Path
    asked: list[str]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path = self.path.split("?")[0]
        self.asked.append(path)
        files = ["config.json"] if "/empty" in path else sorted(file.name for file in self.folder.iterdir())
        if "/gated" in path:
            return self.reply(403, b"", {"X-Error-Code": "GatedRepo"})
        if "/vit" not in path and "/empty" not in path:
            return self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})
        if path.startswith("/api/models/someone/") and "/tree/" in path:
            listing = [{"type": "file", "path": name, "size": 1, "oid": "a"} for name in files]
            return self.reply(200, json.dumps(listing).encode(), {"Content-Type": "application/json"})
        if path.startswith("/api/models/someone/"):
            about = {"id": "someone/vit", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            return self.reply(200, json.dumps(about).encode(), {"Content-Type": "application/json"})
        content = (self.folder / path.rsplit("/", 1)[1]).read_bytes()
        return self.reply(200, content, {"ETag": f'"{hash(content):x}"', "X-Repo-Commit": COMMIT})

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def hub(
    monkeypatch: pytest.MonkeyPatch, model_folder: Callable[[str], Path], empty_cache: Path
) -> Iterator[type[FakeHub]]:
    from huggingface_hub import constants, file_download

    handler = type("Hub", (FakeHub,), {"folder": model_folder("vit"), "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    for module in (constants, file_download):
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    yield handler
    server.shutdown()
    server.server_close()


def test_a_model_is_downloaded_once(
    hub: type[FakeHub], model_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
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
def test_what_the_hub_refuses(hub: type[FakeHub], name: str, said: str) -> None:
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
