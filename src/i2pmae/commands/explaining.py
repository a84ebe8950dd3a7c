"""What explains a model: the run of pre-training that it comes from, opened again, and what taught it."""

from pathlib import Path

from i2pmae.encoders.base import PointModel
from i2pmae.methods import METHODS
from i2pmae.methods.config import METHOD_CONFIGS, MethodConfig, PretrainConfig
from i2pmae.methods.i2p_mae.learned import open_run
from i2pmae.methods.task import PretrainTask
from i2pmae.runs.folder import CONFIG_FILE
from i2pmae.teachers.catalogue import RUN
from i2pmae.teachers.lessons import AnyTeacher
from i2pmae.teachers.loading import load_teacher
from i2pmae.weights.kinds import PRETRAINING
from i2pmae.weights.record import ModelRecord

__all__ = ["method_config", "reopened", "teacher_of"]


def method_config(checkpoint: Path, record: ModelRecord) -> MethodConfig | None:
    """How pre-training was set up, from the run folder, else by default; ``None`` for a model of another task."""
    if record.task != PRETRAINING:
        return None
    stored = checkpoint / CONFIG_FILE
    if stored.is_file():
        return PretrainConfig.load(stored).method
    kind = METHOD_CONFIGS[record.method]
    return kind.from_dict({"model": record.model.model_dump(), "pooling": record.pooling})


def reopened(config: MethodConfig, model: PointModel, teacher: AnyTeacher | None) -> PretrainTask:
    """The task of a trained model, which explains what it masks and predicts."""
    return METHODS[config.name].reopen(config, model, teacher)


def teacher_of(name: str | None, record: ModelRecord | None, device: str) -> AnyTeacher | None:
    """The teacher that is asked for, else that of the run, else the embedded one where there is no checkpoint."""
    wanted = name or ("embedded" if record is None else record.teacher)
    if not wanted:
        return None
    return open_run(wanted, device) if wanted.startswith(RUN) else load_teacher(wanted, device=device)
