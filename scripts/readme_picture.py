"""The picture at the top of the README: what a run of ``i2pmae pretrain`` sees, hides, fills in, learns and finds.

    i2pmae pretrain --output RUN && python scripts/readme_picture.py RUN docs/images/report.png

Each row is a built-in shape that the run was not trained on, whole and without noise. Empty cells of the saliency map
that stand out, which the report explains, are left dark. What is found are the shapes whose embeddings are nearest
to it among :data:`SEARCHED` others.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from i2pmae.commands.use import load
from i2pmae.common.seeds import torch_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.data.shapes import CATEGORIES, make_shapes
from i2pmae.data.shapes.config import ShapesConfig
from i2pmae.methods import METHODS
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.i2p_mae.build import open_teacher
from i2pmae.methods.pictures import explained
from i2pmae.runs.folder import CONFIG_FILE
from i2pmae.viz import CloudPictures
from i2pmae.viz.drawing import INK, MUTED, font, write_png
from i2pmae.viz.figures import Scene, scenes
from i2pmae.viz.maps import depth_image, empty_outliers, saliency_image, saliency_scale
from i2pmae.viz.neighbours import nearest
from i2pmae.viz.render import Camera, render_points

SEED = 1
"""Of the shapes: the runs' own are made from 0."""
SHOWN = {"airplane": 3, "chair": 2, "guitar": 3, "table": 6}
"""What is shown: of each class, the so manieth of its shapes."""
SEARCHED = 20 * len(CATEGORIES)
"""Shapes that are searched for neighbours."""
TILE, GAP, EDGE, HEAD, FOOT, FOUND = 148, 10, 22, 78, 24, 4
"""Pixels of a picture, between pictures, around all, above and below the rows; and neighbours in a row."""
COLUMNS = (
    ("a shape", "1024 points"),
    ("its depth map", "one of three"),
    ("what a 2D model", "attends to"),
    ("what is shown", "to the encoder"),
    ("what it fills in", "in orange"),
    ("its features", "as colours"),
)
GOOD, BAD = (20, 128, 79), (192, 42, 55)
"""Colours of neighbours of the same class and of others."""


def main(run: str, output: str) -> None:
    """Draw the picture from a run folder."""
    encoder, config = load(run), PretrainConfig.load(Path(run) / CONFIG_FILE)
    teacher = open_teacher(config.method, encoder.device)
    task = METHODS[config.method.name].reopen(config.method, encoder.model, teacher)
    clouds = make_shapes(SEARCHED, encoder.points, split="test", seed=SEED, config=ShapesConfig.clean(rotation=25))
    assert clouds.labels is not None and clouds.classes is not None
    rows = [int(np.flatnonzero(clouds.labels == clouds.classes.index(n))[place]) for n, place in SHOWN.items()]
    seed = config.training.seed
    pictures = [
        explained(clouds, row, task, torch_generator(seed, "picture", row, device=encoder.device)) for row in rows
    ]
    found = nearest(encoder.embed(clouds.points), rows, FOUND)
    lines = [
        [*_seen(picture, scene), *_found(clouds, row, hits)]
        for picture, scene, row, hits in zip(pictures, scenes(pictures), rows, found, strict=True)
    ]
    write_png(output, _sheet(lines))


def _seen(cloud: CloudPictures, found: dict[str, Scene]) -> list[tuple[Image.Image, str, tuple[int, int, int]]]:
    """What the 2D model and the encoder make of a cloud."""
    assert cloud.views is not None and cloud.saliency_maps is not None
    camera = Camera.fitting(cloud.points)
    low, high = saliency_scale(cloud.views, cloud.saliency_maps)
    # The first depth map has x for rows and y for columns: a quarter turn puts the shape on its feet.
    depth = np.rot90(depth_image(cloud.views[0]))
    shown = np.where(empty_outliers(cloud.views[0], cloud.saliency_maps[0], high), low, cloud.saliency_maps[0])
    saliency = np.rot90(saliency_image(cloud.views[0], shown, low, high))
    images = [_draw(found["shape"], camera), depth, saliency]
    images += [_draw(found[key], camera) for key in ("groups", "reconstruction", "features")]
    names = [cloud.label or "", *[""] * (len(images) - 1)]
    return [(Image.fromarray(image), name, INK) for image, name in zip(images, names, strict=True)]


def _found(clouds: CloudSet, row: int, hits: np.ndarray) -> list[tuple[Image.Image, str, tuple[int, int, int]]]:
    """The clouds nearest to one, with their classes."""
    assert clouds.labels is not None and clouds.classes is not None
    tiles = []
    for hit in hits:
        right = clouds.labels[hit] == clouds.labels[row]
        image = Image.fromarray(render_points(clouds.points[hit], size=2 * TILE))
        name = f"{'✓' if right else '✗'} {clouds.classes[clouds.labels[hit]]}"
        tiles.append((image, name, GOOD if right else BAD))
    return tiles


def _draw(scene: Scene, camera: Camera) -> np.ndarray:
    radius = np.full(len(scene.points), 1.05 / np.sqrt(len(scene.points)), np.float32)
    if scene.quiet is not None:
        radius[scene.quiet] *= 0.6
    return render_points(scene.points, scene.colours, camera=camera, size=2 * TILE, radius=radius)


def _sheet(lines: list[list[tuple[Image.Image, str, tuple[int, int, int]]]]) -> np.ndarray:
    """All tiles on white, under headings, what is found apart from what is seen."""
    apart = 3 * GAP
    width = 2 * EDGE + (len(COLUMNS) + FOUND) * (TILE + GAP) - GAP + apart
    height = EDGE + HEAD + len(lines) * (TILE + FOOT) + EDGE // 2
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)

    def left(column: int) -> int:
        return EDGE + column * (TILE + GAP) + (apart if column >= len(COLUMNS) else 0)

    for column, (first, second) in enumerate(COLUMNS):
        middle = left(column) + TILE // 2
        draw.text((middle, EDGE + 8), first, INK, font(18), anchor="ma")
        draw.text((middle, EDGE + 34), second, MUTED, font(15), anchor="ma")
    start = left(len(COLUMNS))
    draw.text((start + 4, EDGE + 8), "what else looks like it", INK, font(18))
    draw.text((start + 4, EDGE + 34), f"nearest of {SEARCHED} shapes, by embedding", MUTED, font(15))
    line = start - (apart + GAP) // 2
    draw.line((line, EDGE, line, height - EDGE), (217, 221, 229), 2)
    for row, tiles in enumerate(lines):
        top = EDGE + HEAD + row * (TILE + FOOT)
        for column, (large, name, colour) in enumerate(tiles):
            image = large.convert("RGBA").resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(image, (left(column), top), image)
            draw.text((left(column) + TILE // 2, top + TILE + 1), name, colour, font(15), anchor="ma")
    return np.asarray(sheet)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python scripts/readme_picture.py RUN_FOLDER PICTURE.png")
    main(*sys.argv[1:])
