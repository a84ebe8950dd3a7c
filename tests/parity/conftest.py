"""A comparison with nothing to compare is not a pass, and what was not compared is said."""

from collections.abc import Generator

import pytest

from tests.parity.cases import LACKED, OPENED, judge


@pytest.fixture(autouse=True)
def _nothing_read_yet() -> None:
    """Before the fixtures that read runs, as automatic fixtures are."""
    OPENED.clear()


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    result = yield
    if OPENED:
        judge(OPENED)
    return result


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if LACKED:
        terminalreporter.section("stored runs without a record that would have been compared")
        for line in sorted(LACKED):
            terminalreporter.write_line(line)
