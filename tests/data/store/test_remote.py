"""Sets on another machine: fetched as they are used, checked on arrival, retried, explained, and within bounds."""

import http.server
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry

from i2pmae.common.errors import DataError, I2PError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.config import DataConfig
from i2pmae.data.open.check import check_source
from i2pmae.data.open.prepared import prepare
from i2pmae.data.open.source import open_clouds, request_for
from i2pmae.data.order import far_shards
from i2pmae.data.sources.named import files_axis, plan_source
from i2pmae.data.store import remote as remote_module
from i2pmae.data.store.cache import clear_caches, list_caches
from i2pmae.data.store.remote import is_remote
from i2pmae.training.batches import BatchPlan, StepBatches, step_loader
from tests.data import layouts

SHARD = 8


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder, as badly as it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.broken: dict[str, int] = {}
        """How often a file still arrives cut short."""
        self.changed: dict[str, bytes] = {}
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/sets/out"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        path = self.server.folder / name
        if self.path != f"/sets/out/{name}" or not path.is_file():
            self.send_error(404)
            return
        content = self.server.changed.get(name, path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.server.asked.append(name)
        if self.server.broken.get(name, 0):
            self.server.broken[name] -= 1
            content = content[: len(content) // 2]
            self.close_connection = True
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CloudSet:
    """A prepared folder of eleven shards."""
    monkeypatch.setattr("i2pmae.data.store.appending.MOST_IN_SHARD", SHARD)
    monkeypatch.setenv("I2PMAE_CACHE", str(tmp_path / "cache"))
    points = layouts.clouds(84, points=30)
    parts = np.stack([layouts.part_of(one, 3) for one in points])
    labels = np.arange(84) % 3
    np.savez(tmp_path / "raw.npz", points=points, labels=labels, split=["train", "test"] * 42, part_labels=parts)
    plan = plan_source(tmp_path / "raw.npz")
    return prepare(plan, tmp_path / "out", request_for(DataConfig(points=30)), workers=0, shown=False)


@pytest.fixture
def server(local: CloudSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(remote_module, "PAUSES", (0, 0, 0))
    serving = Server(tmp_path / "out")
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield serving
    serving.shutdown()
    serving.server_close()
    thread.join()


def read(address: str, points: int = 30, **options: Any) -> CloudSet:
    return open_clouds(address, points=points, workers=0, shown=False, **options)


def shards(asked: list[str], kind: str = "points") -> list[str]:
    return [name for name in asked if name.startswith(kind)]


def same(one: CloudSet, other: CloudSet) -> None:
    np.testing.assert_array_equal(one.points, other.points)
    np.testing.assert_array_equal(one.part_labels, other.part_labels)
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.splits, other.splits)
    assert (list(one.ids), one.classes, one.parts) == (list(other.ids), other.classes, other.parts)
    assert one.digest() == other.digest()


def test_what_is_an_address() -> None:
    for text in ("https://a/b", "s3://b/c", "hf://datasets/me/set", "memory://x"):
        assert is_remote(text)
    for text in ("shapes", "modelnet40=~/x", "C:\\scans", "a/b://c", "./x"):
        assert not is_remote(text)


@pytest.mark.parametrize("ending", ["", "/", "/set.json"])
def test_a_set_on_a_server_is_the_set(ending: str, server: Server, local: CloudSet, tmp_path: Path) -> None:
    opened = read(server.address + ending)
    assert shards(server.asked) == [], "opening fetches the index alone"
    assert opened.points[3].shape == (30, 3)
    same(opened, local)
    assert sorted(set(server.asked)) == sorted(server.asked), "each file is fetched once"
    same(read(server.address), local)
    assert server.asked.count("set.json") == 2 and len(shards(server.asked)) == 11
    assert files_axis(server.address, None, "z") == (None, "")
    (entry,) = list_caches()
    assert entry.kind == "clouds" and clear_caches() == [entry]
    with pytest.raises(UsageError, match="leave --up z out"):
        read(server.address, up="z")


def test_other_numbers_of_points_limits_and_checks(server: Server, local: CloudSet, tmp_path: Path) -> None:
    assert len(read(server.address, clouds=10)) == 10
    np.testing.assert_array_equal(read(server.address, 20).points, read(str(tmp_path / "out"), 20).points)
    report = check_source(server.address, shown=False)
    assert report.whole and report.clouds == 84
    plan = plan_source(server.address)
    made = prepare(plan, tmp_path / "copy", request_for(DataConfig(points=30)), workers=0, shown=False)
    np.testing.assert_allclose(made.points, local.points, atol=1e-4)


def test_memory_and_forked_readers(local: CloudSet, tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    for item in (tmp_path / "out").iterdir():
        system.pipe(f"/sets/out/{item.name}", item.read_bytes())
    try:
        opened = read("memory://sets/out")
        same(opened, local)
        copied = pickle.loads(pickle.dumps(opened.subset([80, 2])))
        np.testing.assert_array_equal(copied.points, local.points[[80, 2]])
    finally:
        system.rm("/sets", recursive=True)


class Bucket(MemoryFileSystem):
    """What stands in for a store of objects: its files are in memory, and one of them may not be read."""

    closed = ""

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.partition("://")[2].strip("/") if "://" in path else super()._strip_protocol(path)

    def get_file(self, rpath: str, lpath: str, **options: Any) -> None:
        if self.closed and rpath.endswith(self.closed):
            raise PermissionError("Forbidden")
        super().get_file(rpath, lpath, **options)


@pytest.mark.parametrize("address", ["s3://bucket/sets/out", "gs://bucket/sets/out", "hf://datasets/me/sets/out"])
def test_each_kind_of_store_is_asked_in_the_same_way(
    address: str, local: CloudSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, _, place = address.partition("://")
    own = type(f"{kind}Bucket", (Bucket,), {"protocol": kind, "store": {}, "pseudo_dirs": [""]})
    monkeypatch.setitem(_registry, kind, own)
    for item in (tmp_path / "out").iterdir():
        own().pipe(f"/{place}/{item.name}", item.read_bytes())
    same(read(address), local)
    monkeypatch.setattr(own, "closed", "set.json")
    with pytest.raises(DataError, match=f"Cannot fetch set.json from {kind}://.*PermissionError: Forbidden"):
        read(address)


def test_a_broken_connection_is_tried_again_then_explained(server: Server, local: CloudSet) -> None:
    name = "points-000-00010.npy"
    server.broken = {name: 2, "index.parquet": 1, "set.json": 3}
    opened = read(server.address)
    np.testing.assert_array_equal(opened.points[83], local.points[83])
    assert (server.asked.count(name), server.asked.count("index.parquet"), server.asked.count("set.json")) == (3, 2, 4)
    server.broken = {"points-000-00009.npy": 99}
    with pytest.raises(DataError, match=r"Cannot fetch points-000-00009.npy from http://.*tried 4 times.*run again"):
        opened.points[79]
    server.broken = {}
    np.testing.assert_array_equal(opened.points[79], local.points[79])


def test_what_arrives_is_compared_with_its_checksum(server: Server, local: CloudSet, tmp_path: Path) -> None:
    name = "points-000-00010.npy"
    content = (tmp_path / "out" / name).read_bytes()
    server.changed = {name: content[:-1] + bytes([content[-1] ^ 1])}
    opened = read(server.address)
    with pytest.raises(DataError, match=f"{name} from .* has another content than set.json there says"):
        opened.points[83]
    assert server.asked.count(name) == 2
    server.changed = {name: content + bytes(10_000)}
    with pytest.raises(DataError, match="sends more than"):
        opened.points[83]
    assert not list(opened.points.places.folder.glob(f"*{name}*")), "nothing is left of it"
    server.changed = {"index.parquet": b"x" * (tmp_path / "out" / "index.parquet").stat().st_size}
    with pytest.raises(DataError, match=r"index.parquet from .* has another content"):
        read(server.address, cache=tmp_path / "other")


def test_addresses_that_lead_nowhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"Cannot fetch set.json from http.*: there is no such file"):
        read(server.address + "/other")
    with pytest.raises(DataError, match="tried 4 times"):
        read("http://127.0.0.1:9/nothing")
    with pytest.raises(UsageError, match="nonsense://x cannot be read"):
        read("nonsense://x")
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(UsageError, match=r"needs one more package: pip install 'i2pmae\[s3\]'"):
        read("s3://bucket/set")
    server.changed = {"set.json": b"{"}
    with pytest.raises(DataError, match=r"is damaged: set.json is damaged"):
        read(server.address)
    facts = {**json.loads((server.folder / "set.json").read_text()), "files": {"../x": {"bytes": 1, "blake2b": ""}}}
    server.changed = {"set.json": json.dumps(facts).encode()}
    with pytest.raises(DataError, match="files missing or of another form"):
        read(server.address)


def test_fetched_shards_stay_within_bounds(
    server: Server, local: CloudSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = (tmp_path / "out" / "points-000-00000.npy").stat().st_size
    monkeypatch.setenv("I2PMAE_REMOTE_GB", str(4.5 * size / 1e9))
    monkeypatch.setattr(remote_module, "AHEAD", 2)
    opened = read(server.address)
    folder, most = opened.points.places.folder, 0
    for row in range(84):
        np.testing.assert_array_equal(opened.points[row], local.points[row])
        most = max(most, len(list(folder.glob("*.npy"))))
    assert 3 <= most <= 6, "what is used, what comes, and as many as fit"
    np.testing.assert_array_equal(opened.points[0], local.points[0])
    for text in ("many", "0", "nan"):
        monkeypatch.setenv("I2PMAE_REMOTE_GB", text)
        with pytest.raises(UsageError, match=f"I2PMAE_REMOTE_GB={text}"):
            read(server.address)


def test_a_full_disk(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = read(server.address)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(remote_module.Source, "_get", full)
    with pytest.raises(I2PError, match="No space left on device"):
        opened.points[0]


def test_steps_see_the_order_that_is_fetched(server: Server, local: CloudSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_module, "AHEAD", 2)
    opened = read(server.address)
    assert far_shards(local) is None and far_shards(local.split("train")) is None
    part = opened.split("train")
    np.testing.assert_array_equal(far_shards(part), np.arange(84)[::2] // SHARD)
    plan = BatchPlan(len(part), 6, 1, 2, seed=3, shards=far_shards(part))
    batches = StepBatches(part, plan)
    for step in (3, 4, 9):
        rows = plan.rows(step, plan.order(step // 7))[0]
        np.testing.assert_array_equal(batches[step][0]["points"].numpy(), local.split("train").points[rows])
    coming = [f"points-000-{shard:05d}.npy" for shard in dict.fromkeys((np.arange(84)[::2] // SHARD)[plan.order(0)])]
    assert opened.points.places.order["points"] != sorted(coming)


def test_processes_that_load_batches_fetch_too(server: Server, local: CloudSet) -> None:
    """They are forked from one that has fetched already, whose threads and connections they don't have."""
    opened = read(server.address)
    assert opened.points[83].shape == (30, 3)
    plan = BatchPlan(84, 8, 1, 1, seed=0, shards=far_shards(opened))
    for step, (batch,) in enumerate(step_loader(opened, plan, 0, 2, pin=False)):
        np.testing.assert_array_equal(batch["points"].numpy(), local.points[plan.rows(step, plan.order(0))[0]])
        np.testing.assert_array_equal(batch["part_label"].numpy(), local.part_labels[batch["index"].numpy()])
    assert sorted(set(server.asked)) == sorted(server.asked), "no shard is fetched twice"
    server.broken = {"points-000-00003.npy": 99}
    for path in opened.points.places.folder.glob("points-*.npy"):
        path.unlink()
    with pytest.raises(DataError, match=r"^Cannot fetch points-000-00003.npy from http://"):
        list(step_loader(opened, plan, 0, 1, pin=False))
