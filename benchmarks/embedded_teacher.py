"""Is the embedded teacher worth having? A linear probe on what teachers say about depth maps of held-out shapes.

    python benchmarks/embedded_teacher.py --vit FOLDER [--data SET.npz --up z] [--skip-shapes]

Compares the embedded teacher, its twin with random weights and, where ``--vit`` gives its folder, the ImageNet ViT that
it learnt from: on the built-in shapes, and on a labelled set (``x_train, y_train, x_test, y_test``). Each cloud is seen
in the paper's three summed depth maps. Two descriptions of a cloud, both concatenated over its views: the mean of the
patch features, and [CLS] beside that mean. The probe is a linear SVM on standardised descriptions; its C is chosen by
5-fold cross-validation on the training clouds, and the test clouds are scored once. With ``--vit``, also how close the
embedded teacher's maps are to the ViT's on the test clouds; saliency is compared on the cells where the object is,
because attention has strong spots in empty corners.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from i2pmae.common.progress import track
from i2pmae.data.shapes import make_shapes
from i2pmae.evaluation.probe import linear_probe
from i2pmae.projection.rasterise import project
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.vision import VisionTeacher


class LabelledClouds(NamedTuple):
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def built_in(train: int, test: int) -> LabelledClouds:
    """Built-in shapes from a seed that the distillation did not use."""
    first, second = (make_shapes(n, 1024, split=s, seed=2024) for n, s in ((train, "train"), (test, "test")))
    return LabelledClouds(first.points, first.labels, second.points, second.labels)


def from_file(path: Path, up: str, train: int, test: int) -> LabelledClouds:
    """A random part of a labelled set, turned so that y points up."""
    with np.load(path) as arrays:
        values = [np.asarray(arrays[name]) for name in LabelledClouds._fields]
    generator = np.random.default_rng(0)
    for first, wanted in ((0, train), (2, test)):
        rows = generator.permutation(len(values[first]))[:wanted]
        values[first], values[first + 1] = values[first][rows].astype(np.float32), values[first + 1][rows].reshape(-1)
        if up == "z":
            values[first] = np.stack([values[first][..., 0], values[first][..., 2], -values[first][..., 1]], -1)
    return LabelledClouds(*values)


@torch.no_grad()
def describe(teacher: VisionTeacher, clouds: np.ndarray, name: str) -> dict[str, np.ndarray]:
    """The two descriptions of each cloud."""
    kept: list[torch.Tensor] = []
    hook = teacher._model.layernorm.register_forward_hook(lambda _, __, tokens: kept.append(tokens[:, 0].float()))
    means = []
    for start in track(range(0, len(clouds), 16), name):
        images = project(torch.from_numpy(clouds[start : start + 16]).float()).images
        features = teacher(images.flatten(0, 1)[:, None]).features.mean((2, 3))
        means.append(features.view(len(images), -1))
    hook.remove()
    mean = torch.cat(means)
    return {
        "mean": mean.numpy(),
        "[CLS] + mean": torch.cat([torch.cat(kept).view(len(mean), -1), mean], 1).numpy(),
    }


def agreement(student: VisionTeacher, vit: VisionTeacher, clouds: np.ndarray, count: int = 100) -> tuple[float, ...]:
    """R² and cosine of the features about the ViT's channel means, and the correlation of the saliencies on the object,
    within an image, averaged over images."""
    images = project(torch.from_numpy(clouds[:count]).float()).images.flatten(0, 1)[:, None]
    mine, theirs = (
        [torch.cat(parts) for parts in zip(*(teacher(part) for part in images.split(48)), strict=True)]
        for teacher in (student, vit)
    )
    got, wanted = (maps[0].transpose(0, 1).flatten(1).T for maps in (mine, theirs))
    mean = wanted.mean(0)
    r2 = 1 - float((got - wanted).square().sum() / (wanted - mean).square().sum())
    cosine = float(torch.cosine_similarity(got - mean, wanted - mean).mean())
    painted = F.adaptive_max_pool2d((images - 0.5).abs(), mine[1].shape[-1])[:, 0] > 1e-3
    pairs = [(a[on], b[on]) for a, b, on in zip(mine[1], theirs[1], painted, strict=True) if on.sum() > 3]
    return r2, cosine, float(np.mean([np.corrcoef(a.numpy(), b.numpy())[0, 1] for a, b in pairs]))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vit", type=Path, help="folder of the ImageNet ViT")
    parser.add_argument("--data", type=Path, help=".npz with x_train, y_train, x_test, y_test")
    parser.add_argument("--up", choices=("y", "z"), default="y", help="the axis that points up in --data")
    parser.add_argument("--skip-shapes", action="store_true", help="leave the built-in shapes out")
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=1000)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    sets = {} if options.skip_shapes else {"built-in shapes": built_in(options.train, options.test)}
    if options.data:
        sets[options.data.stem] = from_file(options.data, options.up, options.train, options.test)
    teachers = {"random-weight twin": load_teacher("random:embedded"), "embedded": load_teacher("embedded")}
    if options.vit:
        teachers["ImageNet ViT"] = load_teacher(options.vit)
    print("| clouds | teacher | description | test accuracy | C | seconds for all maps |\n|---|---|---|---|---|---|")
    for set_name, clouds in sets.items():
        for name, teacher in teachers.items():
            start = time.perf_counter()
            train = describe(teacher, clouds.x_train, f"{name}, training clouds")
            test = describe(teacher, clouds.x_test, f"{name}, test clouds")
            seconds = time.perf_counter() - start
            for kind in train:
                result = linear_probe(train[kind], clouds.y_train, test[kind], clouds.y_test)
                row = (f"{set_name} ({len(clouds.y_train)}/{len(clouds.y_test)})", name, kind)
                print(
                    f"| {' | '.join(row)} | {result.accuracy:.1%} | {result.selected['C']:g} | {seconds:.0f} |",
                    flush=True,
                )
    if options.vit:
        print("\n| clouds | feature R² | feature cosine | saliency correlation on the object |\n|---|---|---|---|")
        for set_name, clouds in sets.items():
            r2, cosine, correlation = agreement(teachers["embedded"], teachers["ImageNet ViT"], clouds.x_test)
            print(f"| {set_name} | {r2:.2f} | {cosine:.2f} | {correlation:.2f} |", flush=True)


if __name__ == "__main__":
    main()
