"""Docstrings as Markdown: roles of Sphinx, such as :class:`DataError`, are plain code, and examples code blocks."""

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc):`~?([^`]+)`")
EXAMPLE = re.compile(r"^(?:(?:>>>|\.\.\.) ?.*\n?)+", re.MULTILINE)


def as_markdown(text: str) -> str:
    """The text with the last part of each name, which is how it is imported, and without prompts before examples."""
    text = ROLE.sub(lambda found: f"`{found[1].rpartition('.')[2]}`", text)
    return EXAMPLE.sub(lambda found: _block(found[0]), text)


def _block(example: str) -> str:
    lines = [line[4:] for line in example.rstrip("\n").split("\n")]
    return "\n".join(["```python", *lines, "```"]) + ("\n" if example.endswith("\n") else "")


class Roles(griffe.Extension):
    """Does so for every docstring that is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every object that has been read."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
