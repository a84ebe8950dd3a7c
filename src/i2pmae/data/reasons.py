"""Why a file cannot be used: whatever reading raises becomes one sentence, that of the file or of what is around it."""

import errno
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from i2pmae.common.errors import DataError, I2PError

__all__ = ["PassingError", "check_count", "check_expansion", "os_reason", "reasons"]

OWN_NUMBERS = (errno.EINVAL, errno.EOVERFLOW)
"""Numbers of errors of the operating system that come of what a file says, such as a place before its beginning."""
PLAIN = (OSError, EOFError, ValueError, zipfile.BadZipFile)
"""Errors whose message says enough without their name."""
ALWAYS_BYTES = 256 << 20
"""What a file says that it holds may take so many bytes in memory, however few are stored."""
MOST_EXPANSION = 256
"""What is larger may take so many times the bytes that are stored: coordinates never compress further than that."""


class PassingError(DataError):
    """A reason that lies around a file and not in it: a package or a right that is missing, a fault of a device.

    It may be gone the next time, so nothing remembers it.
    """


@contextmanager
def reasons(what: str) -> Iterator[None]:
    """Whatever a reader raises inside is a :class:`DataError` that begins with ``what``, or a :class:`PassingError`."""
    try:
        yield
    except I2PError:
        raise
    except MemoryError:
        raise PassingError("there is not enough memory to read it") from None
    except ImportError as error:  # of a package that is there only where somebody needs it
        raise PassingError(f"reading it needs one more package ({error.name or _first_line(error)})") from None
    except RecursionError:
        raise DataError(f"{what} (it is nested too deeply)") from None
    except OSError as error:
        raise os_reason(error, what) from None
    except BaseException as error:  # Damaged files make the parsers of libraries fail in every possible way.
        # Parsers written in Rust end in an exception that is none of Python's usual ones.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DataError(f"{what} ({_first_line(error)})") from None


def os_reason(error: OSError, what: str = "it is damaged", name: str = "the file") -> DataError:
    """The reason that an error of the operating system is; one that a library raises without a number is the file's."""
    if error.errno is None or error.errno in OWN_NUMBERS:
        return DataError(f"{what} ({_first_line(error)})")
    return PassingError(f"{name} cannot be read: {error.strerror or error}")


def check_expansion(what: str, needed: int, stored: int) -> None:
    """:class:`DataError` where ``stored`` bytes of a file say that they become ``needed`` bytes, which is no data."""
    if needed > max(ALWAYS_BYTES, MOST_EXPANSION * stored):
        raise DataError(f"the file is damaged: {what} would take {needed} bytes, but only {stored} are stored")


def check_count(what: str, declared: int, found: int) -> None:
    """:class:`DataError` unless a file holds as many of something as it says; fewer is a cut, more a damaged count."""
    if declared != found:
        raise DataError(f"the file is damaged or cut short: it says {declared} {what}, it holds {found}")


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "strerror", None) or error).strip().split("\n")[0]
    if not text:
        return type(error).__name__
    return text if type(error) in PLAIN or isinstance(error, UnicodeError) else f"{type(error).__name__}: {text}"
