"""Times of the geometry and projection operations, beside the obvious way to write each.

python benchmarks/ops.py [--clouds 32] [--points 1024] [--repeats 5] [--device cpu]
"""

import argparse
import platform
import time
from collections.abc import Callable, Sequence

import torch
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
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    device = torch.device(options.device)
    torch.manual_seed(0)
    points = torch.randn(options.clouds, options.points, 3, device=device)
    points /= points.norm(dim=-1).amax(1)[:, None, None]
    centres, coarse = points[:, :256], points[:, :64]
    maps = torch.randn(options.clouds, 3, options.channels, 14, 14, device=device)
    frame = view_frame(points, AXIS_VIEWS)
    pixels = frame.pixels(centres)
    groups = torch.randn(64 * options.clouds, 8, 3, device=device)
    rows: dict[str, Callable[[], object]] = {
        "fps 256": lambda: ops.fps(points, 256),
        "knn 256 x 16": lambda: ops.knn(centres, points, 16),
        "  all distances at once": lambda: plain_knn(centres, points, 16),
        "tokenise (256, 128, 32)": lambda: tokenise(points, (256, 128, 32), (16, 8, 8)),
        "three-NN interpolation to all points": lambda: ops.three_nn_interpolate(points, coarse, coarse),
        "chamfer-L2 of groups of 8": lambda: ops.chamfer_l2(groups, groups.flip(0)),
        "project, 3 views, sum": lambda: project(points),
        "  all 25 pixels scattered": lambda: painted_blocks(points),
        "project, 3 views, nearest": lambda: project(points, depth="nearest"),
        "lift to 256 centres": lambda: lift(maps, centres, frame),
        "  grid_sample": lambda: sampled(maps, pixels),
        "  whole map enlarged": lambda: enlarged(maps, pixels),
    }
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    about = f"{options.clouds} clouds of {options.points} points, {options.channels} channels"
    print(f"{about}; median of {options.repeats}, in ms")
    for name, call in rows.items():
        print(f"{name:40s} {milliseconds(call, device, options.repeats):9.1f}", flush=True)


if __name__ == "__main__":
    main()
