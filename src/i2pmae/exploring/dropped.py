"""Files that are dropped on the page: bytes with a name, read as those of a folder are."""

import tempfile
from pathlib import Path, PurePosixPath

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.formats.table import EXTENSIONS, known_formats, read_cloud_file
from i2pmae.data.read.sampling import make_cloud
from i2pmae.typing import Float
from i2pmae.viz.text import line

__all__ = ["read_dropped"]

LONGEST = 120
"""Characters of a name that are kept, its end."""


def read_dropped(name: str, content: bytes, count: int, up: str) -> tuple[str, Float[np.ndarray, "n 3"]]:
    """What to call a file, and its points, y up and in the unit sphere.

    Of the name nothing but the last part is used, and of that the extension alone decides anything.
    :class:`DataError` where the file cannot be used, with the reason.
    """
    called = line(PurePosixPath(name.replace("\\", "/")).name)[-LONGEST:] or "dropped"
    suffix = Path(called).suffix.lower()
    if suffix not in EXTENSIONS:
        raise DataError(f"{called}: unknown file format {suffix!r}. Known: {known_formats()}.")
    with tempfile.TemporaryDirectory(prefix="i2pmae-") as folder:
        file = Path(folder) / f"dropped{suffix}"
        file.write_bytes(content)
        try:
            raw = read_cloud_file(file)
            points = make_cloud(raw, count, up, numpy_generator(0, "dropped", called)).points
        except DataError as error:
            hint = " Buffers beside it don't come along: save it as .glb." if suffix == ".gltf" else ""
            raise DataError(f"{called} cannot be used: {error}.{hint}") from None
    return called, points
