"""The frame of an HTML page: one file, no network, light and dark."""

import base64
import hashlib
import io
from collections.abc import Sequence
from importlib import resources

import numpy as np
from PIL import Image

from i2pmae.viz.text import escape

__all__ = ["asset", "escape", "page", "picture"]


def picture(image: np.ndarray, alt: str) -> str:
    """An ``<img>`` that carries its pixels ``(h, w, 3 or 4)`` uint8 along, as WebP."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", quality=84, method=2)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    height, width = image.shape[:2]
    return f'<img src="data:image/webp;base64,{data}" width="{width}" height="{height}" alt="{escape(alt)}">'


def page(
    title: str,
    body: str,
    *,
    scripts: Sequence[str] = ("balls.js", "viewer.js", "scatter.js"),
    styles: Sequence[str] = ("page.css",),
    asks: bool = False,
    kind: str = "report",
) -> str:
    """A complete page with the styles and the scripts inside, which are files of the assets.

    Its policy lets the browser run these scripts and no others, and forbids it to load anything; a page that ``asks``
    may fetch from the server that it came from. ``kind`` is the class of its body.
    """
    style, script = _joined(styles), _joined(scripts)
    digest = base64.b64encode(hashlib.sha256(f"\n{script}".encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    policy += "; connect-src 'self'" if asks else ""
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
<body class="{kind}">
<main>
{body}
</main>
<script>
{script}</script>
</body>
</html>
"""


def asset(name: str) -> str:
    """The text of a file of the assets."""
    return (resources.files("i2pmae.viz") / "assets").joinpath(*name.split("/")).read_text(encoding="utf-8")


def _joined(names: Sequence[str]) -> str:
    return "\n".join(map(asset, names))
