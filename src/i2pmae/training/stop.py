"""Ctrl-C and SIGTERM as a request to stop at the next step."""

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from i2pmae.common import ranks
from i2pmae.common.errors import TrainingInterrupted

__all__ = ["StopRequest"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A context that notes Ctrl-C and SIGTERM; a second Ctrl-C ends the run at once.

    Of several processes any may be asked. All stop at the same step: the one whose figures told them of it.
    Outside the main thread, where Python cannot handle signals, it does nothing.
    """

    def __init__(self, shown: bool) -> None:
        self.noted: signal.Signals | None = None
        """What this process was asked to stop by, if it was."""
        self._agreed = False
        self._shown = shown
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # Each is noted before the next is taken: a signal may come at any moment.
            for number in SIGNALS:
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            # None stands for a handler that Python did not set and cannot set again.
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    @property
    def requested(self) -> bool:
        """Whether the run is to stop after the step whose figures were read last."""
        return self._agreed or (ranks.world() == 1 and self.noted is not None)

    def agree(self) -> None:
        """Note that some process of the run was asked."""
        self._agreed = True

    def interrupted(self, message: str) -> TrainingInterrupted:
        """The error that ends the run, which says whether it was a person who asked, by Ctrl-C, or a scheduler."""
        error = TrainingInterrupted(message)
        error.again = self.noted != signal.SIGINT
        return error

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.noted is not None and number == signal.SIGINT:
            raise TrainingInterrupted(
                "Stopped at once. The run goes on from its last checkpoint with the same command and --resume."
            )
        if self.noted is None and self._shown and ranks.is_main():
            # Not through the console: a handler may interrupt a half-done write to the same stream.
            with contextlib.suppress(OSError):
                os.write(2, b"\nStopping after this step, with a checkpoint (Ctrl-C again: at once).\n")
        self.noted = self.noted or signal.Signals(number)
