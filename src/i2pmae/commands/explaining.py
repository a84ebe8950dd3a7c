"""What explains a model: the run of pre-training that it comes from, opened again, and what taught it."""

from pathlib import Path

from i2pmae.common.errors import TeacherError, UsageError
from i2pmae.common.progress import say
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

__all__ = ["known_teacher", "method_config", "reopened", "teacher_of"]


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


def known_teacher(
    name: str | None, record: ModelRecord, device: str, shown: bool = True
) -> tuple[AnyTeacher | None, bool]:
    """As :func:`teacher_of`, and whether a run can be opened with it.

    Where the teacher of the weights is not here, it is the embedded one, which knows nothing of the run's masks, and
    that is said. :class:`TeacherError` or :class:`UsageError` where one that is asked for is not here.
    """
    try:
        return teacher_of(name, record, device), True
    except (TeacherError, UsageError):
        if name is not None:
            raise
    if shown:
        say(f"Saliency is that of the embedded 2D model: {record.teacher}, which taught this encoder, is not here.")
    return load_teacher("embedded", device=device), False
