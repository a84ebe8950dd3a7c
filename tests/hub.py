"""A server on this machine that answers as the Hugging Face hub does, as far as models are read and written."""

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

Files = dict[str, bytes]


class StandIn(BaseHTTPRequestHandler):
    """Repositories are files by name; ``gated`` ones need consent, ``denied`` ones can't be written to."""

    repositories: dict[str, Files]
    gated: set[str]
    denied: set[str]
    asked: list[str]
    messages: list[str]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.read()

    def do_GET(self) -> None:
        self.read()

    def do_POST(self) -> None:
        path = self.path.split("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append(path)
        if path == "/api/validate-yaml":
            return self.json({"errors": [], "warnings": []})
        if "Authorization" not in self.headers:
            return self.reply(401, b"", {"X-Error-Message": "Invalid username or password."})
        if path == "/api/repos/create":
            about = json.loads(body)
            name = "/".join(filter(None, (about.get("organization"), about["name"])))
            if name in self.denied:
                return self.reply(403, b"", {"X-Error-Message": "You don't have the rights to create a model there"})
            self.repositories.setdefault(name, {})
            return self.json({"url": f"http://{self.headers['Host']}/{name}"})
        name, _, action = path.removeprefix("/api/models/").rpartition("/main")[0].rpartition("/")
        if action == "preupload":
            wanted = json.loads(body)["files"]
            return self.json(
                {"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in wanted]}
            )
        assert action == "commit", path
        for line in map(json.loads, body.decode().splitlines()):
            if line["key"] == "header":
                self.messages.append(line["value"]["summary"])
            else:
                assert (line["key"], line["value"]["encoding"]) == ("file", "base64")
                self.repositories[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        return self.json(
            {
                "success": True,
                "commitOid": self.commit(name),
                "commitUrl": f"http://{self.headers['Host']}/{name}/commit/1",
            }
        )

    def read(self) -> None:
        path = self.path.split("?")[0]
        self.asked.append(path)
        parts = path.removeprefix("/api/models").strip("/").split("/")
        name = "/".join(parts[:2])
        if path == "/api/models":
            return self.json([])
        if name in self.gated:
            return self.reply(403, b"", {"X-Error-Code": "GatedRepo"})
        if name not in self.repositories:
            return self.reply(404, b"", {"X-Error-Code": "RepoNotFound"})
        files, commit = self.repositories[name], self.commit(name)
        revision = parts[3] if len(parts) > 3 else "main"
        if revision not in ("main", commit):
            return self.reply(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if "tree" in parts:
            return self.json([{"type": "file", "path": file, "size": len(files[file]), "oid": "a"} for file in files])
        if path.startswith("/api/models/"):
            return self.json({"id": name, "sha": commit, "siblings": [{"rfilename": file} for file in files]})
        file = "/".join(parts[4:])
        if file not in files:
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"})
        etag = hashlib.sha256(files[file]).hexdigest()
        return self.reply(200, files[file], {"ETag": f'"{etag}"', "X-Repo-Commit": commit})

    def commit(self, name: str) -> str:
        content = sorted((file, hashlib.sha256(data).hexdigest()) for file, data in self.repositories[name].items())
        return hashlib.sha1(repr(content).encode()).hexdigest()

    def json(self, content: object) -> None:
        self.reply(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def reply(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def offline(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Path:
    """An empty cache of the hub's client, which believes to be connected."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HF_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "no-token"))
    return cache


@contextlib.contextmanager
def served(monkeypatch: pytest.MonkeyPatch, repositories: dict[str, Files]) -> Iterator[type[StandIn]]:
    """The server, which the hub's client takes for the hub."""
    from huggingface_hub import constants, file_download

    state = {"repositories": repositories, "gated": set(), "denied": set(), "asked": [], "messages": []}
    handler = type("Hub", (StandIn,), state)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    for module in (constants, file_download):
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    try:
        yield handler
    finally:
        server.shutdown()
        server.server_close()
