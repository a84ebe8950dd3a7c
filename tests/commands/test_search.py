"""An index of clouds: what it finds, whose queries it takes, and what is said of damaged ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import i2pmae
from i2pmae.common.errors import CheckpointError, DataError, I2PError, UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.retrieval import index as indexing
from i2pmae.retrieval.index import Index

Weights = Callable[..., Path]


def made(run: Path, scans: Path, output: Path, **options: object) -> Index:
    found = i2pmae.index(run, scans, output=output, labels="folder", device="cpu", shown=False, **options)  # type: ignore[arg-type]
    assert isinstance(found, Index)
    return found


@pytest.fixture
def run(weights: Weights) -> Path:
    return weights()


@pytest.fixture
def index(run: Path, scans: Path, tmp_path: Path) -> Index:
    return made(run, scans, tmp_path / "scans.index", regions=4, radius=0.5)


def test_a_file_finds_itself_first(index: Index, run: Path, scans: Path) -> None:
    table = i2pmae.search(index.folder, scans / "ball" / "02.xyz", top=5, device="cpu", shown=False)
    assert table.column_names == ["query", "rank", "id", "similarity", "label"]
    assert table["rank"].to_pylist() == [1, 2, 3, 4, 5]
    clouds = i2pmae.open_clouds(scans, points=64, up="z", shown=False)
    vectors = i2pmae.load(run, "cpu").embed(clouds, max_points=None)
    own = list(clouds.ids).index("ball/02.xyz")
    cosine = vectors @ vectors[own] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[own])
    expected = np.argsort(-cosine, kind="stable")[:5]
    # All points of a file are read, in an order that follows from its name below the folder.
    assert set(table["id"].to_pylist()) == {clouds.ids[row] for row in expected}
    np.testing.assert_allclose(table["similarity"].to_numpy(), cosine[expected], atol=1e-3)
    assert all(
        name.startswith(label) for name, label in zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True)
    )


def test_a_cloud_of_the_index_is_named(index: Index) -> None:
    table = i2pmae.search(index, "ball/02.xyz", top=100)
    assert len(table) == 23 and "ball/02.xyz" not in table["id"].to_pylist()
    parts = i2pmae.search(index, "ball/02.xyz", near=(0, 0, 0), top=3)
    assert parts.column_names[-3:] == ["x", "y", "z"] and "ball/02.xyz" not in parts["id"].to_pylist()


def test_a_part_is_found_where_it_is(index: Index, run: Path, scans: Path) -> None:
    clouds = i2pmae.open_clouds(scans, points=64, up="z", shown=False)
    row = 7
    centre = np.asarray(index.centres[row, 2], dtype=np.float32)  # type: ignore[index]
    one = CloudSet(clouds.points[row : row + 1], [clouds.ids[row]])
    point = int(np.square(one.points[0] - centre).sum(-1).argmin())
    for where in ({"point": point}, {"near": one.points[0, point].tolist()}):
        table = i2pmae.search(index, one, top=3, device="cpu", shown=False, **where)  # type: ignore[arg-type]
        first = table.to_pylist()[0]
        assert first["id"] == clouds.ids[row] and first["similarity"] > 0.999
        np.testing.assert_allclose([first["x"], first["y"], first["z"]], centre, atol=1e-3)


def test_near_duplicates_are_listed_once(run: Path, scans: Path, tmp_path: Path) -> None:
    clouds = i2pmae.open_clouds(scans, points=64, up="z", shown=False)
    twice = CloudSet(np.concatenate([clouds.points, clouds.points[3:4]]), [*clouds.ids, "copy"])
    index = i2pmae.index(run, twice, output=tmp_path / "twice", regions=0, device="cpu", shown=False)
    table = i2pmae.search(index, duplicates=True, above=0.99999, output=tmp_path / "pairs.json", shown=False)
    assert {"id": clouds.ids[3], "other": "copy"}.items() <= table.to_pylist()[0].items()
    assert len(table) == 1 and (tmp_path / "pairs.json").is_file()


def test_a_graph_gives_what_comparing_all_does(run: Path, scans: Path, tmp_path: Path, monkeypatch, capfd) -> None:
    pytest.importorskip("usearch")
    monkeypatch.setattr(indexing, "GRAPH_FROM", 10)
    index = made(run, scans, tmp_path / "a", regions=0)
    assert (index.folder / "graph.usearch").is_file()
    query = scans / "ball" / "02.xyz"
    found = [i2pmae.search(index, query, top=3, exact=exact, device="cpu", shown=False) for exact in (False, True)]
    assert found[0]["id"] == found[1]["id"]
    monkeypatch.setattr(indexing, "has_graphs", lambda: False)
    again = i2pmae.search(index.folder, query, top=3, device="cpu", shown=False)
    assert again["id"] == found[1]["id"] and "i2pmae[search]" in capfd.readouterr().err
    with pytest.raises(UsageError, match=r"i2pmae\[search\]"):
        made(run, scans, tmp_path / "b", graph="yes")


def test_queries_of_another_encoder_are_refused(index: Index, weights: Weights, scans: Path, tmp_path: Path) -> None:
    query, other = scans / "ball" / "02.xyz", weights("point-mae pretraining")
    with pytest.raises(UsageError, match=r"made with another encoder .*i2p-mae"):
        i2pmae.search(index, query, checkpoint=other, device="cpu")
    moved = Path(index.record.encoder).rename(tmp_path / "moved")
    with pytest.raises(CheckpointError, match="say where it is"):
        i2pmae.search(index, query, device="cpu")
    assert len(i2pmae.search(index, query, checkpoint=moved, device="cpu", shown=False)) == 10
    file = moved / "model.yaml"
    file.write_text(
        file.read_text().replace("group_sizes:\n  - 8", "group_sizes:\n  - 7").replace("[8, 4, 4]", "[7, 4, 4]")
    )
    with pytest.raises(UsageError, match="made with another encoder"):
        i2pmae.search(index, query, checkpoint=moved, device="cpu")


def test_without_a_checkpoint_the_one_in_the_package_is_used(
    ship: Callable[..., Path], scans: Path, tmp_path: Path
) -> None:
    ship()
    index = i2pmae.index(data=scans, output=tmp_path / "i", regions=0, shown=False)
    assert index.record.encoder == "tiny" and index.labels is None
    assert i2pmae.search(index, scans / "ball" / "02.xyz", top=1, shown=False).num_columns == 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Say what to look for"),
        ({"query": "x", "duplicates": True}, "leave the query out"),
        ({"query": "ball/02.xyz", "top": 0}, "at least 1"),
        ({"query": "ball/02.xyz", "radius": 0.3}, "say where it is"),
        ({"query": "ball/02.xyz", "near": (0, 1)}, "three coordinates"),
        ({"query": "ball/02.xyz", "near": (0, 1, float("nan"))}, "three coordinates"),
        ({"query": "ball/02.xyz", "near": (0, 1, 0), "point": 3}, "not by both"),
        ({"query": "ball/02.xyz", "point": 3}, "name a place"),
        ({"query": "{scans}/ball/02.xyz", "point": 64}, "no point 64"),
        ({"query": "{scans}/ball/02.xyz", "near": (9, 9, 9)}, "No point of the cloud is within"),
        ({"query": "{scans}/ball/02.xyz", "near": (0, 0, 0), "radius": -1}, "above 0"),
        ({"duplicates": True, "above": 1.5}, "between -1 and 1"),
        ({"query": "ball/02.xyz", "output": "a.txt"}, "rename"),
    ],
)
def test_wrong_calls_say_why(index: Index, scans: Path, options: dict[str, object], said: str) -> None:
    if "query" in options:
        options = options | {"query": str(options["query"]).format(scans=scans)}
    with pytest.raises(UsageError, match=said):
        i2pmae.search(index, device="cpu", shown=False, **options)  # type: ignore[arg-type]


def test_what_cannot_be_indexed_leaves_nothing_behind(run: Path, scans: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError):
        made(run, tmp_path / "empty", tmp_path / "i")
    for options, said in (
        ({"regions": -1}, "regions"),
        ({"regions": 65}, "regions"),
        ({"radius": 0.0}, "radius"),
        ({"graph": "maybe"}, "expected auto"),
    ):
        with pytest.raises(UsageError, match=said):
            made(run, scans, tmp_path / "i", **options)
    with pytest.raises(UsageError, match="holds weights, not clouds"):
        i2pmae.index(data=run, output=tmp_path / "i")
    assert not (tmp_path / "i").exists() and not list(tmp_path.glob(".i*"))
    made(run, scans, tmp_path / "i", regions=0)
    with pytest.raises(UsageError, match="holds an index already"):
        made(run, scans, tmp_path / "i")
    with pytest.raises(UsageError, match="without regions"):
        i2pmae.search(tmp_path / "i", "ball/02.xyz", near=(0, 0, 0))


@pytest.mark.parametrize("size", [500, 4000])
def test_a_full_disk_is_an_error_that_leaves_nothing(
    size: int, run: Path, scans: Path, tmp_path: Path, file_limit: Callable[[int], None]
) -> None:
    clouds = i2pmae.embed(run, scans, device="cpu", shown=False).clouds  # read before there is no room
    file_limit(size)
    with pytest.raises(I2PError, match=r"Cannot write the index .*i: .*Free some space"):
        i2pmae.index(run, clouds, output=tmp_path / "i", device="cpu", shown=False)
    file_limit(1 << 40)
    assert not (tmp_path / "i").exists() and not list(tmp_path.glob(".i*"))


@pytest.mark.parametrize("name", ["vectors.npy", "clouds.parquet", "regions.npy", "centres.npy"])
@pytest.mark.parametrize("how", ["gone", "cut", "changed"])
def test_a_damaged_index_names_the_file(index: Index, name: str, how: str) -> None:
    file = index.folder / name
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-3] if how == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=rf"is damaged: {name} is missing, cut off or changed"):
        i2pmae.search(index.folder, "ball/02.xyz")


def test_what_is_no_index_says_so(index: Index, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no index .*scan.index.*Did you mean 'scans.index'"):
        i2pmae.search(tmp_path / "scan.index", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match="is no index"):
        i2pmae.search(tmp_path / "folder", "x")
    (index.folder / "index.yaml").write_text("format: 7\n")
    with pytest.raises(CheckpointError, match="damaged, or of another version"):
        i2pmae.search(index.folder, "x")


def test_a_query_that_cannot_be_read_says_so(index: Index, tmp_path: Path) -> None:
    (tmp_path / "broken.xyz").write_text("no numbers here\n")
    with pytest.raises(DataError, match=r"broken\.xyz"):
        i2pmae.search(index, tmp_path / "broken.xyz", device="cpu", shown=False)
    with pytest.raises(DataError, match=r"no file or folder ball/02.xzy"):
        i2pmae.search(index, "ball/02.xzy", device="cpu", shown=False)
