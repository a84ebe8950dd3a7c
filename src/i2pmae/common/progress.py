"""Progress bars on standard error, so that standard output holds results alone."""

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["console", "progress_bar", "track"]

T = TypeVar("T")


def console() -> Console:
    """The console for progress and messages: standard error."""
    return Console(stderr=True, highlight=False)


def progress_bar() -> Progress:
    """A rich progress bar with count, elapsed and remaining time, on standard error where that is a terminal."""
    out = console()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=out,
        transient=True,
        disable=not out.is_terminal,  # in a file it would be a blank line
    )


def track(items: Iterable[T], description: str, total: int | None = None, shown: bool = True) -> Iterator[T]:
    """``items``, with a progress bar while they are consumed (none where ``shown`` is false)."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if not shown:
        yield from items
        return
    with progress_bar() as bar:
        if bar.disable:
            bar.console.print(description)
        yield from bar.track(items, total=total, description=description)
