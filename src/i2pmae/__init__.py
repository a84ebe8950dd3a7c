"""Encoders of 3D point clouds that are taught by 2D image models (I2P-MAE, arXiv 2212.06785).

>>> import i2pmae
>>> encoder = i2pmae.load("runs/pretrain")                 # a run folder, a weights folder, "tiny", "hf-hub:ORG/NAME"
>>> encoder.embed(points)                                  # (b, n, 3) or (n, 3) to (b, c) or (c,)
>>> encoder.point_features(points)                         # (b, n, d)
>>> encoder.module                                         # the same as a torch.nn.Module with gradients
>>> i2pmae.pretrain(i2pmae.recipe("tiny"), data="my/scans", up="z", output="runs/scans")

Every command is a function: ``pretrain``, ``finetune``, ``segment``, ``fewshot``, ``compare``, ``embed``, ``index``,
``search``, ``explore``, ``probe``, ``predict``, ``view``, ``convert``, ``export``, ``push``, ``serve``, ``show``,
``list_models``, ``check``, ``prepare``, ``results``, ``bench``, ``doctor``, ``replay``.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING

from i2pmae.common.lazy import lazy_names

if TYPE_CHECKING:
    from i2pmae.commands.bench import bench
    from i2pmae.commands.bench_record import BenchRecord
    from i2pmae.commands.compare import compare
    from i2pmae.commands.compare_config import CompareConfig
    from i2pmae.commands.convert import convert
    from i2pmae.commands.data import check, prepare
    from i2pmae.commands.doctor import doctor
    from i2pmae.commands.embed import embed
    from i2pmae.commands.explore import explore
    from i2pmae.commands.export import export
    from i2pmae.commands.fewshot import fewshot
    from i2pmae.commands.finetune import finetune
    from i2pmae.commands.index import index
    from i2pmae.commands.models import list_models
    from i2pmae.commands.predict import predict
    from i2pmae.commands.pretrain import pretrain
    from i2pmae.commands.probe import probe
    from i2pmae.commands.push import push
    from i2pmae.commands.recipes import recipe, recipes
    from i2pmae.commands.replay import replay
    from i2pmae.commands.results import results
    from i2pmae.commands.search import search
    from i2pmae.commands.segment import segment
    from i2pmae.commands.serve import serve
    from i2pmae.commands.show import show
    from i2pmae.commands.use import load, load_predictor
    from i2pmae.commands.view import view
    from i2pmae.common.errors import I2PError, UsageError
    from i2pmae.data.clouds import CloudSet, normalise
    from i2pmae.data.config import DataConfig
    from i2pmae.data.open.source import open_clouds
    from i2pmae.data.shapes import ShapesConfig, make_shapes
    from i2pmae.evaluation.probe import linear_probe
    from i2pmae.methods.config import PretrainConfig
    from i2pmae.retrieval.index import Index
    from i2pmae.runs.record import RunRecord
    from i2pmae.tasks.config import TaskRunConfig
    from i2pmae.teachers.loading import load_teacher
    from i2pmae.training.config import TrainingConfig
    from i2pmae.training.hooks.base import Hook, StepRecord
    from i2pmae.weights.encoder import Encoder

__version__ = version("i2pmae")

_COMMANDS = {
    name: f"i2pmae.commands.{name}"
    for name in (
        *(
            "bench",
            "compare",
            "convert",
            "doctor",
            "embed",
            "explore",
            "export",
            "fewshot",
            "finetune",
            "index",
            "predict",
            "pretrain",
        ),
        *("probe", "push", "replay", "results", "search", "segment", "serve", "show", "view"),
    )
}
_HOMES = {
    **_COMMANDS,
    "check": "i2pmae.commands.data",
    "prepare": "i2pmae.commands.data",
    "recipe": "i2pmae.commands.recipes",
    "recipes": "i2pmae.commands.recipes",
    "list_models": "i2pmae.commands.models",
    "load": "i2pmae.commands.use",
    "load_predictor": "i2pmae.commands.use",
    "BenchRecord": "i2pmae.commands.bench_record",
    "CompareConfig": "i2pmae.commands.compare_config",
    "I2PError": "i2pmae.common.errors",
    "UsageError": "i2pmae.common.errors",
    "CloudSet": "i2pmae.data.clouds",
    "DataConfig": "i2pmae.data.config",
    "normalise": "i2pmae.data.clouds",
    "open_clouds": "i2pmae.data.open.source",
    "ShapesConfig": "i2pmae.data.shapes.config",
    "make_shapes": "i2pmae.data.shapes",
    "linear_probe": "i2pmae.evaluation.probe",
    "PretrainConfig": "i2pmae.methods.config",
    "Index": "i2pmae.retrieval.index",
    "RunRecord": "i2pmae.runs.record",
    "TaskRunConfig": "i2pmae.tasks.config",
    "load_teacher": "i2pmae.teachers.loading",
    "TrainingConfig": "i2pmae.training.config",
    "Hook": "i2pmae.training.hooks.base",
    "StepRecord": "i2pmae.training.hooks.base",
    "Encoder": "i2pmae.commands.use",  # which makes known all kinds of models that an encoder may be of
}
"""Public names and the modules they come from, imported on first use: ``i2pmae --help`` must not wait for PyTorch."""

__all__ = [
    "BenchRecord",
    "CloudSet",
    "CompareConfig",
    "DataConfig",
    "Encoder",
    "Hook",
    "I2PError",
    "Index",
    "PretrainConfig",
    "RunRecord",
    "ShapesConfig",
    "StepRecord",
    "TaskRunConfig",
    "TrainingConfig",
    "UsageError",
    "bench",
    "check",
    "compare",
    "convert",
    "doctor",
    "embed",
    "explore",
    "export",
    "fewshot",
    "finetune",
    "index",
    "linear_probe",
    "list_models",
    "load",
    "load_predictor",
    "load_teacher",
    "make_shapes",
    "normalise",
    "open_clouds",
    "predict",
    "prepare",
    "pretrain",
    "probe",
    "push",
    "recipe",
    "recipes",
    "replay",
    "results",
    "search",
    "segment",
    "serve",
    "show",
    "view",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
