"""Clouds with parts that nobody can learn: those that occur in no cloud of their category to train on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from i2pmae.data.paths import printable

__all__ = ["UnseenParts", "lone_parts", "tell_parts", "unseen_parts"]

MOST_TOLD = 20
"""Categories that :func:`tell_parts` lists."""


@dataclass(frozen=True)
class UnseenParts:
    """Which of the clouds to test on have parts that no cloud of their category to learn from has."""

    rows: np.ndarray
    """``(clouds,)`` int64: these clouds."""
    kept: np.ndarray
    """``(clouds,)`` int64: the other clouds to test on. Both keep the order that was given."""
    counts: Mapping[tuple[int, int], int] = field(default_factory=dict)
    """How many of these clouds have each such part, by category and part."""


def unseen_parts(
    part_labels: np.ndarray | Sequence[np.ndarray], labels: np.ndarray | None, learned: np.ndarray, tested: np.ndarray
) -> UnseenParts:
    """Which of the clouds ``tested`` have parts that none of the clouds ``learned`` of the same category has.

    ``part_labels`` are the part indices of each cloud: ``(clouds, n)``, possibly a memory map, or one array for each
    cloud, in which a part need not stand more than once. ``labels`` ``(clouds,)`` are their categories, None where
    there is one. ``learned`` and ``tested`` are rows.
    """
    category = np.zeros(len(part_labels), np.int64) if labels is None else labels
    known: dict[int, set[int]] = {}
    for row in learned.tolist():
        known.setdefault(int(category[row]), set()).update(np.unique(part_labels[row]).tolist())
    counts: Counter[tuple[int, int]] = Counter()
    unseen = np.zeros(len(tested), dtype=bool)
    for index, row in enumerate(tested.tolist()):
        kind = int(category[row])
        strange = set(np.unique(part_labels[row]).tolist()) - known.get(kind, set())
        counts.update((kind, part) for part in strange)
        unseen[index] = bool(strange)
    return UnseenParts(tested[unseen], tested[~unseen], dict(sorted(counts.items())))


def lone_parts(part_labels: np.ndarray | Sequence[np.ndarray], labels: np.ndarray | None) -> dict[tuple[int, int], int]:
    """The parts, by category and part, that occur in one cloud of their category alone; arguments as above.

    Whoever splits such a set by chance has that cloud either to learn from or to test on. All values are 1.
    """
    category = np.zeros(len(part_labels), np.int64) if labels is None else labels
    counts: Counter[tuple[int, int]] = Counter()
    for row in range(len(part_labels)):
        counts.update((int(category[row]), part) for part in np.unique(part_labels[row]).tolist())
    return {key: count for key, count in sorted(counts.items()) if count == 1}


def tell_parts(
    counts: Mapping[tuple[int, int], int], classes: Sequence[str] | None, parts: Sequence[str] | None
) -> list[str]:
    """One line for each category, of its parts and how many clouds have each: ``chair: 'arm' in 2 clouds``."""
    lines: dict[int, list[str]] = {}
    for (category, part), count in counts.items():
        name = str(part) if parts is None else parts[part]
        lines.setdefault(category, []).append(f"{name!r} in {count} {'cloud' if count == 1 else 'clouds'}")
    told = [
        printable(f"{'all clouds' if classes is None else classes[category]}: {', '.join(named)}")
        for category, named in lines.items()
    ]
    more = [f"… and {len(told) - MOST_TOLD} more categories"] if len(told) > MOST_TOLD else []
    return told[:MOST_TOLD] + more
