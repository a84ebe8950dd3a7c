"""The epoch that is best on held-out clouds: its weights are kept, exactly also where a run is stopped and resumed."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from i2pmae.common import ranks
from i2pmae.common.errors import CheckpointError
from i2pmae.common.files import write_bytes, write_text
from i2pmae.common.progress import say
from i2pmae.training.checkpoint import load_model
from i2pmae.training.hooks.base import Hook
from i2pmae.training.task import Task
from i2pmae.typing import Tensor

__all__ = ["BestEpoch", "Validation"]

VALIDATION_FILE = "validation.csv"


class Validation(NamedTuple):
    """What one epoch reached on the clouds held out for choosing."""

    epoch: int
    """Epochs done."""
    score: float
    """The larger, the better."""
    loss: float
    """Decides between epochs of equal score."""

    @property
    def merit(self) -> tuple[float, float]:
        """What epochs are compared by; of equal ones the first is taken."""
        return self.score, -self.loss


class BestEpoch(Hook):
    """After an epoch: measure, note it in validation.csv, and keep the weights where they are the best so far.

    A run that is killed repeats at most the epoch in which it was, and is then called again for it. So the second best
    weights stay until the next epoch: whatever the repeated epoch measures, the best of those before it are there.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        measure: Callable[[], tuple[float, float]],
        *,
        epochs: int,
        every: int = 1,
        shown: bool = True,
    ) -> None:
        """``measure`` gives score and loss of the model as it is; the last of ``epochs`` is always measured."""
        self.folder, self.name, self.measure = folder, name, measure
        self.epochs, self.every, self.shown = epochs, every, shown

    def after_epoch(self, epoch: int, task: Task) -> None:
        """Measure the epoch, if its turn has come."""
        row = None
        if epoch % self.every == 0 or epoch == self.epochs:
            row = Validation(epoch, *self.measure())  # by all processes together
        ranks.on_main(lambda: self._note(epoch, row, task.model))

    def _note(self, epoch: int, row: Validation | None, model: nn.Module) -> None:
        """Write down what the epoch reached, if it was measured, and keep its weights if they are the best."""
        rows = [row for row in self._rows() if row.epoch < epoch]  # this epoch may have been measured before a kill
        best = max(rows, key=lambda row: row.merit, default=None)
        for path in self._kept():
            if best is None or path != self._weights(best.epoch):
                path.unlink()
        if row is not None:
            rows.append(row)
            if best is None or row.merit > best.merit:
                state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
                write_bytes(self._weights(epoch), save(state))
            if self.shown:
                name = self.name.replace("_", " ")
                say(f"Epoch {epoch}: {name} {row.score:.1%} on validation clouds")
        lines = [f"epoch,{self.name},loss", *(f"{row.epoch},{row.score!r},{row.loss!r}" for row in rows)]
        write_text(self.folder / VALIDATION_FILE, "\n".join(lines) + "\n")

    def rows(self) -> list[Validation]:
        """All epochs that were measured; :class:`CheckpointError` for a file that something else wrote."""
        return ranks.on_main(self._rows)

    def _rows(self) -> list[Validation]:
        path = self.folder / VALIDATION_FILE
        if not path.exists():
            return []
        try:
            cells = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
            return [Validation(int(epoch), float(score), float(loss)) for epoch, score, loss in cells]
        except ValueError:
            raise CheckpointError(
                f"{path} is damaged: it must hold lines of epoch, {self.name} and loss. Put back a copy, or start "
                "again in another folder."
            ) from None

    def restore(self, model: nn.Module) -> Validation:
        """The best epoch, whose weights ``model`` then has; :class:`CheckpointError` where they are missing."""
        best = max(self.rows(), key=lambda row: row.merit, default=None)
        if best is None:
            raise CheckpointError(f"{self.folder} has no {VALIDATION_FILE}: no epoch can be chosen. Start again.")
        path = self._weights(best.epoch)

        def read() -> dict[str, Tensor]:
            try:
                return load_file(path)
            except (OSError, SafetensorError) as error:
                raise CheckpointError(
                    f"The weights of the best epoch, {path}, are missing or damaged ({error}). Put back a copy, or "
                    "start again in another folder."
                ) from None

        load_model(path, model, ranks.on_main(read))
        return best

    def clear(self) -> None:
        """Remove the kept weights, once they are stored elsewhere."""
        if ranks.is_main():
            shutil.rmtree(self._weights(0).parent, ignore_errors=True)

    def _weights(self, epoch: int) -> Path:
        return self.folder / "best" / f"epoch-{epoch:04}.safetensors"

    def _kept(self) -> list[Path]:
        return sorted(self._weights(0).parent.glob("epoch-*.safetensors"))
