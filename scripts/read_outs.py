"""What read-outs and averages over copies are worth to a linear SVM on clouds that an encoder never saw.

    python scripts/read_outs.py tiny small --data modelnet40.npz --up z

Fitted on 3000 training clouds and scored on 1969 others, those of ``scripts/evidence.py --judge held-out``; C by
cross-validation on the 3000. Each encoder stands beside its untrained twin. Encoders that were pre-trained on these
clouds do not belong here: what they remember of them would count.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import tyro
from evidence import WHOLE, Judge

import i2pmae
from i2pmae.data.open.source import open_clouds
from i2pmae.encoders.base import EncoderModel
from i2pmae.encoders.pooling import Pooling
from i2pmae.evaluation.features import embed_set
from i2pmae.weights.encoder import Encoder

WIDER: Pooling = "levels:mean|max|deviation"


@dataclass(frozen=True)
class Options:
    """What is read out, on what."""

    encoders: tyro.conf.Positional[tuple[str, ...]]
    """Names, run folders or weights folders."""
    data: str
    """ModelNet40 with its official split."""
    up: Literal["y", "z"] = "y"
    """Axis that points up."""
    copies: int = 4
    """Of each cloud, whose vectors are averaged."""


def main() -> None:
    """Print a table, a line as soon as it is known."""
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(1)
    judge = Judge.of(open_clouds(options.data, up=options.up, points=1024, shown=False), "held-out")
    names = [f"`{kind}`".replace("|", "\\|") for kind in (WHOLE, WIDER)]
    print(f"| encoder | {names[0]} | {names[1]} | {options.copies} copies | both |")
    print("| --- | --- | --- | --- | --- |")
    for name in options.encoders:
        encoder = i2pmae.load(name, device="cpu")
        for title, one in ((f"{name}, untrained", untrained_twin(encoder)), (name, encoder)):
            plain, both = (
                embed_set(one.read_out(WIDER), judge.clouds, copies=n, shown=False) for n in (1, options.copies)
            )
            narrow = _narrow(one)
            scores = judge.svm(plain[:, narrow]), judge.svm(plain), judge.svm(both[:, narrow]), judge.svm(both)
            print(f"| {title} | " + " | ".join(f"{score:.1%}" for score in scores) + " |", flush=True)


def _narrow(encoder: Encoder) -> np.ndarray:
    """Which channels of the wider read-out are those of the narrower: mean and maximum of each level."""
    starts = 3 * np.cumsum((0, *encoder.model.encoder.widths))
    return np.concatenate(
        [start + np.arange(2 * width) for start, width in zip(starts, encoder.model.encoder.widths, strict=False)]
    )


def untrained_twin(encoder: Encoder) -> Encoder:
    """An encoder of the same sizes with initial weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Encoder(EncoderModel(encoder.model.encoder.config), encoder.record, "cpu")


if __name__ == "__main__":
    main()
