"""Point-MAE (arXiv 2203.06604): masked autoencoding of the tokens of one level."""

from typing import TYPE_CHECKING, Any

from i2pmae.methods.base import Method, Recipes, Setting
from i2pmae.methods.config import MethodConfig
from i2pmae.methods.point_mae.config import PointMAEMethodConfig

if TYPE_CHECKING:
    from i2pmae.encoders.base import PointModel
    from i2pmae.methods.task import PretrainTask
    from i2pmae.teachers.lessons import AnyTeacher
    from i2pmae.weights.released.spec import ReleasedNames

__all__ = ["POINT_MAE"]


class _PointMAE(Method):
    title = "Point-MAE"
    Config = PointMAEMethodConfig

    @property
    def recipes(self) -> Recipes:
        """Point-MAE as published, and for a CPU."""
        from i2pmae.methods.point_mae.recipes import RECIPES

        return RECIPES

    def module(self, sizes: Any) -> "PointModel":
        """The encoder, the decoder and the head."""
        from i2pmae.methods.point_mae.model import PointMAE

        return PointMAE(sizes)

    def build(self, setting: Setting) -> "PretrainTask":
        """The model and its one loss."""
        from i2pmae.methods.point_mae.task import build

        return build(setting)

    def reopen(self, config: MethodConfig, model: "PointModel", teacher: "AnyTeacher | None") -> "PretrainTask":
        """The task around a trained model; no teacher takes part."""
        del teacher
        from i2pmae.methods.point_mae.task import PointMAETask

        return PointMAETask(model, config)

    @property
    def released(self) -> "ReleasedNames":
        """What the files that its authors released look like."""
        from i2pmae.methods.point_mae.released import RELEASED

        return RELEASED


POINT_MAE = _PointMAE()
