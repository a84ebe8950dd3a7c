"""Messages and progress bars on standard error, so that standard output holds results alone.

Text is shown as it is: a class called ``[/red]`` is no markup, ``:x:`` no picture.
"""

from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from i2pmae.common import ranks
from i2pmae.common.text import printable

__all__ = ["PlainConsole", "console", "progress_bar", "say", "text_column", "track"]

T = TypeVar("T")


class PlainConsole(Console):
    """A console that shows text as it is, and spells out what the terminal or the file cannot take."""

    def __init__(self, *, stderr: bool = True) -> None:
        super().__init__(stderr=stderr, markup=False, highlight=False, emoji=False)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts, as they are, and what Rich draws."""
        super().print(*map(self._shown, objects), **options)

    def _shown(self, value: Any) -> Any:
        if isinstance(value, str):
            return printable(value, self.encoding)
        if isinstance(value, Text) and (plain := printable(value.plain, self.encoding)) != value.plain:
            return Text(plain, style=value.style)
        return value


def console(*, stderr: bool = True) -> PlainConsole:
    """The console for progress and messages, on standard error; for results, on standard output (``stderr=False``)."""
    return PlainConsole(stderr=stderr)


def say(text: str) -> None:
    """Show a message on a line of its own, as it is and not folded; of several processes the main one speaks."""
    if not ranks.is_main():
        return
    console().print(text, soft_wrap=True)


class _Bar(Progress):
    """A progress bar that writes nothing at all where it is disabled."""

    def stop(self) -> None:
        """Take the bar away."""
        if not self.disable:  # Rich before 14.3 writes a blank line even then
            super().stop()


def text_column(template: str) -> TextColumn:
    """A column of a progress bar whose text is shown as it is."""
    return TextColumn(template, markup=False)


def progress_bar() -> Progress:
    """A rich progress bar with count, elapsed and remaining time, on standard error where that is a terminal."""
    out = console()
    return _Bar(
        text_column("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=out,
        transient=True,
        disable=not (out.is_terminal and ranks.is_main()),  # in a file it would be a blank line
    )


def track(items: Iterable[T], description: str, total: int | None = None, shown: bool = True) -> Iterator[T]:
    """``items``, with a progress bar while they are consumed (none where ``shown`` is false)."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    if not (shown and ranks.is_main()):
        yield from items
        return
    with progress_bar() as bar:
        if bar.disable:
            bar.console.print(description)
        yield from bar.track(items, total=total, description=printable(description, bar.console.encoding))
