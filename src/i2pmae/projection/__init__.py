"""Points to images and back (I2P-MAE §3.2)."""

from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import Projection, ViewFrame, project, view_frame
from i2pmae.projection.views import AXIS_VIEWS, orbit_views, parse_views

__all__ = ["AXIS_VIEWS", "Projection", "ViewFrame", "lift", "orbit_views", "parse_views", "project", "view_frame"]
