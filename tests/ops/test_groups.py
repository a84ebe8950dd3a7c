"""The largest of each group against PyTorch's maximum."""

import pytest
import torch

from i2pmae.ops import group_max


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 16, 5), (700, 7, 33), (2, 1, 8), (0, 4, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("threads", [1, 2])
def test_values_and_places(shape, dtype, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        values = torch.randint(-5, 5, shape).to(dtype)  # many are equal
        top, place = group_max(values)
    finally:
        torch.set_num_threads(before)
    assert torch.equal(top, values.amax(1))
    assert torch.equal(values.gather(1, place[:, None])[:, 0], top)
    assert place.dtype == torch.int64


@pytest.mark.parametrize("at", [0, 1, 3])
def test_what_is_not_a_number_is_seen(at):
    values = torch.randn(4, 4, 6)
    values[2, at, 3] = torch.nan
    top, place = group_max(values)
    assert top.isnan().nonzero().tolist() == [[2, 3]]
    assert place[2, 3] == at


def test_members_need_not_lie_side_by_side():
    values = torch.randn(6, 5, 4).transpose(0, 1)
    torch.testing.assert_close(group_max(values)[0], values.amax(1))
