"""What weights reached, and under which terms they may be used, as far as their record says."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from i2pmae.weights.record import ModelRecord

__all__ = ["LICENCE", "NOTED", "Reached", "probe_notes"]

LICENCE = "licence"
"""Where the notes of weights keep the terms under which they may be used."""
PROBE, UNTRAINED, DATA = "probe", "probe_untrained", "probe_data"
"""Where they keep what a linear probe found: for them, for initial weights, and on which data."""
NOTED = (PROBE, UNTRAINED, DATA)
"""The same names, together."""


@dataclass(frozen=True)
class Reached:
    """The accuracy of a linear probe of weights."""

    accuracy: float
    """That of these weights, from 0 to 1."""
    untrained: float | None
    """That of the same encoder with initial weights, where it was measured."""
    data: str
    """On which data; empty where nobody said."""

    @classmethod
    def of(cls, record: ModelRecord) -> "Reached | None":
        """What the notes of a record say; ``None`` where nothing was measured."""
        found, untrained, data = (record.notes.get(name) for name in NOTED)
        if not isinstance(found, float):
            return None
        return cls(found, untrained if isinstance(untrained, float) else None, str(data or ""))

    def __str__(self) -> str:
        untrained = "" if self.untrained is None else f" (untrained {self.untrained:.1%})"
        return f"{self.accuracy:.1%}{untrained}" + (f", {self.data}" if self.data else "")

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)


def probe_notes(accuracy: float, untrained: float | None, data: str) -> Mapping[str, str | float]:
    """What to note with weights whose probe was measured."""
    return {PROBE: accuracy, **({} if untrained is None else {UNTRAINED: untrained}), DATA: data}
