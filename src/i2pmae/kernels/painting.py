"""Points painted into images."""

import numpy as np

from i2pmae.kernels.compiled import kernel, spread

__all__ = ["paint"]


def paint(pixels: np.ndarray, values: np.ndarray, reach: int, size: int, largest: bool, threads: int) -> np.ndarray:
    """Images ``(w, size, size)`` on a background of 0, on which each point paints a block of pixels.

    ``pixels``, ``(w, n, 2)``, are the centres of blocks, which go ``reach`` pixels to each side; what would fall beyond
    the border falls on it. Where blocks overlap, ``values``, ``(w, n)``, add up, or the largest stays.
    """
    images = np.zeros((len(values), size, size), values.dtype)
    draw = _paint.of(values.dtype)
    blocks = (2 * reach + 1) ** 2 * max(1, values.shape[1])
    spread(
        lambda *part: draw(pixels, values, *part, reach, largest, images), len(images), threads, 1 + 100_000 // blocks
    )
    return images


@kernel("void(i8[:, :, ::1], F[:, ::1], i8, i8, i8, b1, F[:, :, ::1])")
def _paint(pixels, values, first, last, reach, largest, images):  # type: ignore[no-untyped-def]
    """Paints images ``first`` to ``last``."""
    border = images.shape[1] - 1
    for image in range(first, last):
        for i in range(values.shape[1]):
            value = values[image, i]
            # Blocks of a frame's own points leave the image by one pixel at most; others are kept from anywhere else.
            row = min(max(pixels[image, i, 0], -1), border + 1)
            column = min(max(pixels[image, i, 1], -1), border + 1)
            for y in range(row - reach, row + reach + 1):
                for x in range(column - reach, column + reach + 1):
                    at = image, min(max(y, 0), border), min(max(x, 0), border)
                    images[at] = max(images[at], value) if largest else images[at] + value
