"""Several processes of one run: the same losses and weights as one, however they are started, stopped and killed."""

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from i2pmae.common.errors import UsageError
from i2pmae.common.ranks import Place, placed
from i2pmae.training.checkpoint import checkpoint_path
from i2pmae.training.engine import fit
from i2pmae.training.history import History
from tests.training.together import ACCUMULATED, TASKS, clouds, settings, started

NEAR = 1e-6
"""What the numbers of two processes may differ by from those of one, which compute in double precision."""
NOT_COMPARED = ("seconds", "clouds_per_second")
ITS_OWN = {"metric/explained": 0.5}
"""Of 2D features each process takes every eighth for their variance, counted from its own first."""


def ended(processes: list[subprocess.Popen], within: float = 600) -> tuple[list[int], str]:
    """The exit statuses, and all that was said; whatever goes on after the time is killed, and fails the test."""
    try:
        said = [process.communicate(timeout=within)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], "".join(said)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Folders ``1`` and ``2`` with the runs of one and of two processes."""
    folder = tmp_path_factory.mktemp("runs")
    together = {world: started(world, [folder / str(world), 5, 0, *TASKS, ACCUMULATED]) for world in (1, 2)}
    for processes in together.values():
        codes, said = ended(processes)
        assert not any(codes), said[-2000:]
    return folder


def end(folder: Path) -> dict:
    return torch.load(folder / "end.pt", weights_only=False)


def check(one: dict, other: dict, steps: int = 20) -> None:
    """Losses of all steps and weights after them are the same but for rounding."""
    assert len(one["history"]["step"]) == steps
    for name, values in one["history"].items():
        if name not in NOT_COMPARED:
            off = abs(values - other["history"][name]).max()
            assert off <= ITS_OWN.get(name, NEAR * max(1.0, abs(values).max())), f"{name}: {off}"
    assert one["weights"].keys() == other["weights"].keys()
    for name, value in one["weights"].items():
        off = (value.double() - other["weights"][name].double()).abs().max()
        assert off <= NEAR * max(1.0, float(value.abs().max())), f"{name}: {off}"


@pytest.mark.parametrize("name", TASKS)
def test_two_processes_end_as_one(runs, name):
    check(end(runs / "1" / name), end(runs / "2" / name))


def test_two_processes_accumulate_as_one(runs):
    check(end(runs / "1" / ACCUMULATED), end(runs / "2" / ACCUMULATED), steps=10)


@pytest.mark.parametrize("name", TASKS)
def test_the_weights_moved_much_further_than_the_runs_differ(runs, name):
    torch.manual_seed(11)
    before = TASKS[name]().model.state_dict()
    after = end(runs / "1" / name)["weights"]
    assert max(float((after[key] - before[key]).abs().max()) for key in before) > 1e-3


def test_norms_that_are_not_shared_make_another_run(runs, tmp_path):
    codes, said = ended(started(2, [tmp_path, 5, 0, "apart"]))
    assert not any(codes), said
    with pytest.raises(AssertionError, match="coordinates"):
        check(end(runs / "1" / "point-mae"), end(tmp_path / "apart"))


def test_processes_share_out_and_tell_each_other_in_order(tmp_path):
    folders = [tmp_path / str(world) / "exchange" for world in (1, 3)]
    for world, folder in zip((1, 3), folders, strict=True):
        codes, said = ended(started(world, [folder.parent, 1, 0, "exchange"]))
        assert not any(codes), said
    found = [json.loads((folders[1] / f"{rank}.json").read_text()) for rank in range(3)]
    for rank, told in enumerate(found):
        assert told["gather"] == [0, 1, 2] and told["broadcast"] == 0
        assert told["shared out"] == [[0, 0], [1, 1], [2, 2], [3, 0], [4, 1]]
        assert told["to main"] == (told["shared out"] if rank == 0 else [None] * 5)
        assert told["rows"] == [0, 1, 2, 3, 4] and told["total"] == 10 and told["mean"] == 2
        assert told["refused"] == found[0]["refused"] != ""
    assert [slope for told in found for slope in told["gradient"]] == [0, 6, 12, 18, 24]
    assert min(found[1]["came"], found[2]["came"]) >= found[0]["came"]
    one, other = (next(folder.rglob("maps-00000.npy")).read_bytes() for folder in folders)
    assert one == other


def wait_for_rows(folder: Path, rows: int, processes: list[subprocess.Popen]) -> None:
    while len(History.read(folder / "metrics.csv")) < rows:
        assert all(process.poll() is None for process in processes), "the run ended early"
        time.sleep(0.02)


def test_sigterm_to_one_process_stops_all_and_another_number_goes_on(tmp_path):
    name = "point-mae"
    assert ended(started(1, [tmp_path / "whole", 5, 0, name])) == ([0], "")
    processes = started(2, [tmp_path / "parts", 5, 0.2, name])
    wait_for_rows(tmp_path / "parts" / name, 6, processes)
    processes[1].send_signal(signal.SIGTERM)
    codes, said = ended(processes)
    assert codes == [75, 75], said
    assert said.count("TrainingInterrupted: Stopped at step") == 1
    assert checkpoint_path(tmp_path / "parts" / name).exists()
    codes, said = ended(started(1, [tmp_path / "parts", 5, 0.001, name]))
    assert codes == [0], said
    assert "It was computed in fp32 on a CPU with 1 thread in 2 processes so far" in said
    check(end(tmp_path / "whole" / name), end(tmp_path / "parts" / name))


def killed(folder: Path, victim: int, rows: int, later: float, epochs: int) -> None:
    """Kill one of two processes after so many more steps; the other ends within seconds, and says so."""
    done = len(History.read(folder / "point-mae" / "metrics.csv"))
    processes = started(2, [folder, epochs, 0.05, "point-mae"])
    wait_for_rows(folder / "point-mae", done + rows, processes)
    time.sleep(later)
    processes[victim].kill()
    begun = time.monotonic()
    codes, said = ended(processes, within=30)
    assert codes[victim] == -signal.SIGKILL and codes[1 - victim] == 1, said
    assert said.count(f"Process {victim + 1} of 2 of this run died without a word") == 1, said
    assert "Traceback" not in said and "--resume" in said
    print(f"killed {victim} after step {done + rows}: the other ended {time.monotonic() - begun:.1f} s later")


def test_the_death_of_a_process_ends_the_others_with_one_message(tmp_path):
    killed(tmp_path, victim=1, rows=5, later=0.0, epochs=8)
    codes, said = ended(started(1, [tmp_path, 2, 0, "point-mae"]))  # another number of epochs: another run
    assert codes == [1] and "belongs to another run" in said
    assert ended(started(1, [tmp_path, 8, 0, "point-mae"]))[0] == [0]


@pytest.mark.slow
def test_ten_deaths_at_random_moments_lose_nothing(tmp_path):
    moments = random.Random(3)
    for number in range(10):
        killed(tmp_path / "parts", number % 2, 5, moments.uniform(0, 0.2), epochs=40)
    for place, world in (("parts", 2), ("whole", 1)):
        codes, said = ended(started(world, [tmp_path / place, 40, 0, "point-mae"]))
        assert not any(codes), said
    check(*(end(tmp_path / place / "point-mae") for place in ("whole", "parts")), steps=160)


def test_an_error_of_one_process_is_said_once_by_the_first(tmp_path):
    codes, said = ended(started(2, [tmp_path, 5, 0, "failing"]))
    assert codes == [1, 1], said
    assert said == "I2PError: Process 2 of 2 of this run failed: No such luck.\n"


def test_a_batch_that_cannot_be_shared_out_is_an_error(tmp_path):
    codes, said = ended(started(6, [tmp_path, 5, 0, "point-mae"]))
    assert codes == [1] * 6
    assert said.count("A batch of 5 clouds cannot be shared out over 6 processes") == 1


def test_a_model_of_several_processes_is_not_compiled(tmp_path):
    with placed(Place(0, 2, 0, 2)), pytest.raises(UsageError, match="cannot be compiled"):
        fit(TASKS["point-mae"](), clouds(), settings(compile=True), tmp_path, shown=False)
