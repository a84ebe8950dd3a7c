"""The frame of an HTML page: one file, no network, light and dark."""

import base64
import io
from importlib import resources

import numpy as np
from PIL import Image

from i2pmae.viz.text import escape

__all__ = ["escape", "page", "picture"]


def picture(image: np.ndarray, alt: str) -> str:
    """An ``<img>`` that carries its pixels ``(h, w, 3 or 4)`` uint8 along, as WebP."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=84, method=2)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    height, width = image.shape[:2]
    return f'<img src="data:image/webp;base64,{data}" width="{width}" height="{height}" alt="{escape(alt)}">'


def page(title: str, body: str) -> str:
    """A complete page with the styles and the scripts inside; its policy forbids the browser to load anything."""
    assets = resources.files("i2pmae.viz") / "assets"
    style = (assets / "page.css").read_text(encoding="utf-8")
    script = "\n".join((assets / name).read_text(encoding="utf-8") for name in ("viewer.js", "scatter.js"))
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
<script>
{script}</script>
</body>
</html>
"""
