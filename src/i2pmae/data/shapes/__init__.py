"""Built-in shapes: labelled parametric objects with parts, made from a seed, for runs without any data.

Each category is a recipe (:mod:`furniture`, :mod:`vessels`, …) that puts tapered, bent and turned primitives together
with random proportions, styles and optional parts; families of unnamed assemblies (:mod:`assemblies`) have structures
without end. Points lie on the surfaces of these primitives, inner ones included, in proportion to area; then come a
sensor's noise, outliers, gaps, uneven density and partial views, as :class:`ShapesConfig` says.
"""

from typing import TYPE_CHECKING

from i2pmae.common.lazy import lazy_names

if TYPE_CHECKING:
    from i2pmae.data.shapes.catalogue import CATALOGUE, CATEGORIES, PARTS, WIDE
    from i2pmae.data.shapes.config import ShapesConfig
    from i2pmae.data.shapes.make import SPLITS, make_shapes, make_splits

_HOMES = {
    **dict.fromkeys(("CATALOGUE", "CATEGORIES", "PARTS", "WIDE"), "i2pmae.data.shapes.catalogue"),
    "ShapesConfig": "i2pmae.data.shapes.config",
    **dict.fromkeys(("SPLITS", "make_shapes", "make_splits"), "i2pmae.data.shapes.make"),
}
"""Public names and the modules they come from, imported on first use: configurations must not wait for NumPy."""

__all__ = ["CATALOGUE", "CATEGORIES", "PARTS", "SPLITS", "WIDE", "ShapesConfig", "make_shapes", "make_splits"]

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
