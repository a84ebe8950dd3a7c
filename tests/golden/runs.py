"""The golden runs: small recipes through the real commands, on built-in shapes, on the CPU, in fp32, on one thread.

This is the only module of the golden tests that knows the package. Whoever moves things edits the builders here and
leaves the stored numbers alone: that they stay equal is what proves the move neutral. Each run starts from a named
recipe, whose own values it stores too, and changes what makes it short and calm.

===================  ===================================================================================================
run                  what it fixes
===================  ===================================================================================================
i2p-mae              recipe ``tiny``: embedded teacher on every augmented batch, standardised guidance, both losses
i2p-mae-cached       the same with the teacher's maps made once per cloud, as the recipe has it
i2p-mae-paper        guidance and targets of the paper: raw saliency, raw features; gradients of two batches per step
point-m2ae           recipe ``point-m2ae-tiny``: the hierarchical model without a teacher
point-mae            recipe ``point-mae-tiny``
point-bert-words     recipe ``point-bert-tiny``, stage one: the discrete VAE
point-bert           the same run, stage two, which starts from that VAE
finetune             recipe ``own`` from initial weights of the hierarchical encoder, 44 classes
finetune-plain       the same from the weights of an encoder of one level, with layer decay and label smoothing
segment              recipe ``tiny``, hierarchical encoder: thirds of the height as parts, 4 shape classes as categories
segment-plain        the same from the weights of an encoder of one level
fewshot              recipe ``own``: encoder and head trained on one fold of 5 ways
fewshot-linear       the same with an SVM on frozen features of an encoder of one level
===================  ===================================================================================================
"""

import csv
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from i2pmae import fewshot, finetune, load, load_predictor, make_shapes, pretrain, recipe, segment
from i2pmae.common.config import Config
from i2pmae.data.shapes import CATEGORIES
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.point_bert import VOCABULARY
from i2pmae.methods.point_bert.config import StageOneConfig
from i2pmae.runs.config import OutputConfig
from i2pmae.runs.record import RunRecord
from i2pmae.weights.store import load_kind
from tests.golden.records import GoldenRecord, digest

__all__ = ["PERTURBED", "RUNS"]

Changes = Mapping[str, Any]
"""Values of configuration fields by dotted name, such as ``optimiser.learning_rate``."""

POINTS = 1024
CALM: Changes = {"learning_rate": 1e-5, "clip_norm": 1e-4, "weight_decay": 100.0}
"""Optimisation that doesn't blow up rounding. AdamW turns the sign of a gradient that is nothing but rounding into a
whole step, and large steps make another path of it: with the recipes' rates the fifth loss depends on the processor by
1 %. Clipped to 1e-4 such gradients vanish beside AdamW's eps of 1e-8, small steps keep the rest near; the decay
is as large as it must be to be noticed in so small steps. The recipes' own values are stored as such."""
PLACE: Changes = {
    "device": "cpu",
    "precision": "fp32",
    "report": False,
    "data.points": POINTS,
    **{f"optimiser.{name}": value for name, value in CALM.items()},
}
RECIPE: Mapping[str, str] = {
    "learning rate": "training.optimiser.learning_rate",
    "first learning rate": "training.optimiser.start_rate",
    "last learning rate": "training.optimiser.final_rate",
    "weight decay": "training.optimiser.weight_decay",
    "warm-up epochs": "training.optimiser.warmup_epochs",
    "largest gradient norm": "training.optimiser.clip_norm",
    "epochs": "training.epochs",
    "batch size": "training.batch_size",
    "points": "data.points",
}
"""Values of a recipe that are stored, since the runs have others."""
SHORT: Changes = PLACE | {
    "probe": False,
    "batch_size": 8,
    "epochs": 3,
    "data.clouds": 20,
}
"""16 training clouds: 6 steps, the first of them in the warm-up of tiny recipes."""
TASK: Changes = PLACE | {"model": "tiny", "input_points": POINTS, "optimiser.warmup_epochs": 0.5}
"""Downstream runs; each is validated once, after its last epoch, so that no near tie chooses the weights."""
KINDS, ROUNDS = 4, 8
"""Shape classes of the clouds with parts, and clouds of each."""
NOT_COMPARED = ("step", "epoch", "total", "seconds", "clouds_per_second")
"""Columns of metrics.csv that say how long it took, or nothing new."""


@contextmanager
def _run_folder() -> Iterator[Path]:
    """A folder for a run, on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    finally:
        torch.set_num_threads(threads)


def _values(config: Config) -> dict[str, float]:
    """The recipe's own values, those that are chosen from the data left out."""
    found = {}
    for name, field in RECIPE.items():
        value: Any = config
        for part in field.split("."):
            value = getattr(value, part)
        found |= {} if value in (None, "auto") else {name: float(value)}
    return found


def _steps(folder: Path) -> dict[str, list[float]]:
    """The columns of metrics.csv, and the losses on validation clouds where there are any."""
    found = {name: values for name, values in _columns(folder / "metrics.csv").items() if name not in NOT_COMPARED}
    validation = folder / "validation.csv"
    return found | ({"validation loss": _columns(validation)["loss"]} if validation.exists() else {})


def _columns(path: Path) -> dict[str, list[float]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


@cache
def _fixed_clouds() -> np.ndarray:
    """``(4, points, 3)``: clouds that no run trains on."""
    return make_shapes(4, POINTS, split="val", seed=1).points


def _embedding(folder: Path) -> dict[str, list[float]]:
    return digest(load(folder, device="cpu").embed(_fixed_clouds()))


def _prediction(folder: Path) -> dict[str, list[float]]:
    """Probabilities of classes, or of every point's parts."""
    predictor, clouds = load_predictor(folder, device="cpu"), _fixed_clouds()
    told = {"category": predictor.categories} if "category" in predictor.options else {}
    return digest(predictor.predict(clouds, **told).probabilities)


def _pretrained(name: str, **changes: Any) -> GoldenRecord:
    whole = recipe(name)
    with _run_folder() as folder:
        pretrain(whole.changed(SHORT | {"output": folder} | changes), shown=False)
        return GoldenRecord(_values(whole), _steps(folder), {"embedding": _embedding(folder)})


@cache
def _point_bert() -> tuple[GoldenRecord, GoldenRecord]:
    """Both stages of one run."""
    whole = recipe("point-bert-tiny")
    calm = {f"bert.vae.optimiser.{name}": value for name, value in CALM.items()}
    with _run_folder() as folder:
        pretrain(whole.changed(SHORT | calm | {"output": folder, "bert.vae.batch_size": 8}), shown=False)
        vae = load_kind(folder / "dvae", VOCABULARY)
        with torch.no_grad():
            logits = vae.logits(vae.tokenise(torch.from_numpy(_fixed_clouds()))).mean(1).numpy()
        first = _values(_stage_one(whole))
        words = GoldenRecord(first, _steps(folder / "dvae"), {"logits of words": digest(logits)})
        return words, GoldenRecord(_values(whole), _steps(folder), {"embedding": _embedding(folder)})


def _stage_one(whole: PretrainConfig) -> StageOneConfig:
    """The run of stage one that a recipe makes."""
    own = whole.method.bert.vae
    training = whole.training.changed(
        epochs=own.epochs or whole.training.epochs, batch_size=own.batch_size, optimiser=own.optimiser
    )
    return StageOneConfig(
        model=whole.method.model.vae, stage=own, data=whole.data, training=training, output=OutputConfig()
    )


def _start(folder: Path) -> Path:
    """Weights of an encoder of one level after a single step, at the smallest rate of the warm-up."""
    short = SHORT | {"output": folder / "start", "epochs": 1, "data.clouds": 10, "seed": 5}
    pretrain(recipe("point-mae-tiny").changed(short), shown=False)
    return folder / "start"


def _finetuned(plain: bool = False, **changes: Any) -> GoldenRecord:
    """44 classes with 2 clouds each to train on, one of them held out; 22 test clouds."""
    whole = recipe("own", "finetune")
    short = {"epochs": 1, "batch_size": 8, "data.clouds": 110}
    with _run_folder() as folder:
        start = {"checkpoint": _start(folder), "optimiser.layer_decay": 0.7, "smoothing": 0.2} if plain else {}
        config = whole.changed(TASK | short | start | {"output": folder / "run"} | changes)
        return _task_record(whole, finetune(config, shown=False), folder / "run")


def _segmented(plain: bool = False) -> GoldenRecord:
    """4 classes with 20 clouds to train on and 8 to test with."""
    whole = recipe("tiny", "segment")
    with _run_folder() as folder:
        data = _clouds_with_parts(folder / "parts.npz")
        start = {"checkpoint": _start(folder)} if plain else {}
        short = {"data": str(data), "data.cache": folder / "cache", "epochs": 1, "batch_size": 4}
        result = segment(whole.changed(TASK | short | start | {"output": folder / "run"}), shown=False)
        return _task_record(whole, result, folder / "run")


def _task_record(whole: Config, result: RunRecord, folder: Path) -> GoldenRecord:
    digests = {"embedding": _embedding(folder), "prediction": _prediction(folder)}
    # An IoU changes with single points, hundreds of which a part has: a hundredth stands for a few that change sides.
    grain = 0.01 if result.primary == "instance_miou" else 1 / result.test_clouds
    return GoldenRecord(_values(whole), _steps(folder), digests, {result.primary: [result.score.mean, grain]})


def _clouds_with_parts(path: Path) -> Path:
    """An array file of shapes of a few classes; the part of a point is the third of the height that it lies in."""
    every = make_shapes(ROUNDS * len(CATEGORIES), POINTS)
    clouds = every.subset(every.labels < KINDS)
    height = clouds.points[..., 1]
    low, high = height.min(1, keepdims=True), height.max(1, keepdims=True)
    thirds = np.minimum((3 * (height - low) / (high - low)).astype(int), 2)
    kinds = CATEGORIES[:KINDS]
    np.savez(
        path,
        points=clouds.points,
        labels=clouds.labels,
        classes=np.array(kinds),
        split=np.where(np.arange(len(clouds)) < KINDS * (ROUNDS - 2), "train", "test"),
        part_labels=3 * clouds.labels[:, None] + thirds,
        part_names=np.array([f"{kind}/{third}" for kind in kinds for third in ("low", "middle", "high")]),
    )
    return path


def _few_shots(linear: bool = False) -> GoldenRecord:
    """One fold of 5 classes, 4 clouds each to train on and 4 to test with."""
    whole = recipe("own", "fewshot")
    short = {"data.clouds": 880, "ways": 5, "shots": 4, "queries": 4, "folds": 1}
    with _run_folder() as folder:
        chosen = {"mode": "linear", "checkpoint": _start(folder)} if linear else {"epochs": 2, "batch_size": 8}
        result = fewshot(whole.changed(TASK | short | chosen | {"output": folder / "run"}), shown=False)
        scores = {"accuracy": [result.score.mean, 1 / result.test_clouds]}
        if linear:
            return GoldenRecord(_values(whole), {}, {"embedding": _embedding(folder / "start")}, scores)
        return GoldenRecord(_values(whole), _steps(folder / "run" / "fold-0"), scores=scores)


RUNS: Mapping[str, Callable[[], GoldenRecord]] = {
    "i2p-mae": partial(_pretrained, "tiny", teacher_precision="fp32", cache_teacher=False, epochs=2),
    "i2p-mae-cached": partial(_pretrained, "tiny", teacher_precision="fp32"),
    "i2p-mae-paper": partial(
        _pretrained,
        "tiny",
        **{
            "teacher_precision": "fp32",
            "cache_teacher": False,
            "epochs": 2,
            "guidance.kind": "paper",
            "loss.targets": "raw",
            "batch_size": 4,
            "optimiser.accumulate": 2,
        },
    ),
    "point-m2ae": partial(_pretrained, "point-m2ae-tiny"),
    "point-mae": partial(_pretrained, "point-mae-tiny"),
    "point-bert-words": lambda: _point_bert()[0],
    "point-bert": lambda: _point_bert()[1],
    "finetune": _finetuned,
    "finetune-plain": partial(_finetuned, plain=True),
    "segment": _segmented,
    "segment-plain": partial(_segmented, plain=True),
    "fewshot": _few_shots,
    "fewshot-linear": partial(_few_shots, linear=True),
}
"""Every golden run by name."""

PERTURBED: Mapping[str, tuple[str, Callable[[], GoldenRecord]]] = {
    "1 % more learning rate": (
        "point-mae",
        partial(_pretrained, "point-mae-tiny", **{"optimiser.learning_rate": 1.01 * CALM["learning_rate"]}),
    ),
    "10 % more weight decay": (
        "point-mae",
        partial(_pretrained, "point-mae-tiny", **{"optimiser.weight_decay": 1.1 * CALM["weight_decay"]}),
    ),
    "another seed": ("point-mae", partial(_pretrained, "point-mae-tiny", seed=1)),
    "1 % wider augmentation": ("finetune", partial(_finetuned, **{"augment.scale": (0.66, 1.515)})),
}
"""Small real changes, each with the run that must no longer be equal to the stored one."""
