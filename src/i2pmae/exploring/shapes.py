"""The shapes that are explored: those of an index, and files that were dropped since; what is like them."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.exploring.places import between, map_places
from i2pmae.retrieval.index import Index
from i2pmae.retrieval.nearest import unit
from i2pmae.retrieval.regions import region_at, regions
from i2pmae.typing import Float, Int
from i2pmae.weights.encoder import Encoder

__all__ = ["Alike", "Dropped", "Shapes"]

KEPT = 32
"""Dropped shapes that are kept, the last ones."""
MOST_PLACES = 16
"""Places that may make up a part."""


class Dropped(NamedTuple):
    """A shape that is not in the index."""

    name: str
    points: Float[np.ndarray, "n 3"]
    vector: Float[np.ndarray, " c"]
    regions: Float[np.ndarray, "r d"] | None
    centres: Float[np.ndarray, "r 3"] | None


class Alike(NamedTuple):
    """What is like a shape or a part of it, the most similar first."""

    rows: Int[np.ndarray, " k"]
    """Clouds of the index."""
    similarity: Float[np.ndarray, " k"]
    """Cosines."""
    places: Float[np.ndarray, "k 3"] | None = None
    """Where in them the part is."""
    regions: Float[np.ndarray, "k r"] | None = None
    """How similar each of their regions is to the part."""
    own: Float[np.ndarray, " r"] | None = None
    """The same for the regions of the shape that was asked about."""


class Shapes:
    """Shapes by number: the rows of the index, and after these what was dropped, in order."""

    def __init__(self, index: Index, encoder: Encoder) -> None:
        index.check(encoder)
        self.index, self.encoder = index, encoder
        self.places, self.method = map_places(index.vectors)
        self._dropped: OrderedDict[int, Dropped] = OrderedDict()
        self._next = len(index)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def has_parts(self) -> bool:
        """Whether parts can be searched."""
        return self.index.regions is not None

    def name(self, number: int) -> str:
        """What the shape is called; :class:`UsageError` where there is none of that number."""
        return self.index.ids[number] if self._indexed(number) else self._dropped[number].name

    def label(self, number: int) -> str | None:
        """The class of the shape, where known."""
        labels = self.index.labels
        return labels[number] if labels is not None and self._indexed(number) else None

    def points(self, number: int) -> Float[np.ndarray, "n 3"]:
        """The points, y up and in the unit sphere."""
        return self.index.points(number) if self._indexed(number) else self._dropped[number].points

    def centres(self, number: int) -> Float[np.ndarray, "r 3"] | None:
        """Where the regions of the shape are, where there are any."""
        if not self._indexed(number):
            return self._dropped[number].centres
        centres = self.index.centres
        return None if centres is None else np.asarray(centres[number], dtype=np.float32)

    def like(self, number: int, top: int) -> Alike:
        """The shapes of the index that are most like one, itself left out."""
        indexed = self._indexed(number)
        vector = self.index.vectors[number] if indexed else self._dropped[number].vector
        found = self.index.search(vector[None], top, leave_out=number if indexed else None)
        return Alike(found.rows[0], found.similarity[0])

    def like_part(self, number: int, places: Float[np.ndarray, "p 3"], top: int) -> Alike:
        """The shapes of the index that have a part like that around some places of one, itself left out.

        The part is the points within the radius of the index's regions around these places. :class:`UsageError` for
        places that are none, or where there is no point, and for an index without regions.
        """
        if places.ndim != 2 or places.shape[1:] != (3,) or not 1 <= len(places) <= MOST_PLACES:
            raise UsageError(f"A part is chosen by 1 to {MOST_PLACES} places of three coordinates each.")
        if not np.isfinite(places).all():
            raise UsageError("The coordinates of a place are numbers.")
        indexed = self._indexed(number)
        vector = region_at(self.encoder, self.points(number), places, self.index.record.radius)
        found = self.index.search_parts(vector[None], top, leave_out=number if indexed else None)
        assert found.places is not None and self.index.regions is not None  # an index without was refused
        rows, own = found.rows[0], self.index.regions[number] if indexed else self._dropped[number].regions
        assert own is not None
        return Alike(
            rows,
            found.similarity[0],
            found.places[0],
            np.stack([np.asarray(self.index.regions[row], np.float32) @ vector for row in rows]),
            np.asarray(own, dtype=np.float32) @ vector,
        )

    def drop(self, name: str, points: Float[np.ndarray, "n 3"]) -> tuple[int, Float[np.ndarray, "2"]]:
        """The number of a new shape, which is embedded, and its place on the map; the oldest may go for it."""
        record = self.index.record
        vector = unit(self.encoder.embed(points[None], max_points=None))[0]
        own, centres = None, None
        if self.has_parts:
            found = regions(self.encoder, points[None], record.regions, record.radius)
            own, centres = found[0][0], found[1][0]
        number, self._next = self._next, self._next + 1
        self._dropped[number] = Dropped(name, points, vector, own, centres)
        while len(self._dropped) > KEPT:
            self._dropped.popitem(last=False)
        return number, between(vector[None], self.index.vectors, self.places)[0]

    def spread(self, count: int) -> Sequence[int]:
        """At most so many clouds of the index, evenly spread."""
        return np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int).tolist()

    def _indexed(self, number: int) -> bool:
        """Whether a shape is one of the index; :class:`UsageError` where there is none of that number."""
        if 0 <= number < len(self):
            return True
        if number not in self._dropped:
            raise UsageError(f"There is no shape {number}: it was dropped long ago, or never.")
        return False
