"""Compiled loops against the same operations in PyTorch, index by index, and what surrounds them: threads, caches."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

import i2pmae
from i2pmae import ops

FPS, KNN = sys.modules["i2pmae.ops.fps"], sys.modules["i2pmae.ops.knn"]


def plain_fps(points: torch.Tensor, count: int, weight: torch.Tensor | None = None) -> torch.Tensor:
    return FPS._fps(points, count, None if weight is None else weight.to(points.dtype).square())


def plain_knn(query: torch.Tensor, points: torch.Tensor, k: int) -> torch.Tensor:
    return KNN._knn(query, points, k)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clouds(count: int, points: int, seed: int = 0, kind: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(count, points, 3, generator=generator(seed), dtype=torch.float64).to(kind)


def grid(count: int, points: int, side: int, seed: int = 0) -> torch.Tensor:
    """Points of a small grid: many equal distances, and duplicates."""
    return torch.randint(0, side, (count, points, 3), generator=generator(seed)).float()


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    yield
    torch.set_num_threads(before)


CLOUDS = {
    "normal": clouds(3, 300),
    "double": clouds(2, 300, kind=torch.float64),
    "grid": grid(3, 300, 5),
    "all the same": torch.ones(2, 300, 3),
    "line": clouds(2, 300) * torch.tensor([0.0, 1, 0]),
    "far away": clouds(2, 300) + 1000,
    "huge": clouds(2, 300) * 1e20,
    "not contiguous": clouds(2, 600).transpose(0, 1)[::2].transpose(0, 1),
    "columns of more": torch.randn(2, 300, 6, generator=generator(1))[..., 1:4],
    "one point": clouds(4, 1),
    "two points": clouds(4, 2),
    "a leaf": clouds(2, 32),
    "a leaf and a point": grid(2, 33, 4),
    "no clouds": clouds(0, 300),
    "with gradients": clouds(2, 50).requires_grad_(),
}


@pytest.mark.parametrize("name", CLOUDS)
def test_fps_is_that_of_pytorch(name: str) -> None:
    points = CLOUDS[name]
    for count in {1, min(2, points.shape[1]), points.shape[1]}:
        assert torch.equal(ops.fps(points, count), plain_fps(points.detach(), count))


@pytest.mark.parametrize("name", CLOUDS)
def test_weighted_fps_is_that_of_pytorch_and_with_equal_weights_that_without(name: str) -> None:
    points = CLOUDS[name]
    weight = torch.rand(points.shape[:2], generator=generator(5)) + 0.1
    for count in {1, min(2, points.shape[1]), points.shape[1]}:
        assert torch.equal(ops.fps(points, count, weight), plain_fps(points.detach(), count, weight))
        assert torch.equal(ops.fps(points, count, torch.ones_like(weight)), ops.fps(points, count))


@pytest.mark.parametrize("k", [1, 3, 16, 128, 200, 300])
@pytest.mark.parametrize("name", CLOUDS)
def test_knn_is_that_of_pytorch(name: str, k: int) -> None:
    points = CLOUDS[name]
    k = min(k, points.shape[1])
    for query in (points, points[:, :1], clouds(len(points), 150, 7, points.dtype), points[:, :0]):
        assert torch.equal(ops.knn(query, points, k), plain_knn(query, points, k))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.integers(1, 400), st.integers(1, 90), st.integers(1, 6), st.integers(0, 10_000))
def test_ties_go_to_the_lowest_index(k: int, number: int, queries: int, side: int, seed: int) -> None:
    points, query = grid(2, number, side, seed), grid(2, queries, side, seed + 1)
    assert torch.equal(ops.knn(query, points, min(k, number)), plain_knn(query, points, min(k, number)))
    weight = torch.randint(1, 4, points.shape[:2], generator=generator(seed + 2)).float()
    for factors in (None, weight):
        assert torch.equal(ops.fps(points, min(k, number), factors), plain_fps(points, min(k, number), factors))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_neighbours_in_a_large_cloud_are_those_of_pytorch(kind: torch.dtype) -> None:
    points = torch.cat([clouds(1, 5000, kind=kind), clouds(1, 500, kind=kind).repeat(1, 4, 1)], dim=1)
    for k in (1, 8):
        assert torch.equal(ops.knn(points, points, k), plain_knn(points, points, k))


def test_results_do_not_depend_on_threads() -> None:
    points, dense = clouds(5, 1000), clouds(1, 20_000)
    groups = clouds(900, 16)
    calls: list[Callable[[], torch.Tensor]] = [
        lambda: ops.fps(points, 200),
        lambda: ops.fps(points, 200, points[..., 0].abs() + 0.1),
        lambda: ops.knn(points, points, 9),
        lambda: ops.knn(dense[:, :2000], dense, 5),
        lambda: ops.knn(groups, groups.flip(0), 1),
    ]
    with threads(1):
        alone = [call() for call in calls]
    for number in (2, 3):
        with threads(number):
            assert all(torch.equal(call(), result) for call, result in zip(calls, alone, strict=True))


def test_a_forked_process_has_threads_of_its_own() -> None:
    points = clouds(4, 1000)
    with threads(2):
        expected = ops.fps(points, 200).tolist()  # the threads of this process are running when it forks
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply_async(_sampled, (points.numpy(),)).get(60) == expected


def _sampled(points) -> list[list[int]]:
    return ops.fps(torch.from_numpy(points), 200).tolist()


@pytest.mark.parametrize("bad", [float("nan"), -float("nan"), float("inf")])
def test_numbers_that_are_none_neither_hang_nor_leave_the_range(bad: float) -> None:
    points = clouds(2, 500)
    points[0, ::3] = bad
    points[1] = bad
    for k in (1, 20, 128):
        found = ops.knn(points, points, k)
        assert found.min() >= 0 and found.max() < 500
    chosen = ops.fps(points, 100)
    assert chosen.min() >= 0 and chosen.max() < 500


def test_other_kinds_are_left_to_pytorch() -> None:
    points = clouds(2, 60)
    assert ops.knn(points.half(), points.half(), 3).shape == (2, 60, 3)
    assert torch.equal(ops.knn(points, points.double(), 3), plain_knn(points.double(), points.double(), 3))
    with FakeTensorMode():
        fake = torch.empty(2, 60, 3)
        assert ops.knn(fake, fake, 1).shape == (2, 60, 1)
        assert ops.fps(fake, 7).shape == ops.fps(fake, 7, torch.empty(2, 60)).shape == (2, 7)


@pytest.mark.parametrize("distance", [ops.chamfer_l1, ops.chamfer_l2])
def test_chamfer_of_large_sets_is_that_of_the_whole_matrix(distance) -> None:
    a, b = clouds(2, 700).requires_grad_(), clouds(2, 900, 1).requires_grad_()
    distance(a, b).backward()
    other = a.detach().clone().requires_grad_(), b.detach().clone().requires_grad_()
    matrix = ops.squared_distances(*other)
    if distance is ops.chamfer_l1:
        matrix = matrix.sqrt()
    whole = matrix.amin(2).mean() + matrix.amin(1).mean()
    (whole / 2 if distance is ops.chamfer_l1 else whole).backward()
    torch.testing.assert_close(a.grad, other[0].grad)
    torch.testing.assert_close(b.grad, other[1].grad)


def test_of_equally_near_points_the_first_has_the_gradient_of_chamfer() -> None:
    a = torch.tensor([[[0.0, 0, 0]]])
    b = torch.tensor([[[0.0, 1, 0], [1, 0, 0], [0, 1, 0]]], requires_grad=True)
    ops.chamfer_l2(a, b).backward()
    # From b to a every point is pulled by a third of its distance; from a to b only the first one.
    expected = torch.tensor([[[0.0, 2, 0], [0, 0, 0], [0, 0, 0]]]) + 2 / 3 * b.detach()
    torch.testing.assert_close(b.grad, expected)


PROGRAM = """
import sys, torch
from i2pmae import ops
assert "numba" not in sys.modules
points = torch.arange(300.0).view(1, 100, 3)
print(ops.knn(points[:, :3], points, 2).tolist(), ops.__file__)
assert "numba" in sys.modules
"""


def test_compiler_is_imported_at_first_use_and_needs_no_folder(tmp_path: Path) -> None:
    source = Path(i2pmae.__file__).parent
    package = tmp_path / "i2pmae"
    shutil.copytree(source, package, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors", "*.npz"))
    (package / "kernels" / "__pycache__").touch()  # a file where a folder would have to be
    home = {"HOME": os.devnull, "XDG_CACHE_HOME": f"{os.devnull}/cache", "NUMBA_CACHE_DIR": f"{os.devnull}/numba"}
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **home, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(" /")[0] == "[[[0, 1], [1, 0], [2, 1]]]" and str(tmp_path) in done.stdout


def test_what_was_compiled_is_kept(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}

    def kept() -> dict[str, int]:
        subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True)
        return {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb[ci]")}

    first = kept()
    assert first and kept() == first
