"""What labels and names of splits mean, wherever they are written: arrays, manifests and folders share these rules."""

import difflib
from collections.abc import Sequence

import numpy as np

from i2pmae.common.errors import DataError

__all__ = [
    "SPLIT_NAMES",
    "by_number",
    "class_indices",
    "label_indices",
    "near_split",
    "split_name",
    "split_names",
]

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Names that stand for a split, in lower case."""


def split_name(name: str) -> str:
    """``train``, ``val`` or ``test``, whichever ``name`` stands for, in any case.

    :class:`DataError` for other names, a reason without full stop: their clouds would silently belong to no split.
    """
    known = SPLIT_NAMES.get(name.strip().lower())
    if known is not None:
        return known
    near = near_split(name)
    hint = f" (did you mean {near!r}?)" if near else ""
    raise DataError(f"the split is {name.strip() or 'empty'!r}; expected train, val or test{hint}")


def split_names(names: np.ndarray | None) -> np.ndarray | None:
    """The split that each of an array of names stands for, of the same shape; None for None."""
    if names is None:
        return None
    kinds, index = np.unique(names, return_inverse=True)
    return np.array([split_name(kind) for kind in kinds.tolist()], dtype=str)[index].reshape(names.shape)


def near_split(name: str) -> str | None:
    """The split that ``name`` looks like a misspelling of, if there is one."""
    near = difflib.get_close_matches(name.strip().lower(), SPLIT_NAMES, n=1, cutoff=0.7)
    return SPLIT_NAMES[near[0]] if near else None


def class_indices(labels: Sequence[object] | np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Class indices ``(clouds,)`` int64 and the class names, for labels of any kind: text, or numbers however large.

    The classes are the distinct values, numbers by value and texts by their letters, so that the index of a class
    never depends on its size: labels 7 and 300000000 are the classes 0 and 1. :class:`DataError` for labels that are
    no text and no whole number.
    """
    texts = [_text(label) for label in (labels.tolist() if isinstance(labels, np.ndarray) else labels)]
    names = tuple(sorted(set(texts), key=by_number))
    index = {name: number for number, name in enumerate(names)}
    return np.array([index[text] for text in texts], dtype=np.int64), names


def label_indices(labels: Sequence[int | str | None]) -> tuple[np.ndarray | None, tuple[str, ...] | None]:
    """Class indices ``(clouds,)`` int64 of labels that may be missing, which is -1, and the class names of texts.

    Whole numbers are indices and have no names. None where no cloud has a label; :class:`DataError` for negative
    numbers, and where some labels are numbers and some are texts.
    """
    known = [label for label in labels if label is not None]
    if not known:
        return None, None
    texts = [label for label in known if isinstance(label, str)]
    if texts and len(texts) < len(known):
        number = next(label for label in known if not isinstance(label, str))
        raise DataError(f"some labels are numbers, such as {number}, and some are texts, such as {texts[0]!r}")
    if texts:
        names = tuple(sorted(set(texts), key=by_number))
        index = {name: place for place, name in enumerate(names)}
        return np.array([-1 if label is None else index[str(label)] for label in labels], dtype=np.int64), names
    numbers = [-1 if label is None else int(label) for label in labels]
    low, high = min(int(label) for label in known), max(numbers)
    if low < 0 or high >= 2**63:
        raise DataError(f"the labels run from {low} to {high}; expected 0 or more")
    return np.array(numbers, dtype=np.int64), None


def by_number(name: str) -> tuple[int, int, str, str]:
    """A key that sorts names that are numbers by their value, after all others.

    A number may have any number of digits: it is compared by length and digits, since Python refuses to convert
    thousands of them.
    """
    digits = name.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return (-1, 0, "", name)
    digits = digits.lstrip("0")
    if name.startswith("-") and digits:  # of two negative numbers, the longer one and the larger digits come first
        return (0, -len(digits), digits.translate(_NINES), name)
    return (1, len(digits), digits, name)


_NINES = str.maketrans("0123456789", "9876543210")


def _text(label: object) -> str:
    if isinstance(label, bytes):
        return label.decode("utf-8", "backslashreplace")
    if isinstance(label, str):
        return str(label)
    if isinstance(label, bool | int | np.integer):
        return str(int(label))
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    raise DataError(f"there is the label {label!r}; expected whole numbers or texts, one for each cloud")
