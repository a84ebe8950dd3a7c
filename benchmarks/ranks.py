"""What several processes cost beside one: time of a step of pre-training with the same work for each process.

    python benchmarks/ranks.py [--recipe tiny] [--processes 1 2] [--batch 16] [--steps 12] [--points 1024]

Every process has one thread and ``--batch`` clouds of each step, of built-in shapes; so the batch of a step grows with
the processes, and a step should take as long. Seconds are medians over the steps after the first two: by the clock, and
of a process's own work, which other jobs of the machine don't change; waiting for others is not in it. The last column
is the share by which a step takes longer than that of the first row, by the clock and in work.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from i2pmae.cli.spread import run_together
from i2pmae.common import ranks
from i2pmae.data.open.source import open_clouds
from i2pmae.methods import METHODS, recipes
from i2pmae.methods.base import Setting
from i2pmae.training.engine import fit
from i2pmae.training.hooks.base import Hook, StepRecord
from i2pmae.training.processes import joined

SKIPPED = 2
"""Steps that are not counted, in which memory is taken and kernels are compiled."""


class Clock(Hook):
    """Seconds of each step, by the clock and of this process's work."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self.worked: list[float] = []
        self._work = time.process_time()

    def after_step(self, record: StepRecord) -> None:
        """Note the step."""
        now = time.process_time()
        self.taken.append(record.took)
        self.worked.append(now - self._work)
        self._work = now


def measured(options: argparse.Namespace, folder: Path) -> dict[str, float] | None:
    """Medians of the steps of a run that all processes take part in; the first process has them."""
    torch.set_num_threads(1)
    with joined("cpu"):
        whole = options.batch * ranks.world()
        config = recipes()[options.recipe]().changed(
            {"device": "cpu", "points": options.points, "clouds": whole, "batch_size": whole, "epochs": options.steps}
        )
        clouds = open_clouds(config.data, shown=False)
        clouds = clouds.subset(torch.arange(whole).remainder(len(clouds)).numpy())
        task = METHODS[config.method.name].build(Setting(config, clouds, torch.device("cpu"), folder, shown=False))
        clock = Clock()
        fit(task, clouds, config.training, folder, hooks=[clock], shown=False)
        works = ranks.gather(statistics.median(clock.worked[SKIPPED:]))
        if not ranks.is_main():
            return None
        return {"seconds": statistics.median(clock.taken[SKIPPED:]), "work": statistics.mean(works)}


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--recipe", default="tiny", choices=sorted(recipes()))
    made.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    made.add_argument("--batch", type=int, default=16)
    made.add_argument("--steps", type=int, default=12)
    made.add_argument("--points", type=int, default=1024)
    made.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    given = sys.argv[1:] if arguments is None else list(arguments)
    if options.folder is not None:
        found = measured(options, options.folder)
        if found is not None:
            (options.folder / "found.json").write_text(json.dumps(found), encoding="utf-8")
        return
    print(f"{'processes':>9}  {'clouds':>6}  {'s a step':>8}  {'s of work':>9}  longer, more work")
    first: dict[str, float] | None = None
    for count in options.processes:
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "benchmarks.ranks", *given, "--folder", place]
            if run_together(count, command):
                raise SystemExit(f"The run of {count} processes failed.")
            found = json.loads((Path(place) / "found.json").read_text(encoding="utf-8"))
        first = first or found
        more = [f"{found[name] / first[name] - 1:+.0%}" for name in ("seconds", "work")]
        clouds = count * options.batch
        print(f"{count:>9}  {clouds:>6}  {found['seconds']:>8.3f}  {found['work']:>9.3f}  {', '.join(more)}")


if __name__ == "__main__":
    main()
