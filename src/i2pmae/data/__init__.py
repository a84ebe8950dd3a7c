"""Point clouds as one kind of set, wherever they come from: users' own files, arrays, or built-in shapes."""

from i2pmae.data.clouds import CloudSet, normalise
from i2pmae.data.folder import open_clouds

__all__ = ["CloudSet", "normalise", "open_clouds"]
