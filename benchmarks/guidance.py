"""How strongly each form of guidance prefers salient tokens: chances of the most and the least salient to stay visible.

python benchmarks/guidance.py [--teacher embedded] [--data shapes] [--up y] [--clouds 64] [--draws 500]
"""

import argparse
from collections.abc import Sequence

import torch

from i2pmae.data.sources import open_source
from i2pmae.encoders.masking import guidance_logits, sample_visible, visible_count
from i2pmae.encoders.tokenizer import point_indices, tokenise
from i2pmae.ops import gather
from i2pmae.projection.config import ProjectionConfig
from i2pmae.projection.lift import lift
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.maps import look

TOKENS, EXTREMES = 64, 8
FORMS = (("random", 1.0), ("paper", 1.0), ("standardised", 2.0), ("standardised", 1.0), ("standardised", 0.5))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--teacher", default="embedded")
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--up", choices=("x", "y", "z"), help="the axis that points up; that of the data where absent")
    parser.add_argument("--clouds", type=int, default=64)
    parser.add_argument("--mask-ratio", type=float, default=0.8)
    parser.add_argument("--draws", type=int, default=500, help="masks that the chances are counted on")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    clouds = open_source(options.data, points=1024, up=options.up, shown=False)
    rows = torch.linspace(0, len(clouds) - 1, options.clouds).long().numpy()
    points = torch.as_tensor(clouds.points[rows])
    teacher = load_teacher(options.teacher)
    maps, frame, _ = look(teacher, points, ProjectionConfig())
    hierarchy = tokenise(points, (512, 256, TOKENS), (16, 8, 8))
    centres = gather(points, point_indices(hierarchy, -1))
    saliency = lift(maps.saliency[:, :, None], centres, frame).mean((2, 3))
    order = saliency.argsort(1)
    print(
        f"{options.clouds} clouds of {clouds.name}, teacher {teacher.name}, {TOKENS} tokens, {options.draws} draws each"
    )
    spread = saliency.std(1).mean()
    print(f"saliency of the tokens: {saliency.min():.5f} to {saliency.max():.5f}, mean deviation {spread:.5f}")
    print(f"guidance          temperature  {EXTREMES} most salient  {EXTREMES} least salient")
    count = visible_count(TOKENS, options.mask_ratio)
    rng = torch.Generator().manual_seed(0)
    for kind, temperature in FORMS:
        logits = guidance_logits(saliency, kind, temperature)  # type: ignore[arg-type]
        chance = torch.stack([sample_visible(logits, count, rng) for _ in range(options.draws)]).float().mean(0)
        ranked = chance.gather(1, order)
        print(
            f"{kind:17s} {temperature:11.1f} {ranked[:, -EXTREMES:].mean():15.3f} {ranked[:, :EXTREMES].mean():16.3f}"
        )


if __name__ == "__main__":
    main()
