"""The pictures of chosen clouds, as a page or as one image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from i2pmae.common.errors import UsageError
from i2pmae.common.files import write_text
from i2pmae.viz.content import CloudPictures
from i2pmae.viz.drawing import INK, MUTED, fitted, font, write_png
from i2pmae.viz.figures import Panel, Scene, input_panel, panel_groups, scenes
from i2pmae.viz.page import escape, page
from i2pmae.viz.strips import cloud_sections

__all__ = ["write_view"]

TILE, GAP, COLUMNS = 220, 16, 7
"""Pixels of a picture and between pictures of the contact sheet, and pictures in a line."""


def write_view(path: Path, clouds: Sequence[CloudPictures], title: str = "Point clouds") -> None:
    """Write the pictures of ``clouds`` to a page that can be turned (``.html``) or to one contact sheet (``.png``).

    Raises :class:`UsageError` for another suffix or no clouds, :class:`I2PError` where the file cannot be written.
    """
    path = Path(path)
    if not clouds:
        raise UsageError("There are no clouds to show. Choose at least one.")
    match path.suffix.lower():
        case ".html":
            header = (
                f'<header class="top"><h1>{escape(title)}</h1><div class="opening">{_opening(clouds)}</div></header>'
            )
            write_text(path, page(title, f"{header}\n{cloud_sections(clouds)}"))
        case ".png":
            write_png(path, contact_sheet(clouds))
        case suffix:
            raise UsageError(f"Pictures are written as .html or .png, not {suffix!r}. Choose another name for {path}.")


def _opening(clouds: Sequence[CloudPictures]) -> str:
    """What the page is and what its pictures show, as a paragraph."""
    shown = {
        "as the depth maps that the 2D model is given": any(cloud.views is not None for cloud in clouds),
        "with what it attends to": any(cloud.saliency_maps is not None for cloud in clouds),
        "with what training would mask and the encoder reconstructs": any(c.reconstruction is not None for c in clouds),
        "with the encoder's features as colours": any(cloud.point_features is not None for cloud in clouds),
    }
    told = ", ".join(text for text, there in shown.items() if there)
    return f"<p>This page shows {len(clouds)} point clouds{f', {told}' if told else ''}. Each can be turned.</p>"


def contact_sheet(clouds: Sequence[CloudPictures]) -> np.ndarray:
    """All pictures of ``clouds`` on white, ``(h, w, 3)`` uint8: a heading per cloud, then lines of titled pictures."""
    strips = [_strip(cloud, found) for cloud, found in zip(clouds, scenes(clouds), strict=True)]
    width = max(strip.width for strip in strips)
    sheet = Image.new("RGB", (width, sum(strip.height for strip in strips) + GAP), "white")
    top = 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height
    return np.asarray(sheet)


def _strip(cloud: CloudPictures, found: dict[str, Scene]) -> Image.Image:
    groups = panel_groups(cloud, found, TILE)
    panels = [panel for group in groups for panel in group.panels]
    if all(panel.title != "Input" for panel in panels):
        panels.insert(0, input_panel(cloud, found, TILE))
    lines = [panels[start : start + COLUMNS] for start in range(0, len(panels), COLUMNS)]
    width = GAP + (TILE + GAP) * min(len(panels), COLUMNS)
    heading, line = 44, TILE + 30
    strip = Image.new("RGB", (width, heading + line * len(lines) + GAP), "white")
    draw = ImageDraw.Draw(strip)
    name = cloud.id if cloud.label is None else f"{cloud.id}  ·  {cloud.label}"
    draw.text((GAP, GAP), fitted(draw, name, font(17), width - 2 * GAP), INK, font(17))
    for row, members in enumerate(lines):
        for column, panel in enumerate(members):
            left, top = GAP + column * (TILE + GAP), heading + row * line
            _place(strip, panel, left, top)
            text = fitted(draw, panel.title, font(13), TILE)
            draw.text((left + TILE // 2, top + TILE + 5), text, MUTED, font(13), anchor="ma")
    return strip


def _place(sheet: Image.Image, panel: Panel, left: int, top: int) -> None:
    """Put a picture into its tile, enlarged or reduced as needed, over the white that is there."""
    image = Image.fromarray(panel.image)
    factor = TILE / max(image.size)
    image = image.resize((max(round(image.width * factor), 1), max(round(image.height * factor), 1)))
    place = left + (TILE - image.width) // 2, top + (TILE - image.height) // 2
    sheet.paste(image, place, image if image.mode == "RGBA" else None)
