"""Point-BERT (arXiv 2111.14819): masked tokens predict the words of a vocabulary of point groups, in two stages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from i2pmae.methods.base import Method, Recipes, Setting
from i2pmae.methods.config import MethodConfig
from i2pmae.methods.point_bert.config import DiscreteVAEConfig, PointBERTMethodConfig
from i2pmae.weights.kinds import ModelKind

if TYPE_CHECKING:
    from torch import nn

    from i2pmae.encoders.base import PointModel
    from i2pmae.methods.task import PretrainTask
    from i2pmae.teachers.lessons import AnyTeacher
    from i2pmae.weights.released.spec import ReleasedNames

__all__ = ["POINT_BERT", "VOCABULARY"]


def _vocabulary(sizes: Any) -> "nn.Module":
    from i2pmae.methods.point_bert.dvae import DiscreteVAE

    return DiscreteVAE(sizes)


VOCABULARY = ModelKind(
    name="vocabulary",
    holds="the discrete VAE of stage one",
    command="`i2pmae pretrain point-bert`",
    read=DiscreteVAEConfig.model_validate,
    build=_vocabulary,
    embeds=False,
)


class _PointBERT(Method):
    title = "Point-BERT"
    Config = PointBERTMethodConfig

    @property
    def recipes(self) -> Recipes:
        """Point-BERT as published, and for a CPU."""
        from i2pmae.methods.point_bert.recipes import RECIPES

        return RECIPES

    @property
    def more_kinds(self) -> Sequence[ModelKind]:
        """The vocabulary of stage one."""
        return (VOCABULARY,)

    def module(self, sizes: Any) -> "PointModel":
        """The encoder and both heads."""
        from i2pmae.methods.point_bert.model import PointBERT

        return PointBERT(sizes)

    def build(self, setting: Setting) -> "PretrainTask":
        """Stage one trained or read, then the model, its follower and the four losses."""
        from i2pmae.methods.point_bert.task import build

        return build(setting)

    def reopen(self, config: MethodConfig, model: "PointModel", teacher: "AnyTeacher | None") -> "PretrainTask":
        """The task around a trained model, without the vocabulary."""
        del teacher
        from i2pmae.methods.point_bert.task import PointBERTTask

        return PointBERTTask(model, config)  # type: ignore[arg-type]

    @property
    def released(self) -> "ReleasedNames":
        """What the files that its authors released look like."""
        from i2pmae.methods.point_bert.released import RELEASED

        return RELEASED


POINT_BERT = _PointBERT()
