"""What every picture that becomes a file needs: figures as pixels, text of a given width, PNG files."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from i2pmae.common.errors import UsageError
from i2pmae.common.files import replacing
from i2pmae.viz.text import line

if TYPE_CHECKING:  # matplotlib is slow to import; only those who draw a chart wait for it
    from matplotlib.figure import Figure

__all__ = ["INK", "MUTED", "Font", "fitted", "font", "paper_figure", "pixels", "write_png"]

INK, MUTED, LINE = (28, 32, 40), (96, 104, 118), (217, 221, 229)
"""Colours of text, of lesser text and of lines on white."""
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
DOTS = 130
"""Pixels per inch of a figure."""


def font(size: int) -> Font:
    """The font of all pictures, which matplotlib brings along, at ``size`` pixels."""
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)


def fitted(draw: ImageDraw.ImageDraw, text: str, face: Font, width: int) -> str:
    """``text`` on one line, its beginning cut off where it is wider than ``width`` pixels."""
    text = line(text)
    if draw.textlength(text, face) <= width:
        return text
    while text and draw.textlength("…" + text, face) > width:
        text = text[1:]
    return "…" + text


@contextmanager
def paper_figure(width: float, height: float, **style: Any) -> "Iterator[Figure]":
    """An empty white figure of ``width`` × ``height`` inches in the style of all, to be drawn within the block."""
    import matplotlib
    from matplotlib.figure import Figure

    ink, muted, line = ("#{:02x}{:02x}{:02x}".format(*colour) for colour in (INK, MUTED, LINE))
    common = {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.parse_math": False,
        "text.color": ink,
        "axes.edgecolor": line,
        "axes.labelcolor": muted,
        "axes.titlecolor": ink,
        "axes.titlesize": 11,
        "axes.axisbelow": True,
        "grid.color": line,
        "grid.linewidth": 0.7,
        "xtick.color": line,
        "ytick.color": line,
        "xtick.labelcolor": muted,
        "ytick.labelcolor": muted,
    }
    with matplotlib.rc_context(common | style):  # type: ignore[arg-type]
        yield Figure(figsize=(width, height), dpi=DOTS, layout="constrained", facecolor="white")


def pixels(figure: "Figure") -> np.ndarray:
    """The figure as an image ``(h, w, 3)`` uint8; letters that the font lacks become boxes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def write_png(path: Path | str, image: np.ndarray) -> Path:
    """Write an image ``(h, w, 3)`` uint8 as PNG, whole or not at all, and return the path.

    :class:`UsageError` for another suffix.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise UsageError(f"Pictures of results are written as .png, not {path.suffix!r}. Rename {path}.")
    with replacing(path) as part:
        Image.fromarray(image).save(part, "PNG", optimize=True)
    return path
