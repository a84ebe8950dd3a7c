"""Stage one of Point-BERT: a run of its own in the folder of the run, or a finished one that is given."""

from dataclasses import dataclass
from pathlib import Path

import torch

from i2pmae.common import ranks
from i2pmae.common.errors import UsageError
from i2pmae.common.progress import say
from i2pmae.common.seeds import derive
from i2pmae.methods.base import Setting
from i2pmae.methods.point_bert import VOCABULARY
from i2pmae.methods.point_bert.config import DiscreteVAEConfig, PointBERTMethodConfig, StageOneConfig
from i2pmae.methods.point_bert.dvae import DiscreteVAE
from i2pmae.methods.point_bert.vae_task import StageOneTask
from i2pmae.runs.config import OutputConfig
from i2pmae.runs.folder import STAGE_ONE_FOLDER, prepare_run_folder
from i2pmae.runs.record import RESULTS_FILE, RunRecord, describe_run
from i2pmae.training.engine import FitResult, fit
from i2pmae.weights.record import ModelRecord
from i2pmae.weights.store import load_kind, save_weights

__all__ = ["StageOne", "open_stage_one"]


@dataclass(frozen=True)
class StageOne:
    """A finished stage one."""

    vae: DiscreteVAE
    """The trained model."""
    given: Path | None = None
    """Where it was read from, where it was given."""
    fitted: FitResult | None = None
    """How it was trained, where it was not."""

    @property
    def fact(self) -> str:
        """What it is, in words."""
        words = f"{self.vae.config.codes} words"
        if self.fitted is None:
            return f"{words}, from {self.given}"
        return f"{words}, {self.fitted.steps} steps, {self.fitted.seconds / 60:.1f} minutes"


def open_stage_one(setting: Setting, config: PointBERTMethodConfig) -> StageOne:
    """Stage one of a run: trained on its clouds, gone on with, or read where it is finished or given.

    :class:`CheckpointError` where the given one cannot be used.
    """
    if config.bert.vae_run is not None:
        return _given(config.bert.vae_run, config.model.vae)
    return _own(setting, _stage(setting, config))


def _stage(setting: Setting, config: PointBERTMethodConfig) -> StageOneConfig:
    """The run that is stage one, in a folder within that of the run."""
    run, own = setting.config, config.bert.vae
    epochs, _ = run.training.length
    training = run.training.changed(epochs=own.epochs or epochs, batch_size=own.batch_size, optimiser=own.optimiser)
    output = OutputConfig(folder=setting.folder / STAGE_ONE_FOLDER, report=False)
    return StageOneConfig(model=config.model.vae, stage=own, data=run.data, training=training, output=output)


def _own(setting: Setting, stage: StageOneConfig) -> StageOne:
    with prepare_run_folder(stage.output.folder, stage, resume=True, may_start=True) as folder:
        if setting.shown:
            say(f"Stage one: a discrete VAE with a vocabulary of {stage.model.codes} words")
        torch.manual_seed(derive(stage.training.seed, "weights", "stage one"))
        task = StageOneTask(DiscreteVAE(stage.model), stage.stage, stage.data.points)
        found = fit(task, setting.clouds, stage.training, folder.path, resume=True, shown=setting.shown)
        if ranks.is_main() and not (folder.path / RESULTS_FILE).exists():
            _store(task.model, stage, setting, found, folder.path)
    return StageOne(task.model, fitted=found)


def _store(model: DiscreteVAE, stage: StageOneConfig, setting: Setting, found: FitResult, folder: Path) -> None:
    """Write weights and record into the folder of stage one."""
    clouds = setting.clouds
    record = ModelRecord(
        method="point-bert",
        task=VOCABULARY.name,
        points=clouds.points.shape[1],
        notes={"data": clouds.name, "epochs": stage.training.epochs},
        model=stage.model,
    )
    save_weights(folder, model, record)
    RunRecord(
        kind="stage-one",
        method="point-bert",
        data=clouds.name,
        seeds=(stage.training.seed,),
        train_clouds=len(clouds),
        figures=found.figures(len(clouds)),
        output=folder,
        **describe_run(setting.device),
    ).save(folder / RESULTS_FILE)


def _given(folder: Path, sizes: DiscreteVAEConfig) -> StageOne:
    if (folder / STAGE_ONE_FOLDER).is_dir():
        folder = folder / STAGE_ONE_FOLDER  # the folder of the whole run was given
    vae = load_kind(folder, VOCABULARY)
    assert isinstance(vae, DiscreteVAE)
    if vae.config != sizes:
        theirs, ours = vae.config.model_dump(), sizes.model_dump()
        differing = [f"  {name}: {theirs[name]}, here {ours[name]}" for name in ours if theirs[name] != ours[name]]
        raise UsageError(
            f"The discrete VAE in {folder} has other sizes than model.vae:\n"
            + "\n".join(differing)
            + "\nSet model.vae as there, or train a stage one of these sizes (without bert.vae_run)."
        )
    return StageOne(vae, given=folder)
