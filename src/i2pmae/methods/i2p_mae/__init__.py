"""I2P-MAE (arXiv 2212.06785) and Point-M2AE (arXiv 2205.14401): masked autoencoding of a hierarchy of tokens."""

from typing import TYPE_CHECKING, Any

from i2pmae.methods.base import Method, Recipes, Setting
from i2pmae.methods.config import MethodConfig
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig, PointM2AEMethodConfig

if TYPE_CHECKING:
    from i2pmae.encoders.base import PointModel
    from i2pmae.methods.task import PretrainTask
    from i2pmae.teachers.lessons import AnyTeacher
    from i2pmae.weights.released.spec import ReleasedNames

__all__ = ["I2P_MAE", "POINT_M2AE"]


class _Hierarchical(Method):
    """What both have: the same modules."""

    def module(self, sizes: Any) -> "PointModel":
        """The encoder, the decoder and the heads."""
        from i2pmae.methods.i2p_mae.model import I2PMAE

        return I2PMAE(sizes)


class _PointM2AE(_Hierarchical):
    title = "Point-M2AE"
    Config = PointM2AEMethodConfig

    @property
    def recipes(self) -> Recipes:
        """Point-M2AE as published, and for a CPU."""
        from i2pmae.methods.i2p_mae.recipes import POINT_M2AE_RECIPES

        return POINT_M2AE_RECIPES

    def build(self, setting: Setting) -> "PretrainTask":
        """The model and its one loss."""
        from i2pmae.methods.i2p_mae.build import build_point_m2ae

        return build_point_m2ae(setting)

    def reopen(self, config: MethodConfig, model: "PointModel", teacher: "AnyTeacher | None") -> "PretrainTask":
        """The task around a trained model; no teacher takes part."""
        del teacher
        from i2pmae.methods.i2p_mae.task import PointM2AETask

        return PointM2AETask(model, config)  # type: ignore[arg-type]

    @property
    def released(self) -> "ReleasedNames":
        """What the files that its authors released look like."""
        from i2pmae.methods.i2p_mae.released import POINT_M2AE_RELEASED

        return POINT_M2AE_RELEASED


class _I2PMAE(_Hierarchical):
    title = "I2P-MAE"
    Config = I2PMAEMethodConfig

    @property
    def recipes(self) -> Recipes:
        """I2P-MAE as published, as released, for smaller machines, and with parts left out."""
        from i2pmae.methods.i2p_mae.recipes import I2P_MAE_RECIPES

        return I2P_MAE_RECIPES

    def build(self, setting: Setting) -> "PretrainTask":
        """The model, its teacher and both losses; the teacher's maps are made here where they are to be cached."""
        from i2pmae.methods.i2p_mae.build import build_i2p_mae

        return build_i2p_mae(setting)

    def check(self, config: MethodConfig) -> None:
        """The teacher can be loaded, where one is needed."""
        from i2pmae.methods.i2p_mae.build import open_teacher

        open_teacher(config)

    def reopen(self, config: MethodConfig, model: "PointModel", teacher: "AnyTeacher | None") -> "PretrainTask":
        """The task around a trained model and a teacher that looks at its clouds."""
        from i2pmae.methods.i2p_mae.task import I2PMAETask

        return I2PMAETask(model, config, teacher)  # type: ignore[arg-type]

    @property
    def released(self) -> "ReleasedNames":
        """What the files that its authors released look like."""
        from i2pmae.methods.i2p_mae.released import I2P_MAE_RELEASED

        return I2P_MAE_RELEASED


I2P_MAE = _I2PMAE()
POINT_M2AE = _PointM2AE()
