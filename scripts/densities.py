"""What becomes of embeddings where clouds have fewer or more points than those an encoder was pre-trained on.

    python scripts/densities.py tiny

Built-in shapes of 4096 points, of which a cloud keeps a random part: 1600 to fit a linear SVM, 400 to score, the same
for all columns. Each encoder stands beside its untrained twin, in three lines: fitted at the density that is scored,
fitted at 1024 points alone, and fitted on training clouds of all densities mixed. C is 0.03 for all, about what
cross-validation chooses for the encoder in the package at each density by itself.
"""

from dataclasses import dataclass

import numpy as np
import torch
import tyro
from read_outs import untrained_twin

import i2pmae
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.data.shapes import make_splits
from i2pmae.evaluation.features import embed_set
from i2pmae.evaluation.probe import probe_features
from i2pmae.weights.encoder import Encoder

COUNTS = {"train": 1600, "test": 400}
DENSITIES = (256, 512, 1024, 2048, 4096)
C = 0.03
USUAL = 1024
"""Points of the clouds that the weights in the package were pre-trained on."""


@dataclass(frozen=True)
class Options:
    """Which encoders."""

    encoders: tyro.conf.Positional[tuple[str, ...]]
    """Names, run folders or weights folders."""
    seed: int = 0
    """Of shapes, and of what is kept of them."""


def main() -> None:
    """Print a table, a line as soon as it is known."""
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(1)
    shapes = make_splits(COUNTS, max(DENSITIES), seed=options.seed)
    thinned = {count: _thinned(shapes, count, options.seed) for count in DENSITIES}
    print("| encoder | fitted at | " + " | ".join(map(str, DENSITIES)) + " |\n" + "| --- " * (2 + len(DENSITIES)) + "|")
    for name in options.encoders:
        encoder = i2pmae.load(name, device="cpu")
        for title, one in ((f"{name}, untrained", untrained_twin(encoder)), (name, encoder)):
            for fitted, scores in _scores(one, thinned).items():
                line = " | ".join(f"{score:.1%}" for score in scores)
                print(f"| {title} | {fitted} | {line} |", flush=True)


def _thinned(shapes: CloudSet, count: int, seed: int) -> CloudSet:
    """The clouds with ``count`` of their points, in the order of a generator of their own."""
    points = np.asarray(shapes.points)
    kept = [numpy_generator(seed, "thinned", row).permutation(points.shape[1])[:count] for row in range(len(points))]
    return CloudSet(
        np.take_along_axis(points, np.stack(kept)[..., None], axis=1),
        shapes.ids,
        labels=shapes.labels,
        classes=shapes.classes,
        splits=shapes.splits,
    )


def _scores(encoder: Encoder, thinned: dict[int, CloudSet]) -> dict[str, list[float]]:
    """The accuracy at each density, by what the SVM was fitted at."""
    features = {count: embed_set(encoder, clouds, shown=False) for count, clouds in thinned.items()}
    clouds = thinned[USUAL]
    assert clouds.splits is not None and clouds.labels is not None
    train, test, labels = clouds.splits == "train", clouds.splits == "test", clouds.labels
    mixed = np.choose(np.arange(len(labels))[:, None] % len(DENSITIES), [features[count] for count in DENSITIES])

    def accuracy(fitted: np.ndarray, scored: np.ndarray) -> float:
        return probe_features("svm", fitted[train], labels[train], scored[test], labels[test], values=(C,)).accuracy

    return {
        "the same": [accuracy(found, found) for found in features.values()],
        str(USUAL): [accuracy(features[USUAL], found) for found in features.values()],
        "all, mixed": [accuracy(mixed, found) for found in features.values()],
    }


if __name__ == "__main__":
    main()
