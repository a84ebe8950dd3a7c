"""What a report shows: plain NumPy arrays and text, checked once, here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.data.views import Lazy
from i2pmae.viz.arrays import checked

__all__ = ["CloudPictures", "EmbeddingScatter", "NextStep", "ProbePair", "ReportContent", "RunContext"]


@dataclass(frozen=True)
class CloudPictures:
    """One cloud and all that is known about it; every part but the points may be absent and is then left out.

    Points are y up. Arrays are checked on creation: :class:`UsageError` names the one that has the wrong shape or holds
    NaN or infinity.
    """

    id: str
    """Name of the cloud."""
    points: np.ndarray
    """``(n, 3)``."""
    label: str | None = None
    """Class name."""
    views: np.ndarray | None = None
    """``(v, h, w)`` in [0, 1]: the images that the 2D teacher is given."""
    view_axes: np.ndarray | None = None
    """``(v, 3, 3)``: image row, image column and depth of each view as directions of the cloud."""
    saliency_maps: np.ndarray | None = None
    """``(v, gh, gw)``: the teacher's saliency on its own grid."""
    point_saliency: np.ndarray | None = None
    """``(n,)``: the maps read at the points, mean over the views."""
    token_centres: np.ndarray | None = None
    """``(m, 3)``: centres of the coarsest level."""
    token_visible: np.ndarray | None = None
    """``(m,)`` bool: the tokens that the encoder was shown."""
    token_saliency: np.ndarray | None = None
    """``(m,)``: what the masking went by."""
    point_visible: np.ndarray | None = None
    """``(n,)`` bool: the points in neighbourhoods that the encoder was shown."""
    reconstruction: np.ndarray | None = None
    """``(r, 3)``: predicted points of the masked neighbourhoods, in the cloud's own coordinates."""
    masked_truth: np.ndarray | None = None
    """``(s, 3)``: true points of the masked neighbourhoods."""
    point_features: np.ndarray | None = None
    """``(n, c)``: features of the trained encoder."""
    before_features: np.ndarray | None = None
    """``(n, c')``: features of the untrained encoder, for comparison."""

    def __post_init__(self) -> None:
        """Check every array that is there."""
        n = len(self.points)
        m = None if self.token_centres is None else len(self.token_centres)
        v = None if self.views is None else len(self.views)
        shapes: dict[str, tuple[int | None, ...]] = {
            "points": (None, 3),
            "views": (None, None, None),
            "view_axes": (v, 3, 3),
            "saliency_maps": (v, None, None),
            "point_saliency": (n,),
            "token_centres": (None, 3),
            "token_visible": (m,),
            "token_saliency": (m,),
            "point_visible": (n,),
            "reconstruction": (None, 3),
            "masked_truth": (None, 3),
            "point_features": (n, None),
            "before_features": (n, None),
        }
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values is not None:
                values = checked(f"{self.id}: {name}", values, shape)
                if name.endswith("visible"):
                    values = values.astype(bool)
                object.__setattr__(self, name, values)
        if n == 0:
            raise UsageError(f"{self.id}: the cloud has no points; there is nothing to draw.")


@dataclass(frozen=True)
class ProbePair:
    """Accuracies of the same probe on the untrained and on the trained encoder, in [0, 1]."""

    untrained: float
    """Before pre-training."""
    trained: float
    """After pre-training."""
    protocol: str
    """How they were measured, in a sentence or two."""
    chance: float | None = None
    """Accuracy of guessing the most frequent class."""

    def __post_init__(self) -> None:
        """Check that these are shares, not percentages."""
        for name in ("untrained", "trained", "chance"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"Probe: {name} is an accuracy between 0 and 1, got {value}.")


@dataclass(frozen=True)
class EmbeddingScatter:
    """Embeddings of held-out clouds, before and after pre-training, with their classes."""

    trained: np.ndarray
    """``(t, c)``."""
    labels: np.ndarray
    """``(t,)`` class indices."""
    classes: Sequence[str]
    """Class names in the order of the indices."""
    untrained: np.ndarray | None = None
    """``(t, c')``."""
    ids: Sequence[str] | None = None
    """Names of the clouds."""
    points: Sequence[np.ndarray] | np.ndarray | Lazy | None = None
    """The ``t`` clouds, ``(n, 3)`` each, y up: those that are pictured are read, the others may stay on disk."""

    def __post_init__(self) -> None:
        """Check that the arrays fit together."""
        object.__setattr__(self, "trained", checked("embeddings: trained", self.trained, (None, None)))
        count = len(self.trained)
        if self.untrained is not None:
            object.__setattr__(self, "untrained", checked("embeddings: untrained", self.untrained, (count, None)))
        for name in ("ids", "points"):
            values = getattr(self, name)
            if values is not None and len(values) != count:
                raise UsageError(f"Embeddings: expected {name} of {count} clouds, got {len(values)}.")
        labels = checked("embeddings: labels", self.labels, (count,)).astype(np.int64)
        object.__setattr__(self, "labels", labels)
        if count and not 0 <= labels.min() <= labels.max() < len(self.classes):
            raise UsageError(
                f"Embeddings: labels must be indices of the {len(self.classes)} class names, "
                f"but run from {labels.min()} to {labels.max()}."
            )


@dataclass(frozen=True)
class RunContext:
    """What a pre-training run was, for the sentences that open its report and the commands that close it."""

    folder: str
    """The run folder, as commands are to name it."""
    data: str = ""
    """The data, as commands are to name it; a placeholder stands for it where it is empty."""
    options: Sequence[str] = ()
    """Options that reading the data takes, such as ``--up z``, one word each."""
    labelled: bool = True
    """Whether the data has labels."""
    method: str = ""
    """How the encoder was trained, by name."""
    trained_on: str = ""
    """How many clouds of what it was trained on."""
    teacher: str = ""
    """The 2D model that taught it; empty where none did."""


@dataclass(frozen=True)
class NextStep:
    """A command that goes on from here."""

    words: Sequence[str]
    """Its words, unquoted."""
    purpose: str
    """What it does, in a sentence."""


@dataclass(frozen=True)
class ReportContent:
    """Everything that a report of a run shows; what is absent or empty is left out."""

    title: str
    """Headline."""
    summary: Mapping[str, str] = field(default_factory=dict)
    """Facts about the run: recipe, teacher, data, machine, duration, seed, versions."""
    probe: ProbePair | None = None
    """Linear probe, untrained and trained."""
    history: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    """Curves: name to (steps, values), such as ``coordinates``, ``semantics``, ``total``, ``learning_rate``."""
    clouds: Sequence[CloudPictures] = ()
    """Clouds to show."""
    embeddings: EmbeddingScatter | None = None
    """Held-out clouds to scatter by class."""
    config_yaml: str | None = None
    """The full configuration."""
    run: RunContext | None = None
    """What the run was; where absent, the commands name the folder that the report is written to."""
