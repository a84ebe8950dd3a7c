"""What a method of pre-training is to the rest: one spec, in one folder, on one list."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from i2pmae.common.config import Config as BaseConfig
from i2pmae.methods.config import MethodConfig, PretrainConfig
from i2pmae.weights.kinds import ModelKind

if TYPE_CHECKING:
    import torch

    from i2pmae.data.clouds import CloudSet
    from i2pmae.encoders.base import PointModel
    from i2pmae.methods.task import PretrainTask
    from i2pmae.teachers.lessons import AnyTeacher
    from i2pmae.weights.released.spec import ReleasedNames

__all__ = ["Method", "Recipes", "Setting"]

Recipes = Mapping[str, Callable[[], PretrainConfig]]


@dataclass(frozen=True)
class Setting:
    """What a run of pre-training gives its method to work with."""

    config: PretrainConfig
    """The configuration, nothing left open."""
    clouds: "CloudSet"
    """The clouds that are trained on."""
    device: "torch.device"
    """Where to compute."""
    folder: Path
    """The run folder; what a method keeps on the way goes below it, caches below its ``cache``."""
    shown: bool = True
    """Whether progress is shown."""
    teacher: "AnyTeacher | None" = None
    """A teacher that the caller brings; the one that the configuration names where absent."""


class Method(ABC):
    """A method of pre-training. Its folder holds all that is its own; nothing outside it asks which method it is.

    Importing a spec must not import PyTorch: help texts and configurations are made from it. So its functions import
    what they need.
    """

    title: ClassVar[str]
    """Its name in prose."""
    Config: ClassVar[type[MethodConfig]]
    """What only this method has. The default of its field ``name`` is the method's name, that of ``model`` what
    describes the module that is stored."""

    @property
    def name(self) -> str:
        """The method's name in configurations and records."""
        return str(self.Config.model_fields["name"].default)

    @property
    def sizes(self) -> type[BaseConfig]:
        """What describes the module that is stored."""
        return type(self.Config.model_fields["model"].get_default(call_default_factory=True))

    @property
    @abstractmethod
    def recipes(self) -> Recipes:
        """Its named configurations; the docstring of each states data, hardware, time and the number to expect."""

    @abstractmethod
    def module(self, sizes: Any) -> "PointModel":
        """The module that is stored, with initial weights; ``sizes`` is of the kind :attr:`sizes`."""

    @abstractmethod
    def build(self, setting: Setting) -> "PretrainTask":
        """The task of a run, with the initial weights that follow from the seed, and all that it learns from ready.

        What takes time before the first step (a teacher's maps, a stage one) is done here, resumable, in the folder of
        the setting.
        """

    def check(self, config: MethodConfig) -> None:
        """The errors of what the method learns from (a teacher that cannot be loaded), before a run begins."""
        del config

    @abstractmethod
    def reopen(self, config: MethodConfig, model: "PointModel", teacher: "AnyTeacher | None") -> "PretrainTask":
        """The task around a trained model, to explain what it does with a cloud; nothing is trained with it."""

    @property
    def more_kinds(self) -> Sequence[ModelKind]:
        """Kinds of models that it stores beside its own, such as that of a stage one."""
        return ()

    @property
    def released(self) -> "ReleasedNames | None":
        """Names and settings of the files that the method's authors released, where there are any."""
        return None
