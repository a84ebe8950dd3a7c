"""What is known about clouds that are read, one after the other, and what follows from it once all are."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from i2pmae.common.errors import DataError
from i2pmae.data.compact import Codes, Texts
from i2pmae.data.formats.parts import name_parts
from i2pmae.data.read.files import Request
from i2pmae.data.sources.plan import Plan

__all__ = ["COLUMNS", "Known", "Noted"]

COLUMNS = ("ids", "sources", "classes", "splits")
"""What has a value for each cloud."""
MOST_BEYOND = 1024
"""Labels without names may be as large as the number of clouds and so much more, and mean themselves."""


class Known(NamedTuple):
    """What is known about the clouds of a set once all are read."""

    columns: dict[str, Any]
    """``id`` and ``source``, and ``label`` and ``split`` where every cloud has one."""
    classes: list[str] | None
    parts: list[str] | None
    part_numbers: list[int] | None
    """The stored number of each part."""
    tally: dict[str, int]


@dataclass
class Noted:
    """What is known about the clouds so far."""

    plan: Plan
    request: Request
    ids: Texts = field(default_factory=Texts, init=False)
    sources: Codes[str | None] = field(default_factory=Codes, init=False)
    """The file that each cloud is from; None where that is its id."""
    classes: Codes[str | int | None] = field(default_factory=Codes, init=False)
    """The class of each cloud: a name, a bare index, or None."""
    splits: Codes[str | None] = field(default_factory=Codes, init=False)
    orders: set[tuple[str, ...]] = field(default_factory=set, init=False)
    """The orders of class names that array files give."""
    part_orders: set[tuple[str, ...]] = field(default_factory=set, init=False)
    """The orders of part names that array files give."""
    part_points: Counter[int] = field(default_factory=Counter, init=False)
    """How many points have each part label."""
    tally: Counter[str] = field(default_factory=Counter, init=False)

    def note(
        self,
        ids: list[str],
        source: str | None,
        classes: list[Any],
        splits: list[Any],
        parts: np.ndarray | None,
    ) -> None:
        """Clouds that were read: their ids, the file that they are from, classes, splits and part labels."""
        self.ids.extend(ids)
        self.sources.extend([source] * len(ids))
        self.classes.extend(classes)
        self.splits.extend(splits)
        if parts is None:
            self.tally["unparted"] += len(ids)
        else:
            values, counts = np.unique(parts, return_counts=True)
            self.part_points.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))

    def count(self, clouds: int, available: int, extras: bool) -> None:
        """How many points files had for some clouds, and whether they had more than coordinates."""
        self.tally["more"] += clouds * (available > self.request.points)
        self.tally["fewer"] += clouds * (available < self.request.points)
        self.tally["extras"] += clouds * (extras and not self.request.columns)

    def known(self) -> Known:
        """What there is to store beside the points."""
        import pyarrow.compute

        names = self.ids.arrow().cast(pyarrow.string())
        sources = pyarrow.compute.coalesce(self.sources.arrow().cast(pyarrow.string()), names)
        columns: dict[str, Any] = {"id": names, "source": sources}
        order: list[str] | None = list(self.plan.classes) if self.plan.classes is not None else None
        different = self.classes.different()
        if different and None not in different and len({type(value) for value in different}) == 1:
            if isinstance(different[0], str):
                order = self._class_order() if order is None else order
                columns["label"] = self.classes.mapped({name: label for label, name in enumerate(order)})
            else:
                numbers = self.classes.mapped({label: label for label in different if isinstance(label, int)})
                columns["label"], order = _numbered(numbers, order)
        elif different and different != [None]:
            self.tally["unlabelled"] = sum(value is None for value in self.classes)
        if None not in self.splits.different():
            columns["split"] = self.splits.arrow()
        parts, part_numbers = self._parts()
        return Known(columns, order, parts, part_numbers, dict(self.tally))

    def _class_order(self) -> list[str]:
        classes = {str(name) for name in self.classes.different()}
        if len(self.orders) == 1 and classes <= set(next(iter(self.orders))):
            return list(next(iter(self.orders)))
        return sorted(classes | {name for names in self.orders for name in names})

    def _parts(self) -> tuple[list[str] | None, list[int] | None]:
        """The part names and their stored numbers; both None where not every cloud has part labels."""
        if not self.part_points:
            self.tally.pop("unparted", None)
            return None, None
        if self.tally["unparted"]:
            return None, None
        if len(self.part_orders) > 1:
            raise DataError(f"{self.plan.name}: files name the parts differently, so their part labels don't agree.")
        names = self.plan.parts or next(iter(self.part_orders), None)
        try:
            parts, numbers = name_parts(set(self.part_points), names)
        except DataError as error:
            raise DataError(f"{self.plan.name}: {error}.") from None
        return list(parts), numbers


def _numbered(labels: np.ndarray, names: list[str] | None) -> tuple[np.ndarray, list[str] | None]:
    """Labels that are bare numbers as indices, and the class names.

    Numbers that could be indices mean themselves, and so does a class that has no cloud; others, such as 300,000,000,
    become the classes that occur, called by their number: what counts classes or allocates by them stays in proportion
    to the clouds.
    """
    if names is not None or labels.max(initial=0) < len(labels) + MOST_BEYOND:
        return labels, names
    values, index = np.unique(labels, return_inverse=True)
    return index.astype(np.int64), [str(value) for value in values.tolist()]
