"""Depth maps and the saliency of a 2D model on them, as images."""

import numpy as np
from PIL import Image

from i2pmae.viz.arrays import checked, stretch
from i2pmae.viz.colours import saliency_colours

__all__ = ["depth_image", "empty_outliers", "saliency_image", "saliency_scale", "with_margin"]

FRAME = np.array([214, 214, 226], np.float32)
"""Light grey around cells that hold nothing and are salient all the same."""


def depth_image(view: np.ndarray) -> np.ndarray:
    """A depth map ``(h, w)`` in [0, 1] as a grey image ``(h, w, 3)`` uint8, without any stretching."""
    view = checked("depth map", view, (None, None))
    return np.repeat(np.rint(np.clip(view, 0, 1) * 255).astype(np.uint8)[..., None], 3, -1)


def object_cells(view: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """``shape`` bool: the cells of a grid over the depth map ``(h, w)`` in which there is something.

    Background is the most frequent grey. All cells where nothing else is there.
    """
    grey = depth_image(view)[..., 0]
    rows, columns = np.nonzero(grey != np.bincount(grey.ravel()).argmax())
    cells = np.full(shape, not len(rows))
    cells[rows * shape[0] // grey.shape[0], columns * shape[1] // grey.shape[1]] = True
    return cells


def saliency_scale(views: np.ndarray, maps: np.ndarray) -> tuple[float, float]:
    """The saliencies at the two ends of the colours: what the cells of the object span, but for 2% at either end."""
    cells = [object_cells(view, saliency.shape) for view, saliency in zip(views, maps, strict=True)]
    low, high = np.percentile(maps[np.stack(cells)], [2, 98])
    return float(low), float(high)


def saliency_image(view: np.ndarray, saliency: np.ndarray, low: float, high: float) -> np.ndarray:
    """Saliency ``(gh, gw)``, enlarged bilinearly, over its depth map ``(h, w)``: ``(h, w, 3)`` uint8.

    ``low`` and ``high`` are the saliencies at the two ends of the colours. Empty cells are pale, lest they draw the eye
    from the object; those above ``high`` (:func:`empty_outliers`) are framed.
    """
    grey = depth_image(view).astype(np.float32)
    saliency = checked("saliency map", saliency, (None, None))
    size = grey.shape[1::-1]
    large = np.asarray(Image.fromarray(saliency).resize(size, Image.Resampling.BILINEAR))
    colours = 255 * saliency_colours(stretch(large, low=low, high=high))
    # The object shows through as light and shade, so that the hues stay those of the colour bar.
    relief = grey - np.median(grey)
    image = np.clip(0.82 * colours + 0.18 * grey + 0.22 * relief, 0, 255)
    cells = object_cells(view, saliency.shape)
    cover = np.asarray(Image.fromarray(cells.astype(np.float32)).resize(size, Image.Resampling.BILINEAR))
    pale = 255 * saliency_colours(np.zeros(1))
    image = image + (1 - np.clip(2 * cover, 0, 1))[..., None] * 0.72 * (pale - image)
    for row, column in np.argwhere(empty_outliers(view, saliency, high)):
        _frame(image, row, column, saliency.shape)
    return np.rint(image).astype(np.uint8)


def empty_outliers(view: np.ndarray, saliency: np.ndarray, high: float) -> np.ndarray:
    """``(gh, gw)`` bool: the cells of a saliency map that hold nothing of the object and yet lie above ``high``."""
    return (saliency > high) & ~object_cells(view, saliency.shape)


def _frame(image: np.ndarray, row: int, column: int, cells: tuple[int, int]) -> None:
    """Draw a thin frame just inside a cell of the grid over ``image (h, w, 3)``, in place."""
    (top, bottom), (left, right) = (
        (place * side // count, (place + 1) * side // count - 1)
        for place, side, count in zip((row, column), image.shape[:2], cells, strict=True)
    )
    cell = image[top + 1 : bottom, left + 1 : right]
    cell[[0, -1] if len(cell) else []] = FRAME
    cell[:, [0, -1] if cell.shape[1] else []] = FRAME


def with_margin(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """``image (h, w, 3)`` with a margin of ``background (3,)`` around a thin line where the image ends."""
    line = np.rint(background + 0.3 * (255.0 - background)).astype(np.uint8)
    edge = max(round(min(image.shape[:2]) * 0.05), 1)
    sides = (image.shape[0] + 2 * edge + 2, image.shape[1] + 2 * edge + 2, 3)
    large = np.broadcast_to(background.astype(np.uint8), sides).copy()
    large[edge:-edge, edge:-edge] = line
    large[edge + 1 : -edge - 1, edge + 1 : -edge - 1] = image
    return large
