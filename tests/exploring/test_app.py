"""The page over HTTP: what it gives, whom it refuses, and that it never leaves its shapes."""

import base64
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2pmae.exploring.looks import Looks
from i2pmae.exploring.shapes import Shapes
from tests.exploring.conftest import WILD

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from i2pmae.exploring.app import ServedLimits, make_app
from tests.servers import running

Ask = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def place(shapes: Shapes, looks: Looks) -> Iterator[socket.socket]:
    with running(make_app(shapes, looks, up="y", limits=ServedLimits(5000, 20.0))) as place:
        yield place


@pytest.fixture(scope="module")
def ask(place: socket.socket) -> Ask:
    def asked(path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(*place.getsockname(), timeout=60)
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        usual = {"Content-Type": "application/json"} if isinstance(body, dict) else {}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", path, content, usual | named)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if answer.getheader("Content-Type") == "application/json" else text

    return asked


def test_the_page_carries_names_as_text_alone(ask: Ask) -> None:
    status, page = ask("/")
    assert status == 200
    assert "<h1>my &lt;i&gt;scans</h1>" in page and "<i>scans" not in page and WILD not in page
    assert "connect-src 'self'" in page and "script-src 'sha256-" in page and "'unsafe-inline'; script" in page
    status, about = ask("/api/set")
    assert about["ids"][0] == WILD and about["classes"] == ["<b>ball", "plate", "stick"] and len(about["labels"]) == 36
    assert about["kinds"] == {"features": "Features", "saliency": "Saliency"} and about["parts"]
    assert len(base64.b64decode(about["map"])) == 36 * 4


def test_shapes_are_given_by_number(ask: Ask, shapes: Shapes) -> None:
    status, shape = ask("/api/shape/3")
    places = np.frombuffer(base64.b64decode(shape["places"]), "<i2").reshape(-1, 3) * 2 / 32767
    np.testing.assert_allclose(places, shapes.points(3), atol=1e-4)
    assert len(base64.b64decode(shape["centres"])) == 4 * 6
    status, look = ask("/api/look/3/features")
    assert status == 200 and "places" not in look and len(base64.b64decode(look["colours"])) == 4 * len(places)
    status, alike = ask("/api/like/3?top=5")
    assert alike["rows"] == shapes.like(3, 5).rows.tolist()
    status, part = ask("/api/part/3?top=2", {"places": [places[0].tolist()]})
    assert status == 200 and len(part["rows"]) == len(part["regions"]) == len(part["places"]) == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/api/shape/99", None, 422, "no shape 99"),
        ("/api/shape/-1", None, 422, "number"),
        ("/api/shape/..%2f..%2fetc%2fpasswd", None, 404, "Not Found"),
        ("/../../etc/passwd", None, 404, "Not Found"),
        ("/static/..%2f..%2fetc/passwd", None, 404, "Not Found"),
        ("/openapi.json", None, 404, "Not Found"),
        ("/api/look/3/truth", None, 422, "no truth here"),
        ("/api/like/3?top=1000", None, 422, "top"),
        ("/api/part/3", {"places": []}, 422, "1 to 16 places"),
        ("/api/part/3", {"places": [[1, 2]]}, 422, "three coordinates"),
        ("/api/part/3", {"places": "all"}, 422, "places"),
        ("/api/part/3", b"{", 422, ""),
        ("/api/part/3", {"places": [[1e39, 0, 0]]}, 422, "are numbers"),
        ("/api/drop?name=a.off", b"OFF", 422, "a.off cannot be used"),
        ("/api/drop", b"OFF", 422, "name"),
        ("/api/drop?name=a.off", b" " * 5001, 413, "5000 bytes"),
    ],
)
def test_what_cannot_be_answered_says_why(ask: Ask, path: str, body: Any, status: int, said: str) -> None:
    got, answer = ask(path, body)
    assert got == status, answer
    assert said in answer["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Host": "localhost@evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_pages_and_names_of_others_are_refused(ask: Ask, headers: dict[str, str]) -> None:
    for path, body in (("/", None), ("/api/set", None), ("/api/drop?name=a.off", b"OFF")):
        status, answer = ask(path, body, **headers)
        assert status == 403 and answer["detail"].startswith("Only")


def test_own_pages_are_answered(ask: Ask, place: socket.socket) -> None:
    port = place.getsockname()[1]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost:9000"):
        assert ask("/api/like/0", None, Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin")[0] == 200
    assert ask("/", None, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200, "a link leads here"


def test_answers_are_for_own_pages_alone(place: socket.socket) -> None:
    connection = http.client.HTTPConnection(*place.getsockname(), timeout=60)
    connection.request("GET", "/api/set")
    headers = dict(connection.getresponse().getheaders())
    connection.close()
    assert headers["cross-origin-resource-policy"] == "same-origin" and headers["x-frame-options"] == "DENY"
    assert "access-control-allow-origin" not in headers


def test_a_dropped_file_is_embedded(ask: Ask, mesh: Path) -> None:
    status, made = ask("/api/drop?name=..%2Fpyramid%20%3Ci%3E.off", mesh.read_bytes())
    assert status == 200 and made["name"] == "pyramid <i>.off" and made["number"] >= 36
    assert ask(f"/api/shape/{made['number']}")[0] == 200
    assert len(ask(f"/api/like/{made['number']}?top=3")[1]["rows"]) == 3
