"""How clouds are shown to a 2D model."""

from typing import Literal

from pydantic import Field

from i2pmae.common.config import Config

__all__ = ["ProjectionConfig"]


class ProjectionConfig(Config):
    """How a cloud becomes depth maps (I2P-MAE §3.2)."""

    views: str = "axes"
    """``axes`` for the paper's three, or ``orbit:N`` / ``orbit:N@ELEVATION`` for N cameras around the vertical axis."""
    image_size: int = Field(224, ge=32, le=1024)
    """Side of the depth maps in pixels."""
    depth: Literal["sum", "nearest"] = "sum"
    """``sum`` adds all depths that fall on a pixel, as the paper does; ``nearest`` keeps the front-most (z-buffer)."""
