"""Tasks of I2P-MAE and Point-M2AE for a run: initial weights that follow from the seed, teacher, caches."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from i2pmae.common.errors import UsageError
from i2pmae.common.seeds import derive, numpy_generator
from i2pmae.methods.base import Setting
from i2pmae.methods.config import MethodConfig
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig, PointM2AEMethodConfig, ViewPredictorConfig
from i2pmae.methods.i2p_mae.dense import DenseTargets
from i2pmae.methods.i2p_mae.learned import CachedPredictions, LearnedTeacher, open_run
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.task import I2PMAETask, PointM2AETask
from i2pmae.methods.i2p_mae.whole import WholeTargets
from i2pmae.projection.config import ProjectionConfig
from i2pmae.teachers.catalogue import RUN
from i2pmae.teachers.lessons import AnyTeacher, KeptLessons, PointTeacher, Projected, as_point_teacher
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.maps import CachedMaps, Kept
from i2pmae.teachers.room import MAPS_FOLDER
from i2pmae.typing import Float, Tensor

__all__ = ["build_i2p_mae", "build_point_m2ae", "open_teacher"]

SAMPLED, POINTS = 64, 128
"""Clouds, and points of each, from whose 2D features mean and deviation are estimated."""


def build_point_m2ae(setting: Setting) -> PointM2AETask:
    """The task of a run of Point-M2AE."""
    config, seed = setting.config.method, setting.config.training.seed
    assert isinstance(config, PointM2AEMethodConfig)
    return PointM2AETask(_fresh(config, seed), config, setting.config.data.points)


def build_i2p_mae(setting: Setting) -> I2PMAETask:
    """The task of a run of I2P-MAE; no teacher is loaded where nothing needs one."""
    run = setting.config
    config, seed = run.method, run.training.seed
    assert isinstance(config, I2PMAEMethodConfig)
    teacher = open_teacher(config, setting.device, setting.teacher)
    if teacher is None:
        return I2PMAETask(_fresh(config, seed), config, None, points=run.data.points)
    asked = as_point_teacher(teacher, config.projection)
    dense = DenseTargets(config.loss, asked.feature_dim)
    kept, vectors = _cached(setting, config, teacher, dense)
    sizes: dict[str, Any] = {}
    if config.loss.semantics > 0:
        sizes["semantic_dim"] = asked.views * dense.channels
        sizes["semantic_levels"] = len(config.model.decoder_dims) if config.loss.levels == "all" else 1
        if config.loss.targets == "standardised":
            dense.settle(_sample(setting, asked))
    whole = _whole(setting, config, asked, vectors) if config.whole.wanted else None
    if whole is not None:
        sizes["view_predictor"] = ViewPredictorConfig(
            views=whole.views,
            channels=whole.channels,
            width=config.whole.width,
            temperature=config.whole.temperature,
            reads=config.whole.reads,
        )
    return I2PMAETask(_fresh(config, seed, **sizes), config, teacher, kept, run.data.points, whole, dense)


def open_teacher(
    config: MethodConfig, device: torch.device | str = "cpu", given: AnyTeacher | None = None
) -> AnyTeacher | None:
    """The teacher that a configuration names, or the ``given`` one; ``None`` where nothing needs one.

    :class:`UsageError` where it does not say what the configuration asks for.
    """
    assert isinstance(config, I2PMAEMethodConfig)
    if not config.needs_teacher:
        return None
    if given is None and config.teacher.startswith(RUN):
        given = open_run(config.teacher, device)
    rolled = config.guided and config.guidance.saliency == "rollout"
    if given is not None and (rolled or config.teacher_layers):
        raise UsageError(
            "Attention rollout and layers are asked of 2D models that are loaded by name. Of a teacher of your own, "
            "leave guidance.saliency rollout and teacher_layers out, and let it give the maps that you mean."
        )
    teacher = given or load_teacher(
        config.teacher,
        precision=config.teacher_precision,
        device=device,
        saliency="rollout" if rolled else "attention",
        layers=config.teacher_layers,
    )
    _check(config, as_point_teacher(teacher, config.projection))
    return teacher


def _check(config: I2PMAEMethodConfig, teacher: PointTeacher) -> None:
    """:class:`UsageError` where the teacher says less than the configuration asks for."""
    by_length = config.guided and config.guidance.saliency == "feature-norm"
    lacking = (
        (
            config.guided and not by_length and not teacher.salient,
            "how much points matter. Set guidance.kind to random and sampling.alpha to 0, or guidance.saliency to "
            "feature-norm",
        ),
        (
            (config.loss.semantics > 0 or by_length) and not teacher.feature_dim,
            "the features of points. Set loss.semantics to 0 and guidance.kind to random, or take a run that was "
            "trained with loss.semantics",
        ),
        (
            config.whole.wanted and not teacher.summarises,
            "vectors of whole views. Set whole.regression and whole.contrast to 0, or take a run that was trained with "
            "one of them",
        ),
        (
            config.whole.views is not None and not isinstance(teacher, Projected),
            "other views than it was taught by. Leave whole.views out",
        ),
    )
    for lacks, said in lacking:
        if lacks:
            raise UsageError(f"The teacher {teacher.name!r} does not say {said}.")


def _may_mix(config: I2PMAEMethodConfig, dense: DenseTargets) -> bool:
    """Whether features may be kept in the channels of targets: where that takes less room, and nothing asks for their
    length."""
    fewer = dense.mixing is not None and dense.mixing.shape[1] < len(dense.mixing)
    return fewer and not (config.guided and config.guidance.saliency == "feature-norm")


def _cached(
    setting: Setting, config: I2PMAEMethodConfig, teacher: AnyTeacher, dense: DenseTargets
) -> tuple[KeptLessons | None, KeptLessons | None]:
    """What the teacher says of points and of whole views of the training clouds, made here where it is to be cached: in
    one pass where the views are the same."""
    if not config.cache_teacher:
        return None, None
    place = (setting.config.data.cache or setting.folder / "cache") / MAPS_FOLDER
    if isinstance(teacher, PointTeacher):
        return _predictions(place, setting, config, teacher)

    def kept(projection: ProjectionConfig, *wanted: Kept) -> CachedMaps:
        return CachedMaps(
            place,
            teacher,
            setting.clouds,
            projection,
            device=setting.device,
            shown=setting.shown,
            wanted=wanted,
            limit=config.cache_size,
            mixing=dense.mixing if "maps" in wanted and _may_mix(config, dense) else None,
        )

    if not config.whole.wanted:
        return kept(config.projection, "maps"), None
    own = config.projection.changed(views=config.whole.views or config.projection.views)
    if not config.needs_maps:
        return None, kept(own, "pooled")
    if own == config.projection:
        both = kept(own, "maps", "pooled")
        return both, both
    return kept(config.projection, "maps"), kept(own, "pooled")


def _predictions(
    place: Path, setting: Setting, config: I2PMAEMethodConfig, teacher: PointTeacher
) -> tuple[KeptLessons | None, KeptLessons | None]:
    """The same of a student that teaches."""
    if not isinstance(teacher, LearnedTeacher):
        raise UsageError(
            f"What the teacher {teacher.name!r} says of points cannot be kept: only 2D models and trained runs are. "
            "Leave cache_teacher out."
        )
    features, pooled = config.needs_maps, config.whole.wanted
    found = CachedPredictions(
        place,
        teacher,
        setting.clouds,
        setting.device,
        setting.shown,
        features=features,
        pooled=pooled,
        limit=config.cache_size,
    )
    return found if features else None, found if pooled else None


def _whole(
    setting: Setting, config: I2PMAEMethodConfig, teacher: PointTeacher, vectors: KeptLessons | None
) -> WholeTargets:
    """What is to be predicted of whole views."""

    def asked(rows: np.ndarray) -> Float[Tensor, "n v d"]:
        found = teacher.teach(_stored(setting, rows)).pooled
        assert found is not None
        return found

    return WholeTargets(config.whole, len(setting.clouds), setting.config.training.seed, asked, vectors)


def _sample(setting: Setting, teacher: PointTeacher) -> Float[Tensor, "b m v c"]:
    """2D features of points of some training clouds, chosen by the seed, on the CPU."""
    chosen = numpy_generator(setting.config.training.seed, "2D features").permutation(len(setting.clouds))
    found = []
    for row in np.sort(chosen[:SAMPLED]):
        points = _stored(setting, np.array([row]))
        found.append(teacher.teach(points).features(points[:, :POINTS]).cpu())
    return torch.cat(found)


def _stored(setting: Setting, rows: np.ndarray) -> Float[Tensor, "b n 3"]:
    """The points of training clouds as they are stored."""
    return torch.as_tensor(np.asarray(setting.clouds.points[rows], np.float32), device=setting.device)


def _fresh(config: PointM2AEMethodConfig | I2PMAEMethodConfig, seed: int, **sizes: Any) -> I2PMAE:
    """The model with the initial weights that follow from the seed; ``sizes`` are those that the run decides."""
    torch.manual_seed(derive(seed, "weights"))
    model = I2PMAE(config.model.changed(**{"semantic_dim": 0, "semantic_levels": 1, "view_predictor": None, **sizes}))
    model.pooling = config.pooling
    return model
