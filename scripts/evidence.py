"""Comparisons of pre-training on ModelNet40 at equal time, one record per comparison: docs/results.md is made of them.

    python scripts/evidence.py objectives --data modelnet40.npz --up z --teacher FOLDER --output runs/evidence

FOLDER is ViT-Ti/16 of ImageNet (vit_tiny_patch16_224) as Hugging Face stores it. Where a trained student teaches,
``--student`` is its run: one of `longer`, with ``--keep``, or that of `small` by scripts/shipped_weights.sh, so one row
of these at a time (``--rows``). Every row is a recipe with changes, pre-trained on a share of the training clouds
without their labels, once for each seed, and judged on frozen features: a linear SVM (for every read-out) and nearest
neighbours, both fitted on 3000 training clouds, and 5-way 10-shot tasks. ``--judge held-out`` scores 1969 training
clouds that nothing was fitted on, for whatever is to be chosen; ``test`` the test clouds. C and k come from cross-
validation on the clouds that are fitted on. What is done already is not done again: the same command goes on. One
thread; seconds are of the processor, so that programs beside it don't count.
"""

import hashlib
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro

import i2pmae
from i2pmae.commands.variants import parse_variant
from i2pmae.common.files import write_text
from i2pmae.common.progress import say
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.data.open.source import open_clouds
from i2pmae.encoders.base import PointModel
from i2pmae.encoders.pooling import Pooling
from i2pmae.evaluation.features import embed_set
from i2pmae.evaluation.folds import few_shot_folds
from i2pmae.evaluation.probe import probe_features
from i2pmae.methods import METHODS
from i2pmae.methods.base import Setting
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig
from i2pmae.methods.task import PretrainTask
from i2pmae.runs.record import RunRecord, Score, describe_run
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.maps import look
from i2pmae.training.hooks.base import Hook
from i2pmae.training.task import Task
from i2pmae.weights.encoder import Encoder
from i2pmae.weights.record import ModelRecord

FITTED, HELD = 3000, 1969
"""Training clouds that an SVM is fitted on, and others that are scored where something is to be chosen."""
WHOLE: Pooling = "levels:mean|max"
VECTORS = "vectors@teacher="
"""What the recipe of a row begins with that is a 2D model's own vectors, without any learning from clouds."""
OWN, OWN_RANDOM = "the teacher's own vectors", "a random teacher's own vectors"
SHUFFLED = "weights of the package, labels shuffled"
"""Rows that are not trained, once each."""


@dataclass(frozen=True)
class Row:
    """One line of a table: what is pre-trained, and for how many epochs of the share."""

    name: str
    """What to call it."""
    recipe: str
    """RECIPE@field=value,…; TEACHER stands for the teacher's folder, STUDENT for the run of a trained student."""
    epochs: int
    """Passes over the share; 0 for initial weights."""
    share: float = 0.25
    """Of the training clouds."""


THEN = "tiny@whole.regression=1,whole.contrast=0.1,whole.others=512"
"""The recipe ``best`` as it was when these were compared, and what their rows mean by it. The one of today came out of
:data:`DENSE`: left out and standardised, in batches of 16."""
OBJECTIVES = (
    Row("untrained", f"{THEN},teacher=TEACHER", 0),
    Row("untrained, one level", "point-mae-tiny", 0),
    Row("Point-MAE", "point-mae-tiny", 6),
    Row("Point-BERT", "point-bert-tiny", 2),
    Row("Point-M2AE", "point-m2ae-tiny", 5),
    Row("I2P-MAE as published", "tiny@teacher=TEACHER", 4),
    Row("+ regression of views", "tiny@teacher=TEACHER,whole.regression=1", 4),
    Row("+ contrast of views", "tiny@teacher=TEACHER,whole.contrast=0.1,whole.others=512", 4),
    Row("+ both (best)", f"{THEN},teacher=TEACHER", 4),
    Row("best, random masks", f"{THEN},teacher=TEACHER,guidance.kind=random", 4),
    Row("best, embedded teacher", f"{THEN},teacher=embedded", 4),
    Row("best, random teacher", f"{THEN},teacher=random:TEACHER", 4),
    Row("best, vectors alone", f"{THEN},teacher=TEACHER,loss.semantics=0,loss.coordinates=0,guidance.kind=random", 5),
    Row(OWN, f"{VECTORS}TEACHER", 0),
    Row(OWN_RANDOM, f"{VECTORS}random:TEACHER", 0),
    Row(SHUFFLED, "tiny", 0),
)
LONGER = (
    *(
        replace(row, epochs=6, share=1.0)
        for row in OBJECTIVES
        if row.name in ("I2P-MAE as published", "+ both (best)", "best, random teacher")
    ),
    Row("+ both (best), 1 % of the clouds, as many steps", f"{THEN},teacher=TEACHER", 614, 0.01),
)
SHARES = tuple(
    Row(f"{share:.0%}", f"{THEN},teacher=TEACHER", round(1 / share), share)
    for share in (0.01, 0.05, 0.1, 0.3, 0.6, 1.0)
)
BEST = Row("best", f"{THEN},teacher=TEACHER", 4)
"""What the rows of a comparison change."""
MASKS = (
    BEST,
    Row("random masks", f"{THEN},teacher=TEACHER,guidance.kind=random", 4),
    *(Row(f"mask ratio {ratio}", f"{THEN},teacher=TEACHER,model.mask_ratio={ratio}", 4) for ratio in (0.6, 0.7, 0.9)),
    Row("guidance by rank", f"{THEN},teacher=TEACHER,guidance.kind=rank", 4),
    Row("guidance by logarithm", f"{THEN},teacher=TEACHER,guidance.kind=log", 4),
    Row("guidance, temperature 0.5", f"{THEN},teacher=TEACHER,guidance.temperature=0.5", 4),
    Row("guidance by length of features", f"{THEN},teacher=TEACHER,guidance.saliency=feature-norm", 4),
    Row("guidance by rollout", f"{THEN},teacher=TEACHER,guidance.saliency=rollout", 4),
    Row("sampling by saliency, 0.5", f"{THEN},teacher=TEACHER,sampling.alpha=0.5", 4),
)
QUICK = "precision=bf16,batch_size=16"
SIFTED = "loss.hidden='left out',loss.targets=standardised"
WIDE = "model.encoder_dims=[96,192,384],model.decoder_dims=[384,192]"
DENSE = (
    BEST,
    Row("all tokens", f"{THEN},teacher=TEACHER,loss.tokens=all", 4),
    Row("second pass", f"{THEN},teacher=TEACHER,loss.second_mask_ratio=0", 2),
    Row("hidden points left out", f"{THEN},teacher=TEACHER,loss.hidden='left out'", 4),
    Row("standardised targets", f"{THEN},teacher=TEACHER,loss.targets=standardised", 4),
    Row("cosine", f"{THEN},teacher=TEACHER,loss.targets=unit,loss.distance=cosine", 4),
    Row("64 random channels", f"{THEN},teacher=TEACHER,loss.channels=64", 4),
    Row("layers 4 and 8 too", f"{THEN},teacher=TEACHER,teacher_layers=[4,8]", 3),
    Row("every level of the decoder", f"{THEN},teacher=TEACHER,loss.levels=all", 4),
    Row("class token", f"{THEN},teacher=TEACHER,model.class_token=true", 4),
    Row("six upright views as a whole", f"{THEN},teacher=TEACHER,whole.views='orbit:6@30'", 4),
    Row("turned about the vertical axis", f"{THEN},teacher=TEACHER,turn=180", 4),
    Row("average of weights", f"{THEN},teacher=TEACHER,optimiser.average=0.99", 4),
    Row("batch 64, rate scaled", f"{THEN},teacher=TEACHER,batch_size=64,optimiser.rate_batch=32", 4),
    Row("two teachers, embedded beside", f"{THEN},teacher=TEACHER+embedded", 4),
    *(
        Row(f"a student of {what} as teacher", f"{THEN},teacher=run:STUDENT,guidance.kind=random", 4)
        for what in ("the clouds", "shapes")
    ),
    Row("left out, batches of 16, bf16", f"{THEN},teacher=TEACHER,{QUICK},loss.hidden='left out'", 4),
    Row("left out and standardised, batches of 16, bf16", f"{THEN},teacher=TEACHER,{QUICK},{SIFTED}", 4),
    Row(
        "left out, batches of 16, bf16, twice as wide",
        f"{THEN},teacher=TEACHER,{QUICK},loss.hidden='left out',{WIDE}",
        3,
    ),
)
FEW = 200 / 9843
BESIDE = (
    "shapes.catalogue=wide,shapes.assemblies=0.4,shapes.warp=0.3,shapes.partial=0.15,shapes.fewest=256,shapes_beside="
)
"""Shapes as the weights in the package have seen them, so many."""
OWN_SETS = (
    Row("200 clouds, as they come: tiny", "tiny", 0, FEW),
    *(
        Row(f"200 clouds, from initial weights, {epochs} epochs", f"{THEN},teacher=TEACHER", epochs, FEW)
        for epochs in (20, 100)
    ),
    *(
        Row(
            f"200 clouds, from tiny, {epochs} epochs at {rate}",
            f"{THEN},teacher=TEACHER,start=tiny,optimiser.learning_rate={rate}",
            epochs,
            FEW,
        )
        for epochs, rate in ((20, 1e-3), (20, 1e-4), (100, 1e-4))
    ),
    Row(
        "200 clouds, from tiny, 20 epochs at 0.0001, embedded teacher",
        f"{THEN},teacher=embedded,start=tiny,optimiser.learning_rate=0.0001",
        20,
        FEW,
    ),
    *(
        Row(
            f"a quarter of the clouds, from tiny, 4 epochs at {rate}",
            f"{THEN},teacher=TEACHER,start=tiny,optimiser.learning_rate={rate}",
            4,
        )
        for rate in (1e-3, 1e-4)
    ),
    Row("200 clouds and 2000 shapes, from initial weights, 9 epochs", f"{THEN},teacher=TEACHER,{BESIDE}2000", 9, FEW),
    Row("a quarter of the clouds, and as many shapes, 2 epochs", f"{THEN},teacher=TEACHER,{BESIDE}2461", 2),
)
CURVES = (
    Row("Point-M2AE", "point-m2ae-tiny", 12),
    Row("I2P-MAE as published", "tiny@teacher=TEACHER", 12),
    Row("best", "best@teacher=TEACHER", 12),
    Row("best, random teacher", "best@teacher=random:TEACHER", 12),
)
"""What is scored every second epoch on the way, on held-out training clouds: the test clouds are read once."""
COMPARISONS: dict[str, tuple[Row, ...]] = {
    "objectives": OBJECTIVES,
    "longer": LONGER,
    "shares": SHARES,
    "masks": MASKS,
    "dense": DENSE,
    "own-sets": OWN_SETS,
    "curves": CURVES,
}


@dataclass(frozen=True)
class Options:
    """What is compared, on what, and where it goes."""

    comparison: tyro.conf.Positional[str]
    """objectives, shares, …; or RECIPE@field=value,… for a single row."""
    data: str
    """ModelNet40 with its official split."""
    teacher: str
    """Folder of the 2D model."""
    output: Path = Path("runs/evidence")
    """Folder for runs while they last, and for what the teacher says."""
    records: Path = Path("docs/records")
    """Folder of the records."""
    up: Literal["y", "z"] = "y"
    """Axis that points up."""
    judge: Literal["test", "held-out"] = "test"
    """What is scored."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run of every row for each."""
    rows: tuple[str, ...] = ()
    """Only these rows."""
    epochs: int | None = None
    """Epochs instead of those of the rows."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """The teacher's arithmetic."""
    student: Path | None = None
    """The run of a trained student, for rows that it teaches; without it they are left out."""
    keep: bool = False
    """Keep the folders of runs."""


@dataclass(frozen=True)
class Judge:
    """What encoders are judged by: the same clouds for all."""

    clouds: CloudSet
    """Those that are fitted on, then those that are scored, as the splits say."""

    @classmethod
    def of(cls, clouds: CloudSet, scored: Literal["test", "held-out"], part: int = 1) -> "Judge":
        """Rows by a fixed seed, the same for all seeds of the runs; of ``part`` of them that are fitted on and held out
        only one."""
        train = np.flatnonzero(clouds.splits == "train")
        order = numpy_generator(0, "evidence").permutation(train)
        held = order[: HELD // part] if scored == "held-out" else np.flatnonzero(clouds.splits == "test")
        fitted = np.sort(order[HELD : HELD + FITTED // part])
        rows = np.concatenate([fitted, np.sort(held)])
        splits = np.array(["train"] * len(fitted) + ["test"] * len(held))
        chosen = clouds.subset(rows)
        return cls(CloudSet(chosen.points, chosen.ids, chosen.labels, chosen.classes, splits))

    def shuffled(self) -> "Judge":
        """The same clouds with labels that say nothing: whatever scores above chance is an error of the protocol."""
        labels = self.clouds.labels
        assert labels is not None
        return Judge(replace(self.clouds, labels=numpy_generator(1, "shuffled").permutation(labels)))

    def scores(self, encoder: Encoder) -> dict[str, Score]:
        """The score of every read-out, and of nearest neighbours and few-shot tasks for the widest."""
        every = encoder.has(WHOLE) and len(getattr(encoder.model.encoder.config, "encoder_dims", ())) > 1
        widest: Pooling = WHOLE if every else "mean|max"
        features = embed_set(encoder.read_out(widest), self.clouds, shown=False)
        width = embed_set(encoder.read_out("max"), self.clouds[:2], shown=False).shape[1]
        # The coarsest level comes last, its mean before its maximum.
        read = {"max": features[:, -width:], "mean|max": features[:, -2 * width :], widest: features}
        if encoder.has("class|max"):
            read["class|max"] = embed_set(encoder.read_out("class|max"), self.clouds, shown=False)
        return self.of_features(read)

    def of_features(self, read: dict[str, np.ndarray]) -> dict[str, Score]:
        """The scores of features that are there: by SVM for each, by the other two for the widest."""
        labels, trained = self.clouds.labels, self.clouds.splits == "train"
        assert labels is not None

        def probe(kind: str, features: np.ndarray) -> float:
            return probe_features(
                kind, features[trained], labels[trained], features[~trained], labels[~trained], folds=3
            ).accuracy

        found = {f"svm {name}": Score.of([probe("svm", features)]) for name, features in read.items()}
        widest = max(read.values(), key=lambda features: features.shape[1])
        found["knn"] = Score.of([probe("knn", widest)])
        found["5-way 10-shot"] = Score.of(self._few_shot(widest))
        return found

    def svm(self, features: np.ndarray) -> float:
        """The accuracy of a linear SVM alone."""
        labels, trained = self.clouds.labels, self.clouds.splits == "train"
        assert labels is not None
        return probe_features(
            "svm", features[trained], labels[trained], features[~trained], labels[~trained], folds=3
        ).accuracy

    def _few_shot(self, features: np.ndarray) -> list[float]:
        """The accuracy of ten folds."""
        labels = self.clouds.labels
        assert labels is not None
        found = []
        for fold in few_shot_folds(self.clouds, 5, 10, queries=10, folds=10, seed=0):
            a, b = fold.train_rows, fold.test_rows
            found.append(probe_features("svm", features[a], labels[a], features[b], labels[b]).accuracy)
        return found


class Curve(Hook):
    """Scores the student every second epoch, by SVM on its widest read-out."""

    def __init__(self, judge: Judge) -> None:
        self.judge, self.begun, self.judging = judge, time.process_time(), 0.0
        self.figures: dict[str, float] = {}

    def after_epoch(self, epoch: int, task: Task) -> None:
        """Note the accuracy, and the processor time that training has taken so far."""
        assert isinstance(task, PretrainTask)
        if epoch % 2:
            return
        now, encoder = time.process_time(), _encoder(task, task.student)
        self.figures[f"after {epoch} epochs/seconds"] = round(now - self.begun - self.judging, 1)
        self.figures[f"after {epoch} epochs/svm"] = self.judge.svm(
            embed_set(encoder.read_out(WHOLE), self.judge.clouds, shown=False)
        )
        self.judging += time.process_time() - now


def main() -> None:
    """Run the rows that are not in the record yet."""
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(1)
    rows = COMPARISONS.get(options.comparison) or (Row(options.comparison, options.comparison, options.epochs or 4),)
    chosen = [row for row in rows if not options.rows or row.name in options.rows]
    clouds = open_clouds(options.data, up=options.up, points=1024, shown=False)
    judge = Judge.of(clouds, options.judge)
    name = options.comparison if options.comparison in COMPARISONS else "single"
    path = options.records / f"{name}-{options.judge}.json"
    for seed in options.seeds:
        for row in chosen:
            if row.name in (OWN, OWN_RANDOM, SHUFFLED) and seed != options.seeds[0]:
                continue
            if "STUDENT" in row.recipe and options.student is None:
                say(f"{row.name}: left out, it needs --student")
                continue
            found = _stored(path)
            if f"seed-{seed}" in found.children.get(row.name, _empty()).children:
                continue
            say(f"{row.name}, seed {seed}")
            curve = Curve(Judge.of(clouds, "held-out", part=2)) if name == "curves" else None
            _keep(path, row, seed, _measured(options, row, seed, judge, curve))


def _empty() -> RunRecord:
    return RunRecord(kind="compare")


def _stored(path: Path) -> RunRecord:
    return RunRecord.load(path) if path.exists() else _empty()


def _keep(path: Path, row: Row, seed: int, made: RunRecord) -> None:
    """Add a run to the record of its comparison."""
    found = _stored(path)
    line = found.children.get(row.name, RunRecord(kind="compare", recipe=row.recipe))
    line = line.changed(children={**line.children, f"seed-{seed}": made})
    found = found.changed(children={**found.children, row.name: line}, **describe_run())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, found.model_dump_json(indent=1, exclude_defaults=True) + "\n")
    say(f"{row.name}, seed {seed}: " + ", ".join(f"{name} {score.mean:.1%}" for name, score in made.scores.items()))


def _measured(options: Options, row: Row, seed: int, judge: Judge, curve: Curve | None) -> RunRecord:
    """One run of a row, judged; on the way too where there is a curve."""
    if row.recipe.startswith(VECTORS):
        return _own_vectors(row.recipe.removeprefix(VECTORS).replace("TEACHER", options.teacher), options, judge)
    if row.name == SHUFFLED:
        judge = judge.shuffled()
    if row.recipe == "tiny" and not row.epochs:
        return _judged(RunRecord(kind="pretrain"), judge.scores(i2pmae.load("tiny", device="cpu")), {}, seed)
    recipe = row.recipe.replace("TEACHER", options.teacher).replace("STUDENT", str(options.student))
    variant = parse_variant(recipe)
    folder = options.output / "runs" / _folder_name(options.comparison, row.name, seed)
    changes: dict[str, Any] = {
        "data.source": options.data,
        "data.up": options.up,
        "data.cache": options.output / "cache",
        "data.fraction": row.share,
        "training.seed": seed,
        "training.epochs": options.epochs or max(1, row.epochs),
        "output.probe": False,
        "output.report": False,
        "output.folder": folder,
    }
    if "teacher" in type(variant.config.method).model_fields:
        changes["method.teacher_precision"] = options.precision
    config = variant.config.changed(changes)
    before = time.process_time()
    if row.epochs:
        hooks = [] if curve is None else [curve]
        record = i2pmae.pretrain(config, resume=folder.exists(), shown=False, callbacks=hooks)
        encoder = i2pmae.load(folder)
    else:
        record, encoder = RunRecord(kind="pretrain"), _untrained(config)
    spent = time.process_time() - before
    scores = judge.scores(encoder)
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {**record.figures, "processor_seconds": round(spent, 1), **({} if curve is None else curve.figures)}
    return _judged(record, scores, figures, seed).changed(recipe=row.recipe, method=config.method.name)


def _folder_name(comparison: str, row: str, seed: int) -> str:
    """What a run's folder is called; a row that is its own comparison has a name that may be too long for one."""
    if row != comparison:
        return f"{comparison}-{row}-{seed}".replace("/", "_").replace(" ", "-")
    return f"single-{hashlib.sha256(row.encode()).hexdigest()[:12]}-{seed}"


def _judged(record: RunRecord, scores: dict[str, Score], figures: dict[str, float], seed: int) -> RunRecord:
    """A record with these scores, the widest read-out first."""
    widest = max((name for name in scores if name.startswith("svm")), key=len)
    return record.changed(scores=scores, primary=widest, encoder="", output=None, figures=figures, seeds=(seed,))


def _untrained(config: PretrainConfig) -> Encoder:
    """The encoder of a run before its first step."""
    with tempfile.TemporaryDirectory() as folder:
        clouds = open_clouds(config.data, seed=config.training.seed, shown=False)
        part = config.data.training_part(clouds, config.training.seed)
        task = METHODS[config.method.name].build(Setting(config, part, torch.device("cpu"), Path(folder), False, None))
    return _encoder(task, task.untrained())


def _encoder(task: PretrainTask, model: PointModel) -> Encoder:
    """A model of a task as an encoder."""
    config = task.config
    record = ModelRecord(method=config.name, points=task.points, pooling=config.pooling, model=task.student.config)
    return Encoder(model, record, "cpu")


def _own_vectors(name: str, options: Options, judge: Judge) -> RunRecord:
    """The scores of a teacher's vectors of the views, side by side, without any learning from clouds."""
    config = parse_variant(f"best@teacher={name}").config.method
    assert isinstance(config, I2PMAEMethodConfig)
    teacher = load_teacher(name, precision=options.precision)
    before = time.process_time()
    found = []
    for at in range(0, len(judge.clouds), 32):
        points = torch.from_numpy(np.ascontiguousarray(judge.clouds.points[at : at + 32]))
        vectors = look(teacher, points, config.projection)[0].pooled
        assert vectors is not None
        found.append(vectors.flatten(1).float().numpy())
    figures = {"processor_seconds": round(time.process_time() - before, 1)}
    scores = judge.of_features({"views": np.concatenate(found)})
    return _judged(RunRecord(kind="pretrain"), scores, figures, 0)


if __name__ == "__main__":
    main()
