"""Ctrl-C and SIGTERM as a request to stop at the next step."""

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from i2pmae.common.errors import TrainingInterrupted

__all__ = ["StopRequest"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A context that notes Ctrl-C and SIGTERM in ``requested``; a second Ctrl-C ends the run at once.

    Outside the main thread, where Python cannot handle signals, it does nothing.
    """

    def __init__(self, shown: bool) -> None:
        self.requested = False
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

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise TrainingInterrupted(
                "Stopped at once. The run goes on from its last checkpoint with the same command and --resume."
            )
        if not self.requested and self._shown:
            # Not through the console: a handler may interrupt a half-done write to the same stream.
            with contextlib.suppress(OSError):
                os.write(2, b"\nStopping after this step, with a checkpoint (Ctrl-C again: at once).\n")
        self.requested = True
