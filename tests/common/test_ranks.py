import sys

import pytest
import torch

from i2pmae.common import exchange, ranks
from i2pmae.common.devices import resolve_device, where_computed
from i2pmae.common.errors import DataError, UsageError
from i2pmae.common.ranks import ALONE, Part, Place, placed
from i2pmae.common.seeds import torch_generator
from i2pmae.encoders.layers import Dropout, DropPath
from i2pmae.training.processes import count_devices, joined

CPU = torch.device("cpu")


@pytest.mark.parametrize(("total", "world"), [(7, 2), (8, 3), (3, 3), (100, 7)])
def test_parts_are_all_of_a_batch_in_order_and_differ_by_one_row_at_most(total, world):
    parts = [Part.of(total, rank, world) for rank in range(world)]
    rows = [row for part in parts for row in range(part.first, part.first + part.count)]
    assert rows == list(range(total))
    assert max(part.count for part in parts) - min(part.count for part in parts) <= 1


PARTS = [Part.of(7, rank, 3) for rank in range(3)]
DRAWS = {
    "uniform": lambda rng, n: exchange.uniform((n, 4), rng, CPU, torch.float64),
    "uniform, clouds second": lambda rng, n: exchange.uniform((2, n, 3), rng, CPU, clouds=1),
    "integers": lambda rng, n: exchange.integers(9, (n, 1), rng, CPU),
}


@pytest.mark.parametrize("draw", DRAWS)
def test_parts_of_a_draw_are_the_draw_of_the_whole(draw):
    whole = DRAWS[draw](torch_generator(3, "x"), 7)
    parts = [DRAWS[draw](torch_generator(3, "x", part=part), part.count) for part in PARTS]
    assert torch.equal(torch.cat(parts, dim=1 if "second" in draw else 0), whole)


def test_a_draw_for_other_rows_than_those_of_the_part_is_refused():
    with pytest.raises(ValueError, match="for the 2 clouds of this process"):
        exchange.uniform((3, 4), torch_generator(3, part=PARTS[0]), CPU)


@pytest.mark.parametrize("kind", [lambda: Dropout(0.4), lambda: DropPath(0.4)])
def test_parts_of_dropout_are_that_of_the_whole(kind):
    values = torch.arange(1.0, 7 * 2 * 5 * 3 + 1).view(14, 5, 3)  # two rows of each cloud
    torch.manual_seed(5)
    whole = kind()(values)
    found = []
    for part in PARTS:
        layer = kind()
        layer.part = part
        torch.manual_seed(5)
        found.append(layer(values[2 * part.first : 2 * (part.first + part.count)]))
    assert torch.equal(torch.cat(found), whole) and (whole == 0).any()
    assert torch.equal(layer.eval()(values), values)


def test_one_process_has_all_and_exchanges_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.distributed", None)  # whoever imports it fails
    values = torch.ones(3)
    assert exchange.total(values) is values and exchange.rows(values, None) is values
    assert exchange.mean(values[0], 2) is not None
    assert ranks.gather(4) == [4] and ranks.broadcast(5) == 5 and ranks.on_main(lambda: 6) == 6
    assert list(ranks.share_out([1, 2], str)) == list(ranks.share_out_to_main([1, 2], str)) == ["1", "2"]
    with ranks.main_first():
        ranks.barrier()
    assert ranks.is_main() and (ranks.rank(), ranks.world()) == (0, 1)


def test_an_error_of_the_main_process_is_raised():
    def fails() -> None:
        raise DataError("nothing there")

    with pytest.raises(DataError, match="nothing there"):
        ranks.on_main(fails)


def test_processes_of_one_machine_share_no_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert count_devices("auto", "auto") == 4 and count_devices("auto", "cpu") == 1 and count_devices(3, "cpu") == 3
    with placed(Place(rank=6, world=8, local_rank=2, local_world=4)):
        assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 2)
        assert where_computed(torch.device("cuda", 2)) == "8 processes on cuda"
        with pytest.raises(UsageError, match="cuda:1' cannot be shared by the 4 processes"):
            resolve_device("cuda:1")
    with (
        placed(Place(rank=4, world=5, local_rank=4, local_world=5)),
        pytest.raises(UsageError, match=r"for each of 5 processes.*sees 4 GPUs"),
    ):
        resolve_device("cuda")
    assert ranks.place() == ALONE


def test_several_devices_need_several_processes():
    with pytest.raises(UsageError, match=r"devices 2 means 2 processes.*torchrun --nproc-per-node 2"), joined("cpu", 2):
        pass
    with joined("cpu", "auto"), joined("cpu"):
        assert ranks.world() == 1


def test_a_process_that_nothing_is_connected_to_leaves_as_usual():
    with pytest.raises(SystemExit) as left:
        ranks.leave(3)
    assert left.value.code == 3
