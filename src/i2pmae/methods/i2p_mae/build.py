"""Tasks of I2P-MAE and Point-M2AE for a run: initial weights that follow from the seed, teacher, caches."""

from typing import Any

import numpy as np
import torch

from i2pmae.common.seeds import derive, numpy_generator
from i2pmae.methods.base import Setting
from i2pmae.methods.config import MethodConfig
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig, PointM2AEMethodConfig, ViewPredictorConfig
from i2pmae.methods.i2p_mae.dense import DenseTargets
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.task import I2PMAETask, PointM2AETask
from i2pmae.methods.i2p_mae.whole import WholeTargets
from i2pmae.projection.config import ProjectionConfig
from i2pmae.projection.lift import lift
from i2pmae.projection.views import parse_views
from i2pmae.teachers.base import Teacher
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.maps import CachedMaps, Kept, look
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
    maps, vectors = _cached(setting, config, teacher)
    sizes: dict[str, Any] = {}
    dense = DenseTargets(config.loss, teacher.feature_dim)
    if config.loss.semantics > 0:
        sizes["semantic_dim"] = len(parse_views(config.projection.views)) * dense.channels
        if config.loss.targets == "standardised":
            dense.settle(_sample(setting, config, teacher))
    whole = _whole(setting, config, teacher, vectors) if config.whole.wanted else None
    if whole is not None:
        sizes["view_predictor"] = ViewPredictorConfig(
            views=whole.views,
            channels=whole.channels,
            width=config.whole.width,
            temperature=config.whole.temperature,
            reads=config.whole.reads,
        )
    return I2PMAETask(_fresh(config, seed, **sizes), config, teacher, maps, run.data.points, whole, dense)


def open_teacher(
    config: MethodConfig, device: torch.device | str = "cpu", given: Teacher | None = None
) -> Teacher | None:
    """The teacher that a configuration names, or the ``given`` one; ``None`` where nothing needs one."""
    assert isinstance(config, I2PMAEMethodConfig)
    if not config.needs_teacher:
        return None
    return given or load_teacher(config.teacher, precision=config.teacher_precision, device=device)


def _cached(
    setting: Setting, config: I2PMAEMethodConfig, teacher: Teacher
) -> tuple[CachedMaps | None, CachedMaps | None]:
    """Maps and vectors of the training clouds, made here where they are to be cached: in one pass where the views are
    the same."""
    if not config.cache_teacher:
        return None, None
    place = (setting.config.data.cache or setting.folder / "cache") / "teacher-maps"

    def kept(projection: ProjectionConfig, *wanted: Kept) -> CachedMaps:
        return CachedMaps(
            place, teacher, setting.clouds, projection, device=setting.device, shown=setting.shown, wanted=wanted
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


def _whole(setting: Setting, config: I2PMAEMethodConfig, teacher: Teacher, vectors: CachedMaps | None) -> WholeTargets:
    """What is to be predicted of whole views."""

    def asked(rows: np.ndarray) -> Float[Tensor, "n v d"]:
        points = torch.as_tensor(np.asarray(setting.clouds.points[rows], np.float32), device=setting.device)
        found = look(teacher, points, config.projection)[0].pooled
        assert found is not None
        return found

    return WholeTargets(config.whole, len(setting.clouds), setting.config.training.seed, asked, vectors)


def _sample(setting: Setting, config: I2PMAEMethodConfig, teacher: Teacher) -> Float[Tensor, "b m v c"]:
    """2D features of points of some training clouds, chosen by the seed, on the CPU."""
    chosen = numpy_generator(setting.config.training.seed, "2D features").permutation(len(setting.clouds))
    found = []
    for row in np.sort(chosen[:SAMPLED]):
        points = torch.as_tensor(np.asarray(setting.clouds.points[row : row + 1], np.float32), device=setting.device)
        maps, frame, _ = look(teacher, points, config.projection)
        found.append(lift(maps.features, points[:, :POINTS], frame).cpu())
    return torch.cat(found)


def _fresh(config: PointM2AEMethodConfig | I2PMAEMethodConfig, seed: int, **sizes: Any) -> I2PMAE:
    """The model with the initial weights that follow from the seed; ``sizes`` are those that the run decides."""
    torch.manual_seed(derive(seed, "weights"))
    model = I2PMAE(config.model.changed(**{"semantic_dim": 0, "view_predictor": None, **sizes}))
    model.pooling = config.pooling
    return model
