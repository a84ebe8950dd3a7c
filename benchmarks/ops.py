"""Times of the geometry and projection operations, beside the obvious way to write each, and how they grow.

python benchmarks/ops.py [--clouds 32] [--points 1024] [--repeats 5] [--device cpu] [--threads 1]
    [--growth 2048 16384 100000]

On a CPU, SciPy's k-d tree and, where it is installed, fpsample's exact FPS stand beside ours. The rate of a matrix
product says what machine it is. Before all that, the time in which what is compiled at first use is ready: set
NUMBA_CACHE_DIR to a new folder to see that of the very first use.
"""

import argparse
import importlib.util
import platform
import time
from collections.abc import Callable, Sequence

import torch
from scipy.spatial import cKDTree
from torch.nn import functional

from i2pmae import ops
from i2pmae.encoders.tokenizer import tokenise
from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import project, view_frame
from i2pmae.projection.views import AXIS_VIEWS


def milliseconds(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median over ``repeats``, after a warm-up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1e3 * sorted(times)[repeats // 2]


def plain_knn(query: torch.Tensor, points: torch.Tensor, k: int) -> torch.Tensor:
    return (query[:, :, None] - points[:, None]).square().sum(-1).topk(k, largest=False).indices


def painted_blocks(points: torch.Tensor) -> torch.Tensor:
    """Depth maps by scattering all 25 pixels of every block."""
    frame = view_frame(points, AXIS_VIEWS)
    size = frame.image_size
    depth = torch.einsum("bnc,vc->bvn", points, AXIS_VIEWS.to(points)[:, 2])
    offsets = torch.cartesian_prod(torch.arange(-2, 3), torch.arange(-2, 3)).to(points.device)
    pixels = (frame.indices(points)[:, :, :, None] + offsets).clamp(0, size - 1)
    index = (pixels[..., 0] * size + pixels[..., 1]).flatten(2)
    images = depth.new_zeros(*depth.shape[:2], size * size)
    return images.scatter_add_(2, index, depth.repeat_interleave(25, dim=2)).sigmoid()


def enlarged(maps: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Features by building the whole 224×224 map."""
    large = functional.interpolate(maps.flatten(0, 1), size=(224, 224), mode="bicubic").unflatten(0, maps.shape[:2])
    index = (pixels[..., 0] * 224 + pixels[..., 1])[:, :, None].expand(-1, -1, maps.shape[2], -1)
    return large.flatten(3).gather(3, index)


def sampled(maps: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Features by grid_sample."""
    grid = ((2 * pixels.flip(-1) + 1) / 224 - 1).flatten(0, 1)[:, None].to(maps)
    return functional.grid_sample(maps.flatten(0, 1), grid, mode="bicubic", padding_mode="border", align_corners=False)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clouds", type=int, default=32)
    parser.add_argument("--points", type=int, default=1024)
    parser.add_argument("--channels", type=int, default=192)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--growth", type=int, nargs="*", default=[2048, 16_384, 100_000], help="points of single clouds"
    )
    return parser


def scipy_knn(query: torch.Tensor, points: torch.Tensor, k: int) -> object:
    return cKDTree(points[0].numpy()).query(query[0].numpy(), k)


def chamfer_with_gradient(a: torch.Tensor, b: torch.Tensor) -> None:
    ops.chamfer_l2(a.requires_grad_(), b).backward()


def matrix_chamfer(a: torch.Tensor, b: torch.Tensor) -> None:
    distance = ops.squared_distances(a.requires_grad_(), b)
    (distance.amin(2).mean() + distance.amin(1).mean()).backward()


def single_clouds(sizes: Sequence[int], device: torch.device) -> dict[str, Callable[[], object]]:
    """Rows for one cloud of each size: what grows as N, and as N log N."""
    rows: dict[str, Callable[[], object]] = {}
    for number in sizes:
        points = torch.randn(1, number, 3, device=device)
        count = min(512, number)
        centres = ops.gather(points, ops.fps(points, count))
        other = torch.randn_like(points)
        rows[f"{number}: fps {count}"] = lambda points=points, count=count: ops.fps(points, count)
        if device.type == "cpu" and importlib.util.find_spec("fpsample"):
            import fpsample

            rows[f"{number}:   fpsample, exact"] = lambda points=points, count=count: fpsample.fps_sampling(
                points[0].numpy(), count, start_idx=0
            )
        for name, query in ((f"{count} centres", centres), ("all points", points)):
            pair = (query, points, 16)
            rows[f"{number}: knn 16 of {name}"] = lambda pair=pair: ops.knn(*pair)
            if device.type == "cpu":
                rows[f"{number}:   SciPy, tree and {name}"] = lambda pair=pair: scipy_knn(*pair)
        pair = (points.clone(), other)
        rows[f"{number}: chamfer-L2, with gradient"] = lambda pair=pair: chamfer_with_gradient(*pair)
        if device.type == "cpu":
            rows[f"{number}:   SciPy, two trees, no gradient"] = lambda points=points, other=other: (
                scipy_knn(points, other, 1),
                scipy_knn(other, points, 1),
            )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    device = torch.device(options.device)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    start = time.perf_counter()
    for k in (1, 3):
        some = torch.randn(1, 1000, 3, device=device)
        ops.knn(some, ops.gather(some, ops.fps(some, 100)), k)
    print(f"compiled or read from the cache in {time.perf_counter() - start:.1f} s")
    points = torch.randn(options.clouds, options.points, 3, device=device)
    points /= points.norm(dim=-1).amax(1)[:, None, None]
    centres, coarse = points[:, :256], points[:, :64]
    maps = torch.randn(options.clouds, 3, options.channels, 14, 14, device=device)
    frame = view_frame(points, AXIS_VIEWS)
    pixels = frame.pixels(centres)
    groups = torch.randn(64 * options.clouds, 8, 3, device=device)
    other = groups.flip(0)
    rows: dict[str, Callable[[], object]] = {
        "fps 256": lambda: ops.fps(points, 256),
        "knn 256 x 16": lambda: ops.knn(centres, points, 16),
        "  all distances at once": lambda: plain_knn(centres, points, 16),
        "tokenise (256, 128, 32)": lambda: tokenise(points, (256, 128, 32), (16, 8, 8)),
        "three-NN interpolation to all points": lambda: ops.three_nn_interpolate(points, coarse, coarse),
        "chamfer-L2 of groups of 8, with gradient": lambda: chamfer_with_gradient(groups, other),
        "  by a matrix": lambda: matrix_chamfer(groups, other),
        "project, 3 views, sum": lambda: project(points),
        "  all 25 pixels scattered": lambda: painted_blocks(points),
        "project, 3 views, nearest": lambda: project(points, depth="nearest"),
        "lift to 256 centres": lambda: lift(maps, centres, frame),
        "  grid_sample": lambda: sampled(maps, pixels),
        "  whole map enlarged": lambda: enlarged(maps, pixels),
    }
    rows = single_clouds(options.growth, device) | rows
    matrix = torch.randn(1024, 1024, device=device)
    rate = 2 * 1024**3 / 1e6 / milliseconds(lambda: matrix @ matrix, device, options.repeats)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"{where}, {torch.get_num_threads()} threads, {rate:.0f} GFLOP/s, torch {torch.__version__}")
    about = f"{options.clouds} clouds of {options.points} points, {options.channels} channels"
    print(f"{about}; median of {options.repeats}, in ms")
    for name, call in rows.items():
        print(f"{name:40s} {milliseconds(call, device, options.repeats):9.1f}", flush=True)


if __name__ == "__main__":
    main()
