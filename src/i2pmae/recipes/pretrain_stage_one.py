"""Stage one of Point-BERT: a run of its own in the folder of the run, or a finished one that is given."""

from dataclasses import dataclass
from pathlib import Path

import torch

from i2pmae.common.config import Config
from i2pmae.common.errors import UsageError
from i2pmae.common.files import write_text
from i2pmae.common.progress import console
from i2pmae.common.seeds import derive
from i2pmae.data.clouds import CloudSet
from i2pmae.evaluation.records import describe_run
from i2pmae.hub import ModelRecord, load_vocabulary, save_weights
from i2pmae.models import DiscreteVAE
from i2pmae.models.discrete_vae import DiscreteVAEConfig
from i2pmae.training.config import STAGE_ONE_FOLDER, DiscreteVAEStage, PretrainConfig
from i2pmae.training.discrete_vae import DiscreteVAEPretraining
from i2pmae.training.engine import fit
from i2pmae.training.history import History
from i2pmae.training.runs import prepare_run_folder
from i2pmae.training.settings import FitSettings

__all__ = ["StageOne", "StageOneResult", "open_stage_one"]

RESULT_FILE = "results.json"


class StageOneResult(Config):
    """What stage one ended in; stored as results.json in its folder."""

    clouds: int
    """Clouds trained on."""
    steps: int
    """Optimiser steps."""
    training_seconds: float
    """Time of the training steps."""
    figures: dict[str, float]
    """Mean of each loss and each other figure over the last epoch."""
    machine: str
    """Where it ran."""
    versions: dict[str, str]
    """Of Python, the main libraries and this package."""
    commit: str | None = None
    """The git commit of the source tree that ran, where the package runs from one."""


@dataclass(frozen=True)
class StageOne:
    """A finished stage one."""

    vae: DiscreteVAE
    """The trained model."""
    result: StageOneResult | None = None
    """What it ended in; absent for one that was given."""
    history: History | None = None
    """Metrics of every step; absent likewise."""


def open_stage_one(
    config: PretrainConfig, clouds: CloudSet, device: torch.device, shown: bool = True
) -> StageOne | None:
    """Stage one of a run of Point-BERT: trained on ``clouds``, gone on with, or read where it is finished or given.

    ``None`` for other methods. :class:`CheckpointError` where the given one cannot be used.
    """
    if config.bert is None:
        return None
    if config.bert.vae_run is not None:
        return _given(config.bert.vae_run, config.vae_stage.model)
    return _own(config.vae_stage, clouds, device, shown)


def _own(stage: DiscreteVAEStage, clouds: CloudSet, device: torch.device, shown: bool) -> StageOne:
    with prepare_run_folder(stage.output, stage, resume=True) as folder:
        if shown:
            console().print(f"Stage one: a discrete VAE with a vocabulary of {stage.model.codes} words")
        torch.manual_seed(derive(stage.seed, "weights", "stage one"))
        task = DiscreteVAEPretraining(DiscreteVAE(stage.model), stage)
        found = fit(task, clouds, FitSettings.of(stage), folder.path, resume=True, shown=shown)
        result = StageOneResult(
            clouds=len(clouds),
            steps=found.steps,
            training_seconds=round(found.seconds, 1),
            figures={name: float(found.history.epoch_means(name)[-1]) for name in found.history.losses},
            **describe_run(device),
        )
        if not (folder.path / RESULT_FILE).exists():
            record = ModelRecord(
                method="point-bert",
                task="vocabulary",
                points=clouds.points.shape[1],
                notes={"data": clouds.name, "epochs": stage.epochs},
                model=stage.model,
            )
            save_weights(folder.path, task.model, record)
            write_text(folder.path / RESULT_FILE, result.model_dump_json(indent=2) + "\n")
    return StageOne(task.model, result, found.history)


def _given(folder: Path, sizes: DiscreteVAEConfig) -> StageOne:
    if (folder / STAGE_ONE_FOLDER).is_dir():
        folder = folder / STAGE_ONE_FOLDER  # the folder of the whole run was given
    vae = load_vocabulary(folder)
    if vae.config != sizes:
        theirs, ours = vae.config.model_dump(), sizes.model_dump()
        differing = [f"  {name}: {theirs[name]}, here {ours[name]}" for name in ours if theirs[name] != ours[name]]
        raise UsageError(
            f"The discrete VAE in {folder} has other sizes than model.vae:\n"
            + "\n".join(differing)
            + "\nSet model.vae as there, or train a stage one of these sizes (without bert.vae_run)."
        )
    return StageOne(vae)
