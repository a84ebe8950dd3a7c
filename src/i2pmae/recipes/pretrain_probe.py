"""The linear probes that a pre-training run makes: before and after it, and on the way."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from i2pmae.common.config import Config
from i2pmae.common.files import write_text
from i2pmae.common.progress import console
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.features import embed_set
from i2pmae.evaluation.probe import linear_probe, train_and_test
from i2pmae.evaluation.records import Result, describe_run
from i2pmae.hub import Encoder, ModelRecord
from i2pmae.models.base import PointModel
from i2pmae.training.config import PretrainConfig
from i2pmae.training.history import History
from i2pmae.training.task import Task
from i2pmae.viz import EmbeddingScatter

__all__ = ["ProbeComparison", "compare_probes", "watcher"]


class ProbeComparison(Config):
    """The same linear probe before and after pre-training."""

    untrained: Result
    """With the initial weights of the run."""
    trained: Result
    """With the final weights."""


@dataclass(frozen=True)
class _Features:
    """Frozen features of the clouds of a probe."""

    train: np.ndarray
    test: np.ndarray


def watcher(
    config: PretrainConfig, model: PointModel, record: ModelRecord, clouds: CloudSet, shown: bool
) -> Callable[[int, Task, History], None]:
    """Probes of ``model`` on training clouds alone: three quarters to fit, one quarter to score."""
    sample = _capped(clouds, config.probe_clouds, config.seed)
    fitted, held, _ = train_and_test(CloudSet(sample.points, sample.ids, sample.labels, sample.classes), config.seed)
    lines: list[str] = []

    def watch(epoch: int, _task: Task, _history: History) -> None:
        if epoch % (config.watch_epochs or 1):
            return
        assert fitted.labels is not None and held.labels is not None
        encoder = Encoder(model, record, next(model.parameters()).device)
        features = [embed_set(encoder, part, shown=False) for part in (fitted, held)]
        found = linear_probe(features[0], fitted.labels, features[1], held.labels, seed=config.seed)
        lines.append(f"{epoch},{found.accuracy:.6f}")
        write_text(
            config.output / "watch.csv", "epoch,accuracy_on_held_out_training_clouds\n" + "\n".join(lines) + "\n"
        )
        if shown:
            console().print(f"Epoch {epoch}: linear probe {found.accuracy:.1%} on held-out training clouds")

    return watch


def compare_probes(
    config: PretrainConfig,
    clouds: CloudSet,
    untrained: PointModel,
    trained: PointModel,
    record: ModelRecord,
    device: torch.device,
    shown: bool,
) -> tuple[ProbeComparison, EmbeddingScatter]:
    """The probe of the initial and of the final weights, and both embeddings of the test clouds."""
    train, test, note = train_and_test(clouds, config.seed)
    if note:
        note += " Pre-training saw all clouds, without their labels."
    sizes = len(train), len(test)
    train, test = (_capped(part, config.probe_clouds, config.seed) for part in (train, test))
    if (len(train), len(test)) != sizes:
        note += f" A random {len(train)} of {sizes[0]} training and {len(test)} of {sizes[1]} test clouds were used."
    assert train.labels is not None and test.labels is not None
    found: list[tuple[Result, _Features]] = []
    for name, weights in (("untrained", untrained), ("trained", trained)):
        encoder = Encoder(weights, record, device)
        features = _Features(*(embed_set(encoder, part, shown=shown) for part in (train, test)))
        result = linear_probe(
            features.train,
            train.labels,
            features.test,
            test.labels,
            seed=config.seed,
            classes=clouds.classes,
            split_note=note.strip(),
            shown=shown,
        )
        update = {"points": clouds.points.shape[1], "data": clouds.name, "encoder": f"{config.output} ({name})"}
        update |= {"method": record.method, "recipe": config.recipe} | describe_run(device)
        found.append((result.model_copy(update=update), features))
    (before, first), (after, last) = found
    classes = clouds.classes or tuple(str(i) for i in range(int(clouds.labels.max()) + 1))  # type: ignore[union-attr]
    scatter = EmbeddingScatter(trained=last.test, untrained=first.test, labels=test.labels, classes=classes)
    return ProbeComparison(untrained=before, trained=after), scatter


def _capped(clouds: CloudSet, most: int | None, seed: int) -> CloudSet:
    """At most ``most`` random clouds, as many of each class as its share allows (at least four, where it has them)."""
    if most is None or len(clouds) <= most or clouds.labels is None:
        return clouds
    order = numpy_generator(seed, "probe", len(clouds)).permutation(len(clouds))
    share = most / len(clouds)
    rows = [
        members[: max(4, round(share * len(members)))]
        for members in (order[clouds.labels[order] == label] for label in np.unique(clouds.labels))
    ]
    return clouds.subset(np.sort(np.concatenate(rows)))
