"""Links inside HDF5 files, which may lead to any other file of the machine."""

from typing import Any

from i2pmae.common.errors import DataError

__all__ = ["check_inside"]

MOST_LINKS = 16
"""Links that may follow one another."""


def check_inside(group: Any, name: str, root: Any = None, followed: list[str] | None = None) -> None:
    """:class:`DataError` where the way to ``name``, from an open h5py group, leads out of the file or in a circle.

    Nothing behind a link to another file is opened.
    """
    import h5py

    root = group if root is None else root
    followed = [] if followed is None else followed
    if len(followed) > MOST_LINKS:
        raise DataError(f"the link {followed[0]!r} leads in a circle")
    place = root if name.startswith("/") else group
    for part in name.strip("/").split("/"):
        if part in ("", "."):
            continue
        link = place.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise DataError(f"{part!r} is a link to another file ({link.filename}), and only this one is read")
        if isinstance(link, h5py.SoftLink):
            followed.append(part)
            check_inside(place, link.path, root, followed)
        found = place.get(part)
        if not isinstance(found, h5py.Group):
            return
        place = found
