"""Rates and memory of preparing, opening and sampling sets of many files, which the script writes itself.

    python benchmarks/scale.py [--files 1000 10000 100000] [--points 1024] [--kills 2] [--folder FOLDER]

For each number of files: ``i2pmae data prepare`` in one process, killed (SIGKILL) ``--kills`` times on the way, where
there is enough of it, and begun again; then what is prepared is opened, and rows are read at random. Every step is a
process of its own, so that memory, the largest resident set, is that step's alone; rates are of processor time, as
others may work beside it. Before that, what each form of coordinates costs and loses. With ``--folder`` the files stay
there, and are used again if they are.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

EACH = 1000
"""Files of a folder, which is a class."""
READ = 20_000
"""Rows that are read at random."""
BATCH = 64
LEAST_KILLED = 5000
"""Fewer clouds are hardly noted before all are written."""
PAUSE = 0.2


def write_files(root: Path, files: int, points: int) -> None:
    """Write so many clouds as .npy files, some of which may be there already."""
    for first in range(0, files, EACH):
        place = root / f"class{first // EACH:04d}"
        place.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(first)
        for index in range(first, min(files, first + EACH)):
            cloud = generator.normal(size=(points, 3)).astype(np.float32)
            if not (place / f"{index:07d}.npy").exists():
                np.save(place / f"{index:07d}.npy", cloud)


def forms(points: int) -> None:
    """Print what each form of coordinates takes, and how far it is off."""
    from i2pmae.data.clouds import normalise
    from i2pmae.data.store.forms import FORMS

    clouds = normalise(np.random.default_rng(0).normal(size=(64, points, 3))).astype(np.float32)
    print("| form | bytes a cloud | largest error | root mean square |\n|---|---|---|---|")
    made = {name: (form.dtype.itemsize, form.decode(form.encode(clouds))) for name, form in FORMS.items()}
    made["float16"] = (2, clouds.astype(np.float16).astype(np.float32))
    for name, (size, back) in made.items():
        error = np.abs(back.astype(np.float64) - clouds)
        print(f"| {name} | {3 * size * points} | {error.max():.1e} | {np.sqrt((error**2).mean()):.1e} |")


def prepare(folder: Path, output: Path, points: int) -> dict[str, float]:
    from i2pmae.commands.data import prepare as prepare_data

    # What others wait for of this process is not its time: all that it reads, it reads itself.
    made = prepare_data(folder, output, points=points, workers=0, shown=False)
    return {"clouds": len(made)}


def sample(output: Path, points: int) -> dict[str, float]:
    from i2pmae.data.open.source import open_clouds

    start = time.process_time()
    clouds = open_clouds(output, points=points, shown=False)
    opened = time.process_time() - start
    part = clouds.subset(np.random.default_rng(1).permutation(len(clouds)))
    chosen = time.process_time() - start - opened
    clouds.digest()
    digest = time.process_time() - start - opened - chosen
    rows = np.random.default_rng(0).permutation(len(part))[:READ]
    start = time.process_time()
    for at in range(0, len(rows), BATCH):
        np.asarray(part.points[rows[at : at + BATCH]])
    rate = len(rows) / (time.process_time() - start)
    size = sum(item.stat().st_size for item in output.iterdir()) / 1e6
    return {"opening": opened, "subset": chosen, "digest": digest, "rate": rate, "megabytes": size}


def step(options: argparse.Namespace) -> None:
    """One step in this process; its figures as a line of JSON."""
    start = time.process_time()
    if options.step == "prepare":
        found = prepare(options.folder, options.output, options.points[0])
    else:
        found = sample(options.output, options.points[0])
    found["seconds"] = time.process_time() - start
    # Kilobytes on Linux, bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    print(json.dumps({**found, "memory": peak}))


def run(name: str, folder: Path, output: Path, points: int, kill_at: int | None = None) -> dict[str, Any] | None:
    """The figures of a step; None of one that was killed once it had noted so many clouds."""
    words = ["--step", name, "--folder", folder, "--output", output, "--points", points]
    command = [sys.executable, __file__, *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while kill_at is not None and process.poll() is None:
        if noted(output) >= kill_at:
            process.kill()
        time.sleep(PAUSE)
    text = process.communicate()[0]
    if process.returncode == 0:
        return dict(json.loads(text.splitlines()[-1]))
    if kill_at is None:
        raise SystemExit(f"{name} ended with status {process.returncode}")
    return None


def noted(output: Path) -> int:
    """Clouds that an unfinished folder holds for sure."""
    from i2pmae.data.store.writing import read_journal, unfinished

    path = unfinished(output) / "progress-000.jsonl"
    records = [record for record in read_journal(path) if "rows" in record]
    return records[-1]["rows"] if records else 0


def measure(folder: Path, scratch: Path, files: int, points: int, kills: int) -> None:
    """Print one row of the table."""
    write_files(folder, files, points)
    output = scratch / f"prepared{files}"
    for number in range(kills if files > LEAST_KILLED else 0):
        at = (number + 1) * files // (kills + 1)
        if run("prepare", folder, output, points, kill_at=at) is None:
            print(f"<!-- killed when {noted(output)} of {files} clouds were noted -->", flush=True)
    kept = noted(output)
    made = run("prepare", folder, output, points)
    found = run("sample", folder, output, points)
    assert made is not None and found is not None and made["clouds"] == files
    print(
        f"| {files} | {(files - kept) / made['seconds']:.0f} | {made['memory']:.0f} | {found['megabytes']:.0f} | "
        f"{found['opening']:.2f} | {1000 * found['subset']:.1f} | {found['digest']:.2f} | {found['rate']:.0f} | "
        f"{found['memory']:.0f} |",
        flush=True,
    )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--points", type=int, nargs=1, default=[1024])
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=["prepare", "sample"], help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    if options.step:
        step(options)
        return
    points = options.points[0]
    print(f"{platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}; clouds of {points} points\n")
    forms(points)
    print(
        "\n| files | prepared, files/s | memory, MB | on disk, MB | opened, s | subset, ms | digest, s "
        "| rows at random, /s | memory, MB |\n|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as temporary:
        for files in options.files:
            place = (options.folder or Path(temporary)) / f"files{files}"
            measure(place, Path(temporary), files, points, options.kills)


if __name__ == "__main__":
    main()
