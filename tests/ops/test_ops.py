"""Every operation against its plain twin: values, ties, gradients, half and double precision, wrong shapes."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from i2pmae import ops
from i2pmae.common.errors import UsageError
from tests.reference import geometry


def clouds(count: int, points: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(count, points, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def lattice(count: int, points: int, seed: int = 0) -> torch.Tensor:
    """Points of a coarse grid: many equal distances and many duplicates."""
    return torch.randint(-1, 2, (count, points, 3), generator=torch.Generator().manual_seed(seed)).float()


@pytest.mark.parametrize("points", [clouds(2, 40), clouds(2, 40, dtype=torch.float64), lattice(3, 30)])
def test_fps_chooses_what_the_loop_chooses(points: torch.Tensor) -> None:
    expected = [geometry.fps(cloud.numpy(), 12) for cloud in points]
    assert ops.fps(points, 12).tolist() == expected


@pytest.mark.parametrize("points", [clouds(2, 40), clouds(2, 40, dtype=torch.float64), lattice(3, 30)])
def test_weighted_fps_chooses_what_the_loop_chooses(points: torch.Tensor) -> None:
    # Powers of two, so that equal products are equal however they are rounded.
    weight = 2.0 ** torch.randint(-2, 3, points.shape[:2], generator=torch.Generator().manual_seed(1))
    expected = [geometry.fps(cloud.numpy(), 12, row.numpy()) for cloud, row in zip(points, weight, strict=True)]
    assert ops.fps(points, 12, weight).tolist() == expected
    assert expected != ops.fps(points, 12).tolist()


def test_weighted_fps_is_dense_where_weights_are_large() -> None:
    points = torch.stack([torch.linspace(0, 1, 2001), torch.zeros(2001), torch.zeros(2001)], -1)[None]
    weight = torch.where(points[..., 0] > 0.5, 4.0, 1.0)
    chosen = points[0, ops.fps(points, 400, weight)[0], 0]
    assert (chosen > 0.5).float().mean() == pytest.approx(0.8, abs=0.1), "four times as dense on a line"


def test_fps_of_a_prefix_is_the_prefix() -> None:
    points = clouds(2, 100)
    weights = (None, torch.rand(2, 100, generator=torch.Generator().manual_seed(2)) + 0.1)
    for weight in weights:
        chosen = ops.fps(points, 64, weight)
        own = None if weight is None else weight.gather(1, chosen)
        assert ops.fps(ops.gather(points, chosen), 16, own).tolist() == [list(range(16))] * 2


def test_fps_takes_points_near_the_origin() -> None:
    points = torch.tensor([[[1.0, 0, 0], [-1.0, 0, 0], [1e-3, 0, 0]]])
    assert set(ops.fps(points, 3)[0].tolist()) == {0, 1, 2}


def test_fps_repeats_the_first_point_where_no_other_is_left() -> None:
    assert ops.fps(torch.ones(1, 5, 3), 3).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("points", [clouds(2, 40), clouds(2, 40, dtype=torch.float64), lattice(3, 40)])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_knn_finds_what_the_loop_finds(points: torch.Tensor, k: int) -> None:
    expected = [geometry.knn(cloud[:10].numpy(), cloud.numpy(), k) for cloud in points]
    assert ops.knn(points[:, :10], points, k).tolist() == expected


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(2, 30), st.integers(0, 10_000))
def test_knn_breaks_ties_by_index(k: int, number: int, seed: int) -> None:
    points = lattice(1, max(k, number), seed)
    assert ops.knn(points, points, k)[0].tolist() == geometry.knn(points[0].numpy(), points[0].numpy(), k)


def test_knn_in_chunks_is_knn(monkeypatch: pytest.MonkeyPatch) -> None:
    points = clouds(5, 50)
    whole = ops.knn(points, points, 4)
    monkeypatch.setattr(sys.modules["i2pmae.ops.knn"], "_CPU_CHUNK", 120)
    assert torch.equal(ops.knn(points, points, 4), whole)


def test_distances_of_equal_points_are_zero_far_from_the_origin() -> None:
    points = clouds(1, 20) + 1000
    distance = ops.squared_distances(points, points)
    assert (distance.diagonal(dim1=1, dim2=2) == 0).all()
    assert (distance >= 0).all()


def test_gather_and_scatter_are_each_others_inverse() -> None:
    values = torch.randn(3, 7, 4)
    index = torch.stack([torch.randperm(7)[:5] for _ in range(3)])
    picked = ops.gather(values, index)
    assert torch.equal(picked[2, 3], values[2, index[2, 3]])
    everything = torch.ones(3, 5, dtype=torch.bool)
    assert torch.equal(ops.scatter(values, index, picked, everything), values)
    written = ops.scatter(torch.zeros(3, 7, 4), index, picked, everything)
    assert torch.equal(ops.gather(written, index), picked)
    assert (written.abs().sum(-1) > 0).sum() == 15


def test_scatter_leaves_padding_out() -> None:
    target = torch.zeros(1, 3, 1)
    valid = torch.tensor([[True, False]])
    written = ops.scatter(target, torch.tensor([[2, 0]]), torch.ones(1, 2, 1), valid)
    assert written[0, :, 0].tolist() == [0, 0, 1]


def test_gather_takes_an_index_of_any_shape() -> None:
    values = torch.arange(12.0).view(2, 6)
    index = torch.tensor([[[0, 5], [1, 1]], [[2, 0], [3, 3]]])
    assert ops.gather(values, index).tolist() == [[[0, 5], [1, 1]], [[8, 6], [9, 9]]]


@pytest.mark.parametrize("sources", [2, 3, 20])
def test_interpolation_is_the_loops(sources: int) -> None:
    target, source, features = clouds(2, 9), clouds(2, sources, 1), torch.randn(2, sources, 5)
    expected = np.stack(
        [
            geometry.three_nn(*(a.double().numpy() for a in arrays))
            for arrays in zip(target, source, features, strict=True)
        ]
    )
    np.testing.assert_allclose(ops.three_nn_interpolate(target, source, features), expected, rtol=1e-4, atol=1e-6)


def test_interpolation_at_a_source_returns_its_feature() -> None:
    source, features = clouds(1, 8), torch.randn(1, 8, 2)
    torch.testing.assert_close(ops.three_nn_interpolate(source, source, features), features, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("fast", "plain"), [(ops.chamfer_l1, geometry.chamfer_l1), (ops.chamfer_l2, geometry.chamfer_l2)]
)
def test_chamfer_is_the_loops(fast, plain) -> None:
    a, b = clouds(1, 7), clouds(1, 11, 1)
    assert fast(a, b).item() == pytest.approx(plain(a[0].numpy(), b[0].numpy()), rel=1e-5)
    both = torch.cat([a, a]), torch.cat([b, b])
    assert fast(*both).item() == pytest.approx(fast(a, b).item(), rel=1e-6)


@pytest.mark.parametrize("distance", [ops.chamfer_l1, ops.chamfer_l2])
def test_chamfer_has_the_right_gradient(distance) -> None:
    a, b = clouds(2, 4, dtype=torch.float64).requires_grad_(), clouds(2, 5, 1, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(distance, (a, b))


@pytest.mark.parametrize("distance", [ops.chamfer_l1, ops.chamfer_l2])
def test_chamfer_of_equal_sets_is_zero_with_a_finite_gradient(distance) -> None:
    a = clouds(2, 4).requires_grad_()
    loss = distance(a, a.detach())
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(a.grad).all()


def test_interpolation_and_gather_have_the_right_gradient() -> None:
    target, source = clouds(2, 4, 0, torch.float64), clouds(2, 6, 1, torch.float64)
    features = torch.randn(2, 6, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f: ops.three_nn_interpolate(target, source, f), (features,))
    index = torch.tensor([[0, 3, 3], [5, 1, 0]])
    assert torch.autograd.gradcheck(lambda f: ops.gather(f, index), (features,))
    spots, valid = torch.tensor([[0, 4], [5, 1]]), torch.tensor([[True, True], [True, False]])
    values = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f, v: ops.scatter(f, spots, v, valid), (features, values))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 10_000))
def test_packing_keeps_each_selected_token_once_and_in_order(batch: int, tokens: int, seed: int) -> None:
    selected = torch.rand(batch, tokens, generator=torch.Generator().manual_seed(seed)) < 0.4
    index, valid = ops.pack(selected)
    assert valid.shape[1] == selected.sum(1).max()
    for row in range(batch):
        assert index[row][valid[row]].tolist() == selected[row].nonzero()[:, 0].tolist()


@pytest.mark.parametrize("call", [lambda p: ops.fps(p, 6), lambda p: ops.knn(p, p, 6), lambda p: ops.knn(p, p, 0)])
def test_too_few_points_are_said(call) -> None:
    with pytest.raises(UsageError, match="5"):
        call(clouds(1, 5))


def test_weights_of_other_points_are_said() -> None:
    with pytest.raises(UsageError, match=r"of shape \(2, 5\), got \(2, 4\)"):
        ops.fps(clouds(2, 5), 3, torch.ones(2, 4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_what_the_cpu_finds() -> None:
    points = clouds(4, 500)
    on_gpu = points.cuda()
    assert torch.equal(ops.fps(on_gpu, 64).cpu(), ops.fps(points, 64))
    assert torch.equal(ops.knn(on_gpu[:, :64], on_gpu, 16).cpu(), ops.knn(points[:, :64], points, 16))
    ties = lattice(4, 300)
    assert torch.equal(ops.knn(ties.cuda(), ties.cuda(), 1).cpu(), ops.knn(ties, ties, 1))
    assert torch.equal(ops.fps(ties.cuda(), 64).cpu(), ops.fps(ties, 64))
    weight = torch.rand(4, 300) + 0.1
    assert torch.equal(ops.fps(ties.cuda(), 64, weight.cuda()).cpu(), ops.fps(ties, 64, weight))
    torch.testing.assert_close(
        ops.chamfer_l2(on_gpu[:, :200], on_gpu[:, 200:]).cpu(), ops.chamfer_l2(points[:, :200], points[:, 200:])
    )
