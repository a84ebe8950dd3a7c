"""Files per second and memory of reading users' data, on a folder that the script writes itself.

    python benchmarks/reading.py [--files 2000] [--points 2048] [--subdivisions 3] [--workers 0 2] [--folder FOLDER]

The folder holds meshes (.off .obj .ply .stl .glb) and clouds (.xyz .npy .pcd) in equal shares; ``--folder`` reads one
that is there already. First each format alone, in one process without workers that has read a file of it before: files
a second of processor time, from the file to the cloud and from the folder to the set that is opened from its cache.
Then all together: each line is one first reading with an empty cache in a fresh process, files in the system's cache;
then the opening of that cache. Memory is the largest resident set of the reading process, without its workers.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import trimesh

FORMATS = ("off", "obj", "ply", "stl", "glb", "xyz", "npy", "pcd")


def write_folder(root: Path, files: int, subdivisions: int) -> None:
    """Write ``files`` different shapes, the formats in turn, in a folder for each."""
    sphere = trimesh.creation.icosphere(subdivisions)
    for index in range(files):
        generator = np.random.default_rng(index)
        suffix = FORMATS[index % len(FORMATS)]
        path = root / suffix / f"{index:06d}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        shape = sphere.vertices * generator.uniform(0.5, 1.5, 3)
        points = shape[generator.integers(len(shape), size=3000)] + generator.normal(scale=0.01, size=(3000, 3))
        if suffix == "xyz":
            np.savetxt(path, points, fmt="%.5f")
        elif suffix == "npy":
            np.save(path, points.astype(np.float32))
        elif suffix == "pcd":
            header = "FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH 3000\nHEIGHT 1\nPOINTS 3000\nDATA binary\n"
            path.write_bytes(header.encode() + points.astype("<f4").tobytes())
        else:
            trimesh.Trimesh(shape, sphere.faces, process=False).export(path)


def read_each(folder: Path, points: int, repeats: int) -> None:
    """Print the rates of each format alone; the fastest of ``repeats`` readings counts, as others work beside it."""
    from i2pmae.data.open.source import open_clouds
    from i2pmae.data.read.files import Request, read_files
    from i2pmae.data.sources.folder import plan_files

    print("| format | files | MB | cloud of a file, files/s | set of a folder, files/s |\n|---|---|---|---|---|")
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = [entry.file for entry in plan_files(place).entries]
        request = Request(points, "y", 0)
        list(read_files(files[:1], request, 0))  # so that what the format needs is imported
        alone = min(processor_time(partial(deque, read_files(files, request, 0), 0)) for _ in range(repeats))
        whole = []
        for _ in range(repeats):
            with tempfile.TemporaryDirectory() as cache:
                opening = partial(open_clouds, place, points=points, workers=0, cache=Path(cache), shown=False)
                whole.append(processor_time(opening))
        size = sum(file.size for file in files) / (1 << 20)
        rates = f"{len(files) / alone:.0f} | {len(files) / min(whole):.0f}"
        print(f"| {place.name} | {len(files)} | {size:.1f} | {rates} |")


def processor_time(call: Callable[[], object]) -> float:
    """Seconds of this process's processor time that ``call`` takes."""
    start = time.process_time()
    call()
    return time.process_time() - start


def read_once(folder: Path, points: int, workers: int, cache: Path) -> None:
    """Read and print one line; run in a process of its own, so that memory is this reading's alone."""
    from i2pmae.data.open.source import open_clouds

    start = time.perf_counter()
    clouds = open_clouds(folder, points=points, workers=workers, cache=cache, shown=False)
    first = time.perf_counter() - start
    start = time.perf_counter()
    open_clouds(folder, points=points, workers=workers, cache=cache, shown=False)
    again = time.perf_counter() - start
    # Kilobytes on Linux, bytes on macOS.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    size = clouds.points.nbytes / (1 << 20)
    print(
        f"workers {workers}: {len(clouds)} clouds in {first:.1f} s, {len(clouds) / first:.0f} a second; "
        f"from the cache {again:.2f} s; memory {memory:.0f} MB, clouds {size:.0f} MB"
    )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--points", type=int, default=2048)
    parser.add_argument("--subdivisions", type=int, default=3, help="of a sphere: 3 gives 1280 triangles")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--repeats", type=int, default=3, help="readings of each format, of which the fastest counts")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cache", type=Path, help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    if options.cache:
        read_once(options.folder, options.points, options.workers[0], options.cache)
        return
    print(f"{platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}, trimesh {trimesh.__version__}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary, "files")
        if options.folder is None:
            folder.mkdir()
            write_folder(folder, options.files, options.subdivisions)
            read_each(folder, options.points, options.repeats)
        for workers in options.workers:
            reading = ["--folder", folder, "--points", options.points, "--workers", workers]
            command = [sys.executable, __file__, *reading, "--cache", Path(temporary, f"cache{workers}")]
            subprocess.run([str(part) for part in command], check=True)


if __name__ == "__main__":
    main()
