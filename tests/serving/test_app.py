"""A model over HTTP, on a port of this machine: what it answers, what it refuses, what it computes together."""

import concurrent.futures
import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import i2pmae
from i2pmae.common.errors import UsageError
from i2pmae.weights.applied import Predictor
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.store import load_model
from tests.servers import running
from tests.weights.small_models import POINTS, save_model

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from i2pmae.serving.app import make_app
from i2pmae.serving.bodies import JSON, NUMPY, Limits

LIMITS = Limits(200_000, 4, 500, 20.0)
Ask = Callable[..., tuple[int, Any]]


class Served:
    """A server in a thread."""

    def __init__(self, folder: Path, limits: Limits = LIMITS, waiting: int = 64, batch: int = 8) -> None:
        model, record = load_model(folder)
        self.encoder = Encoder(model, record, "cpu")
        self.predictor: Predictor | None = (
            None if record.kind.applied is None else record.kind.applied(model, record, "cpu")
        )
        app = make_app(self.encoder, self.predictor, limits, batch=batch, waiting=waiting)
        self._running = running(app)

    def __enter__(self) -> "Served":
        self.place = self._running.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.__exit__(None, None, None)

    def ask(self, path: str, body: Any = None, kind: str = JSON, method: str = "POST") -> tuple[int, Any]:
        """Status and answer; a body that is no bytes is sent as JSON."""
        connection = http.client.HTTPConnection(*self.place.getsockname(), timeout=60)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, content, {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text)


def saved(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("models")
    kinds = {"encoder": "i2p-mae encoder", "classifier": "i2p-mae classification", "segmenter": "i2p-mae segmentation"}
    return {name: save_model(place / name, kind) for name, kind in kinds.items()}


@pytest.fixture(scope="module")
def encoder(folders: dict[str, Path]) -> Iterator[Served]:
    with Served(folders["encoder"]) as served:
        yield served


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, POINTS, 3)).astype(np.float32)


def test_clouds_are_embedded(encoder: Served, points: np.ndarray) -> None:
    expected = encoder.encoder.embed(points)
    for body, kind in (({"points": points.tolist()}, JSON), (saved(points), NUMPY)):
        status, answer = encoder.ask("/embed", body, kind)
        assert status == 200
        np.testing.assert_allclose(answer["embedding"], expected, atol=1e-4)
    status, answer = encoder.ask("/embed", {"points": points[0].tolist(), "up": "z"})
    np.testing.assert_allclose(answer["embedding"], encoder.encoder.embed(points[0], up="z"), atol=1e-4)
    status, answer = encoder.ask("/embed?up=z", saved(points[0]), NUMPY)
    np.testing.assert_allclose(answer["embedding"], encoder.encoder.embed(points[0], up="z"), atol=1e-4)
    status, answer = encoder.ask("/embed", {"points": [points[0, :20].tolist(), points[1].tolist()]})
    assert status == 200 and len(answer["embedding"]) == 2, "of different sizes, one filled up"


def test_classes_and_parts_are_named(folders: dict[str, Path], points: np.ndarray) -> None:
    with Served(folders["classifier"]) as served:
        expected: Any = served.predictor.predict(points)  # type: ignore[union-attr]
        status, answer = served.ask("/classify", {"points": points.tolist()})
        assert (status, answer["label"]) == (200, expected.labels)
        found = [list(row.values()) for row in answer["probabilities"]]
        np.testing.assert_allclose(found, expected.probabilities, atol=1e-4)
        assert served.ask("/embed", {"points": points.tolist()})[0] == 200
        assert served.ask("/segment", {"points": points.tolist()})[0] == 404
        assert served.ask("/info", method="GET")[1]["classes"] == ["stick", "plate", "ball"]
    with Served(folders["segmenter"]) as served:
        expected = served.predictor.predict(points[0], category="chair")  # type: ignore[union-attr]
        status, answer = served.ask("/segment", {"points": points[0].tolist(), "category": "chair"})
        assert status == 200 and answer["parts"] == ["leg", "seat", "wing"]
        assert answer["part"] == expected.labels.tolist()
        for category, said in ((None, "say what the clouds show"), ("chiar", "chair")):
            status, answer = served.ask("/segment", {"points": points[0].tolist(), "category": category})
            assert status == 422 and said in answer["detail"]


def test_it_describes_itself(encoder: Served) -> None:
    status, answer = encoder.ask("/openapi.json", method="GET")
    assert status == 200 and set(answer["paths"]) == {"/embed", "/info", "/health"}
    assert set(answer["paths"]["/embed"]["post"]["requestBody"]["content"]) == {JSON, NUMPY}
    assert {"400", "413", "415", "422", "503"} - {"400"} <= set(answer["paths"]["/embed"]["post"]["responses"])
    status, answer = encoder.ask("/info", method="GET")
    assert answer["channels"] == encoder.encoder.embedding_dim and answer["limits"]["points"] == 500
    assert encoder.ask("/health", method="GET")[1]["status"] == "ok"


CLOUD = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"", JSON, 422, "damaged or not JSON"),
        (b"{", JSON, 422, "damaged or not JSON"),
        (b"\xff\xfe", JSON, 422, "not UTF-8"),
        (b"[" * 5_000, JSON, 422, "nested too deeply"),
        (b"[1, 2]", JSON, 422, "JSON object"),
        ({"clouds": CLOUD}, JSON, 422, "JSON object with"),
        ({"points": []}, JSON, 422, "at least one"),
        ({"points": "all"}, JSON, 422, "a list of"),
        ({"points": [[0, 1], [0]]}, JSON, 422, "three numbers each"),
        ({"points": [[0, 1], [2, 3], [4, 5]]}, JSON, 422, "3 coordinates"),
        ({"points": [["a", "b", "c"]]}, JSON, 422, "three numbers each"),
        ({"points": [[None, 1, 2]]}, JSON, 422, "NaN|three numbers"),
        (b'{"points": [[NaN, 1, 2], [0, 1, 2], [3, 4, 5]]}', JSON, 422, "NaN is no number"),
        ({"points": [[1e999, 1, 2]]}, JSON, 422, "no number"),
        ({"points": [[10**400, 1, 2], [0, 1, 2]]}, JSON, 422, "three numbers each"),
        ({"points": [CLOUD[0]] * 5}, JSON, 422, "no shape"),
        ({"points": [CLOUD, []]}, JSON, 422, "coordinates"),
        ({"points": CLOUD, "up": "w"}, JSON, 422, "Unknown up axis"),
        ({"points": CLOUD, "up": ["z"]}, JSON, 422, "Unknown up axis"),
        ({"points": CLOUD, "upp": "z"}, JSON, 422, "Unknown fields: upp"),
        ({"points": CLOUD, "category": "chair"}, JSON, 422, "leave it out"),
        ({"points": CLOUD, "category": 3}, JSON, 422, "name of one"),
        ({"points": [CLOUD] * 5}, JSON, 413, "4 clouds, not 5"),
        ({"points": [[float(i), 0, i % 7] for i in range(501)]}, JSON, 413, "500 points, not 501"),
        (b" " * 200_001, JSON, 413, "200000 bytes"),
        (b"abc", NUMPY, 422, "no .npy file"),
        (saved(np.zeros(5, dtype=object)), NUMPY, 422, "no .npy file"),
        (saved(np.zeros(5, dtype=np.float32)), NUMPY, 422, "Expected points of shape"),
        (saved(np.zeros((4, 2), dtype=np.float32)), NUMPY, 422, "3 coordinates"),
        (saved(np.zeros((4, 3), dtype=complex)), NUMPY, 422, "floating-point"),
        (b"v 0 0 0", "text/plain", 415, "not 'text/plain'"),
    ],
)
def test_bad_bodies_are_refused_in_words(encoder: Served, body: Any, kind: str, status: int, said: str) -> None:
    got, answer = encoder.ask("/embed", body, kind)
    assert got == status, answer
    assert any(part in answer["detail"] for part in said.split("|")), answer
    assert encoder.ask("/health", method="GET")[0] == 200


def test_bodies_without_a_length_are_measured_too(encoder: Served) -> None:
    connection = http.client.HTTPConnection(*encoder.place.getsockname(), timeout=60)
    connection.request("POST", "/embed", iter([b" " * 150_000] * 2), {"Content-Type": JSON}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_wrong_methods_and_paths(encoder: Served) -> None:
    assert encoder.ask("/embed", method="GET")[0] == 405
    assert encoder.ask("/../etc/passwd", method="GET")[0] == 404


def test_concurrent_requests_are_computed_together(folders: dict[str, Path], points: np.ndarray, monkeypatch) -> None:
    with Served(folders["encoder"]) as served:
        expected = served.encoder.embed(points)
        first, embed, release = threading.Event(), served.encoder.embed, threading.Event()
        sizes: list[int] = []

        def slow(clouds: Any, **options: Any) -> Any:
            sizes.append(len(clouds))
            first.set()
            assert release.wait(30)
            return embed(clouds, **options)

        monkeypatch.setattr(served.encoder, "embed", slow)
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            asked = [pool.submit(served.ask, "/embed", {"points": points[0].tolist()})]
            assert first.wait(30)
            asked += [pool.submit(served.ask, "/embed", {"points": points[i % 3].tolist()}) for i in range(10)]
            while served.ask("/health", method="GET")[1]["waiting"] < 10:
                time.sleep(0.01)
            release.set()
            answers = [each.result() for each in asked]
        assert sizes == [1, 8, 2], "what came while it was busy, eight at a time"
        for row, (status, answer) in zip([0, *(i % 3 for i in range(10))], answers, strict=True):
            assert status == 200
            np.testing.assert_allclose(answer["embedding"], expected[row], atol=1e-4)


def test_a_server_that_is_busy_says_so(folders: dict[str, Path], points: np.ndarray, monkeypatch) -> None:
    with Served(folders["encoder"], Limits(200_000, 4, 500, 1.0), waiting=2) as served:
        release, begun = threading.Event(), threading.Event()

        def stuck(clouds: Any, **_: Any) -> Any:
            begun.set()
            release.wait(30)
            return np.zeros((len(clouds), 3), np.float32)

        monkeypatch.setattr(served.encoder, "embed", stuck)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            waiting = pool.submit(served.ask, "/embed", {"points": points[0].tolist()})
            assert begun.wait(30)
            status, answer = served.ask("/embed", {"points": points.tolist()})
            assert (status, answer["detail"]) == (503, "Too many clouds are waiting: try again soon.")
            status, answer = waiting.result()
            assert status == 503 and "No answer within 1 seconds" in answer["detail"]
        release.set()


def test_what_fails_while_computing_is_a_500_and_the_server_goes_on(
    encoder: Served, points: np.ndarray, monkeypatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("of the depths")

    with monkeypatch.context() as patched:
        patched.setattr(encoder.encoder, "embed", fail)
        connection = http.client.HTTPConnection(*encoder.place.getsockname(), timeout=60)
        connection.request("POST", "/embed", json.dumps({"points": points[0].tolist()}), {"Content-Type": JSON})
        answer = connection.getresponse()
        assert answer.status == 500 and b"depths" not in answer.read()
        connection.close()
    assert encoder.ask("/embed", {"points": points[0].tolist()})[0] == 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"port": 70_000}, "from 0 to 65535"),
        ({"batch_size": 0}, "at least 1"),
        ({"timeout": 0}, "above 0"),
        ({"host": "256.0.0.1"}, "Cannot listen"),
    ],
)
def test_what_cannot_be_served_says_why(folders: dict[str, Path], options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        i2pmae.serve(folders["encoder"], device="cpu", shown=False, **options)


def test_a_busy_port_and_missing_packages_are_named(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match=r"Cannot listen at .*Choose another port, such as \d+, which is free"):
            i2pmae.serve(folders["encoder"], port=taken.getsockname()[1], device="cpu")
    monkeypatch.setattr("i2pmae.serving.listening.importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'i2pmae\[serve\]'"):
        i2pmae.serve(folders["encoder"])
    monkeypatch.undo()
