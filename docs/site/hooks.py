"""What the pages are given when the site is built: the help of every command."""

import contextlib
import io
import os
import re
from typing import Any

HELP = re.compile(r"^<!-- help:(?P<command>[a-z ]*)-->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with the help texts that it asks for."""
    return HELP.sub(lambda found: f"```text\n{help_of(found['command'].split())}```", markdown)


def help_of(command: list[str]) -> str:
    """What ``i2pmae COMMAND --help`` prints on a terminal of 100 columns without colours."""
    os.environ.update(COLUMNS="100", NO_COLOR="1", TERM="dumb")
    from i2pmae.cli import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    if not printed.getvalue().strip():
        raise RuntimeError(f"i2pmae {' '.join(command)} --help printed nothing")
    return printed.getvalue()
