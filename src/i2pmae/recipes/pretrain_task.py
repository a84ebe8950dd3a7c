"""What a pre-training run trains: the model of its method with initial weights, and the task around it."""

from pathlib import Path

import torch

from i2pmae.common.seeds import derive
from i2pmae.data.clouds import CloudSet
from i2pmae.models import I2PMAE, DiscreteVAE, I2PMAEConfig, PointBERT, PointBERTConfig, PointMAE
from i2pmae.models.base import PointModel
from i2pmae.projection import parse_views
from i2pmae.teachers.base import Teacher
from i2pmae.training.config import PretrainConfig
from i2pmae.training.i2p import I2PPretraining
from i2pmae.training.point_bert import PointBERTPretraining
from i2pmae.training.point_mae import PointMAEPretraining
from i2pmae.training.task import Task
from i2pmae.training.teacher_maps import CachedMaps

__all__ = ["build_model", "build_task"]


def build_model(config: PretrainConfig, teacher: Teacher | None = None) -> PointModel:
    """The model with the initial weights of a run, which follow from its seed."""
    torch.manual_seed(derive(config.seed, "weights"))
    if isinstance(config.model, I2PMAEConfig):
        channels = teacher.feature_dim if teacher is not None and config.loss.semantics > 0 else 0
        return I2PMAE(config.model, len(parse_views(config.projection.views)) * channels)
    return PointBERT(config.model) if isinstance(config.model, PointBERTConfig) else PointMAE(config.model)


def build_task(
    config: PretrainConfig,
    model: PointModel,
    teacher: Teacher | None,
    vae: DiscreteVAE | None,
    clouds: CloudSet,
    folder: Path,
    device: torch.device,
    shown: bool = True,
) -> Task:
    """The task of training ``model``, a :func:`build_model` of the same configuration, on ``clouds``.

    ``teacher`` and ``vae`` are what the method learns from. Where the teacher's maps are to be cached, they are made
    here, in ``folder`` unless the configuration names another place.
    """
    if isinstance(model, PointMAE):
        return PointMAEPretraining(model, config)
    if isinstance(model, PointBERT):
        assert vae is not None
        return PointBERTPretraining(model, vae, config)
    assert isinstance(model, I2PMAE)
    cached = None
    if config.cache_teacher and teacher is not None:
        place = (config.clouds.cache or folder / "cache") / "teacher-maps"
        cached = CachedMaps(place, teacher, clouds, config.projection, device=device, shown=shown)
    return I2PPretraining(model, teacher, config, cached)
