"""Which built-in shapes are made, and how hard."""

from typing import Literal, Self

from pydantic import Field

from i2pmae.common.config import Config

__all__ = ["ShapesConfig"]


class ShapesConfig(Config):
    """What is made, and what happens to a perfect object before it becomes a cloud; lengths are relative to its
    radius."""

    catalogue: Literal["classic", "wide"] = "classic"
    """Which named categories there are: the 44 ``classic`` ones, or these and many more."""
    assemblies: float = Field(default=0.0, ge=0, le=1)
    """Share of clouds that are unnamed assemblies of random solids, whose classes are families of structures."""
    warp: float = Field(default=0.0, ge=0, le=1)
    """How strongly objects are tapered, twisted and bent: 1 is up to three fifths, 35 and 30 degrees, at either end."""
    rotation: float = Field(default=45.0, ge=0, le=180)
    """Largest rotation about the up axis, in degrees either way; 180 is any heading."""
    tilt: float = Field(default=5.0, ge=0, le=90)
    """Largest tilt of the up axis, in degrees."""
    stretch: float = Field(default=0.1, ge=0, le=0.9)
    """Largest relative change of length along each axis of the object."""
    noise: float = Field(default=0.01, ge=0, le=1)
    """Largest standard deviation of the noise on each coordinate; each cloud draws its own."""
    outliers: float = Field(default=0.002, ge=0, le=1)
    """Largest share of points that lie anywhere in the sphere; each cloud draws its own."""
    occlusion: float = Field(default=0.2, ge=0, le=0.9)
    """Largest share of the surface that is missing, behind a plane or in a ball; half of the clouds lack nothing."""
    density: float = Field(default=0.5, ge=0, le=5)
    """How uneven the density may be: its logarithm changes by at most this much from the centre to the rim."""
    partial: float = Field(default=0.0, ge=0, le=1)
    """Share of clouds that hold only what a camera sees from one side."""
    fewest: int | None = Field(default=None, ge=16)
    """Where given, each cloud has between so many distinct points and all of them, and others repeat these."""

    @classmethod
    def clean(cls, rotation: float = 0.0) -> Self:
        """Whole, exact and upright objects, turned about the up axis by at most ``rotation`` degrees."""
        return cls(rotation=rotation, tilt=0, stretch=0, noise=0, outliers=0, occlusion=0, density=0)
