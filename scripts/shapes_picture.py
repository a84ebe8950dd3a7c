"""The picture of built-in shapes in the tutorial: assemblies, categories of the wide catalogue, and partial views.

python scripts/shapes_picture.py docs/images/shapes.png
"""

import sys

import numpy as np
from PIL import Image, ImageDraw

from i2pmae.data.shapes import CATALOGUE, WIDE, ShapesConfig, make_shapes
from i2pmae.data.shapes.assemble import make_block
from i2pmae.data.shapes.assemblies import FAMILIES
from i2pmae.viz.drawing import MUTED, font
from i2pmae.viz.render import render_points

TILE, FOOT, COLUMNS, POINTS = 110, 20, 12, 1536
"""Pixels of a picture and of the words below it, pictures in a row, and points of a cloud."""
CLEAN = ShapesConfig.clean(rotation=20)
SEED = 2


def main(output: str) -> None:
    """Draw a row of each family of assemblies, new categories, and some shapes as a scanner sees them."""
    tiles: list[tuple[np.ndarray, str]] = []
    for family in FAMILIES:
        clouds, _ = make_block(family, 0, POINTS, split="test", seed=SEED, config=CLEAN)
        tiles += [(cloud, family.name.removeprefix("assembly_")) for cloud in clouds[:COLUMNS]]
    for name in [name for name in WIDE if name not in CATALOGUE]:
        tiles.append((make_block(WIDE[name], 0, POINTS, split="test", seed=SEED, config=CLEAN)[0][0], name))
    tiles = tiles[: len(tiles) // COLUMNS * COLUMNS]
    scanned = ShapesConfig(catalogue="wide", partial=1, fewest=256, rotation=180, tilt=15, warp=0.3)
    made = make_shapes(COLUMNS, POINTS, split="test", seed=SEED, config=scanned)
    assert made.labels is not None and made.classes is not None
    tiles += [(points, made.classes[label]) for points, label in zip(made.points, made.labels, strict=True)]
    _sheet(tiles).quantize(64).save(output, optimize=True)


def _sheet(tiles: list[tuple[np.ndarray, str]]) -> Image.Image:
    """All tiles on white, row after row."""
    rows = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * TILE, rows * (TILE + FOOT)), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (cloud, name) in enumerate(tiles):
        left, top = number % COLUMNS * TILE, number // COLUMNS * (TILE + FOOT)
        image = Image.fromarray(render_points(cloud, size=2 * TILE)).resize((TILE, TILE), Image.Resampling.LANCZOS)
        sheet.paste(image.convert("RGB"), (left, top), image)
        draw.text((left + TILE // 2, top + TILE), name.replace("_", " "), MUTED, font(12), anchor="ma")
    return sheet


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Usage: python scripts/shapes_picture.py PICTURE.png")
    main(sys.argv[1])
