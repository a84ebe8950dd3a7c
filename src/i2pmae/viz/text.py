"""Text from data, as it may stand in a page, in a script, in a picture and on a command line."""

import html
import json
import os
import re
import shlex

__all__ = ["embedded", "escape", "line", "plain", "shell"]

UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""What neither UTF-8 nor HTML and XML can hold: halves of surrogate pairs, NUL and other controls. File names can."""


def plain(text: object) -> str:
    """``text`` with a replacement sign (U+FFFD) for every character that cannot be written; tabs and lines stay."""
    return UNWRITABLE.sub("\ufffd", str(text).replace("\r\n", "\n").replace("\r", "\n"))


def line(text: object) -> str:
    """The same on one line."""
    return " ".join(plain(text).split())


def escape(text: object) -> str:
    """``text`` as it may stand in an element or in a quoted attribute, of HTML and of SVG."""
    return html.escape(plain(text), quote=True)


def embedded(data: object) -> str:
    """``data`` as JSON that may stand in a ``<script>``: in ASCII, and nothing in it ends the element."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def shell(word: object) -> str:
    """``word`` as one word of a command line, quoted where needed.

    Names that hold controls, or bytes that are no UTF-8, become ``$'…'``, which bash and zsh read back to the very same
    bytes.
    """
    text = str(word)
    if not UNWRITABLE.search(text) and "\n" not in text and "\t" not in text:
        return shlex.quote(text)
    printable = "".join(map(chr, range(32, 127)))
    letters = (chr(byte) if chr(byte) in printable else f"\\x{byte:02x}" for byte in _bytes(text))
    return "$'" + "".join("\\" + letter if letter in "\\'" else letter for letter in letters) + "'"


def _bytes(text: str) -> bytes:
    """The bytes of a file name; of halves of surrogate pairs that stand for no byte, those of a replacement sign."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        return plain(text).encode()
