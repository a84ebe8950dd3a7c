"""How strongly each form of guidance prefers salient tokens, and how much denser sampling makes them there.

For each kind of saliency and each of its units: chances of the most and the least salient tokens to stay visible. For
each power of saliency in sampling: the share of the finest tokens that lie at the most salient quarter of the points,
and how far a point is from the nearest token at most.

python benchmarks/guidance.py [--teacher embedded] [--data shapes] [--up y] [--clouds 64] [--draws 500]
"""

import argparse
from collections.abc import Sequence
from typing import get_args

import torch

from i2pmae.data.open.source import open_clouds
from i2pmae.encoders.config import GuidanceKind
from i2pmae.encoders.masking import guidance_logits, sample_visible, visible_count
from i2pmae.encoders.saliency import sampling_weight
from i2pmae.encoders.tokenizer import point_indices, tokenise
from i2pmae.methods.config import SaliencyKind
from i2pmae.methods.saliency import point_saliency
from i2pmae.ops import squared_distances
from i2pmae.projection.config import ProjectionConfig
from i2pmae.teachers.lessons import Projected
from i2pmae.teachers.loading import load_teacher

COUNTS, SIZES, EXTREMES = (512, 256, 64), (16, 8, 8), 8
FORMS: tuple[tuple[GuidanceKind, float], ...] = (
    ("random", 1.0),
    ("paper", 1.0),
    *((kind, temperature) for kind in ("standardised", "log", "rank") for temperature in (2.0, 1.0, 0.5)),
)
ALPHAS = (0.0, 0.25, 0.5, 1.0, 2.0)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", default="embedded")
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--up", choices=("x", "y", "z"), help="the axis that points up; that of the data where absent")
    parser.add_argument("--clouds", type=int, default=64)
    parser.add_argument("--mask-ratio", type=float, default=0.8)
    parser.add_argument("--draws", type=int, default=500, help="masks that the chances are counted on")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    clouds = open_clouds(options.data, points=1024, up=options.up, shown=False)
    rows = torch.linspace(0, len(clouds) - 1, options.clouds).long().numpy()
    points = torch.as_tensor(clouds.points[rows])
    teacher = load_teacher(options.teacher)
    lesson = Projected(teacher, ProjectionConfig()).teach(points)
    of_points = {kind: point_saliency(lesson, points, kind) for kind in get_args(SaliencyKind)}
    print(
        f"{options.clouds} clouds of {clouds.name}, teacher {teacher.name}, {COUNTS[-1]} tokens, "
        f"{options.draws} draws each"
    )
    top = point_indices(tokenise(points, COUNTS, SIZES), -1)
    for kind, saliency in of_points.items():
        masks(kind, saliency.gather(1, top), options.mask_ratio, options.draws)
    for kind, saliency in of_points.items():
        samples(kind, points, saliency)


def masks(name: SaliencyKind, saliency: torch.Tensor, mask_ratio: float, draws: int) -> None:
    order = saliency.argsort(1)
    spread = saliency.std(1).mean()
    print(f"\n{name} of the tokens: {saliency.min():.5f} to {saliency.max():.5f}, mean deviation {spread:.5f}")
    print(f"guidance          temperature  {EXTREMES} most salient  {EXTREMES} least salient")
    count = visible_count(saliency.shape[1], mask_ratio)
    rng = torch.Generator().manual_seed(0)
    for kind, temperature in FORMS:
        logits = guidance_logits(saliency, kind, temperature)
        chance = torch.stack([sample_visible(logits, count, rng) for _ in range(draws)]).float().mean(0)
        ranked = chance.gather(1, order)
        print(
            f"{kind:17s} {temperature:11.1f} {ranked[:, -EXTREMES:].mean():15.3f} {ranked[:, :EXTREMES].mean():16.3f}"
        )


def samples(name: SaliencyKind, points: torch.Tensor, saliency: torch.Tensor) -> None:
    most = saliency >= saliency.quantile(0.75, dim=1, keepdim=True)
    print(f"\nsampling by {name}: {COUNTS[0]} of {points.shape[1]} points")
    print("alpha  of the most salient quarter  of all tokens  farthest point from a token")
    for alpha in ALPHAS:
        finest = tokenise(points, COUNTS, SIZES, sampling_weight(saliency, alpha))[0]
        taken = most.gather(1, finest.origin).float()
        share = taken.sum() / most.sum()
        farthest = squared_distances(points, finest.centres).amin(2).amax(1).sqrt().mean()
        print(f"{alpha:5.2f} {share:28.3f} {taken.mean():14.3f} {farthest:28.3f}")


if __name__ == "__main__":
    main()
