"""The page in a real Chromium: opened, hovered, clicked, dropped on, by keys, with WebGL and without."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from i2pmae.exploring.kept import kept_data
from i2pmae.exploring.looks import Looks
from i2pmae.exploring.page import explore_page
from i2pmae.exploring.shapes import Shapes
from tests.browser import Browser, opened
from tests.exploring.conftest import WILD

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from i2pmae.exploring.app import make_app
from tests.servers import running

pytestmark = pytest.mark.slow
THERE = "document.querySelectorAll('#alike button').length > 0"
ANY_WEBGL = """
const given = WebGL2RenderingContext.prototype.getParameter;
WebGL2RenderingContext.prototype.getParameter = function (name) {
  return name === 0x9246 ? "a graphics processor" : given.call(this, name);
};"""
"""Takes WebGL without a graphics processor for good enough."""
NO_WEBGL = """
const given = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, options) {
  return kind === "2d" ? given.call(this, kind, options) : null;
};
delete HTMLCanvasElement.prototype.transferControlToOffscreen;"""
ON_MAP = (
    "(r => { const p = state.map.at(%d); return [r.left + p[0], r.top + p[1]]; })($('map').getBoundingClientRect())"
)
TOP_POINT = """(() => {
  const r = $("shape").getBoundingClientRect(), s = seen(state.cloud.places, unit, pose, r.width);
  let best = 0;
  for (let k = 0; k < s.row.length; k++) if (s.row[k] < s.row[best]) best = k;
  return [r.left + s.column[best], r.top + s.row[best]];
})()"""
INKED = """(c => {
  const pen = penOf(c), data = pen.getImageData(0, 0, pen.canvas.width, pen.canvas.height).data;
  return data.some((value, k) => k % 4 === 3 && value > 200);
})"""
"""Whether something is drawn on a canvas."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with opened(tmp_path_factory.mktemp("chromium") / "profile") as browser:
        browser.size(900, 900)
        yield browser


@pytest.fixture(scope="module")
def address(shapes: Shapes, looks: Looks) -> Iterator[str]:
    with running(make_app(shapes, looks, up="y")) as place:
        yield f"http://127.0.0.1:{place.getsockname()[1]}/"


def test_a_served_page_is_hovered_clicked_dropped_on_and_used_by_keys(
    browser: Browser, address: str, mesh: Path
) -> None:
    browser.go(address)
    browser.until(f"document.getElementById('facts')?.textContent.startsWith('36 shapes') && {THERE}")
    assert browser.run("$('chosen').textContent") == WILD, "a name is text, whatever it looks like"
    assert browser.run("document.querySelectorAll('img').length + document.title") == "0my <i>scans: explore"
    x, y = browser.run(ON_MAP % 7)
    browser.mouse("mouseMoved", x, y)
    browser.until("!$('tip').hidden && $('tip').textContent.startsWith('folder/07.off')")
    browser.until(f"{INKED}($('tip').querySelector('canvas'))")
    browser.click(x, y)
    browser.until("state.number === 7 && $('chosen').textContent === 'folder/07.off'")
    browser.until("state.cloud !== null")
    browser.click(*browser.run(TOP_POINT))
    browser.until("state.part !== null && $('heading').textContent === 'Parts like this one'")
    browser.until(f"[...document.querySelectorAll('#alike canvas')].slice(0, 2).every({INKED})")
    browser.key("Escape")
    browser.until("state.part === null && $('heading').textContent === 'Most alike'")
    browser.run("[...$('looks').children].find(b => b.textContent === 'Saliency').click()")
    browser.until("state.kind === 'saliency' && state.cloud !== state.shape")
    browser.drop(mesh, 300, 300)
    browser.until("state.number >= 36 && $('chosen').textContent === 'pyramid <i>.off' && $('drop').hidden")
    browser.run("$('map').focus()")
    browser.key("ArrowRight")
    browser.key("ArrowDown")
    number = browser.until("state.map.under + 1") - 1
    browser.key("Enter")
    browser.until(f"state.number === {number}")
    browser.key("b")
    browser.until("state.number >= 36")
    browser.key("/")
    browser.run("$('name').value = '/09'; $('name').dispatchEvent(new Event('input'))")
    browser.key("Enter")
    browser.until("state.number === 9")
    assert browser.said == []


def test_what_cannot_be_read_is_said_and_nothing_is_lost(browser: Browser, address: str, tmp_path: Path) -> None:
    browser.go(address + "#4")
    browser.until(f"document.getElementById('facts')?.textContent && {THERE} && state.number === 4")
    (tmp_path / "bad.off").write_text("OFF\n")
    browser.drop(tmp_path / "bad.off", 300, 300)
    browser.until("$('notice').textContent.startsWith('bad.off cannot be used')")
    assert browser.run("state.number") == 4
    browser.said.clear()


@pytest.mark.parametrize(("before", "webgl", "said"), [(ANY_WEBGL, True, ""), (NO_WEBGL, False, "no WebGL")])
def test_a_file_needs_no_server_and_no_webgl(
    browser: Browser, shapes: Shapes, looks: Looks, tmp_path: Path, before: str, webgl: bool, said: str
) -> None:
    page = tmp_path / "page.html"
    page.write_text(explore_page("scans", kept_data(shapes, looks, 20, shown=False)))
    patched = browser.call("Page.addScriptToEvaluateOnNewDocument", source=before)
    browser.asked.clear()
    browser.size(390, 844, dark=True, phone=True)
    browser.go(page.as_uri())
    browser.until(f"document.getElementById('facts')?.textContent.startsWith('20 shapes') && {THERE}")
    assert browser.run("painter.renderer !== null") is webgl
    assert said in browser.run("$('notice').textContent")
    browser.until(f"{INKED}($('shape'))")
    assert browser.run("document.documentElement.scrollWidth") <= 390, "nothing is wider than a phone"
    browser.run("$('shape').focus()")
    browser.key("p")
    browser.until("state.part !== null && $('heading').textContent === 'Parts like this one'")
    browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=patched["identifier"])
    browser.size(900, 900)
    assert browser.asked == [page.as_uri()] and browser.said == []


def test_what_moves_slowly_is_drawn_with_fewer_dots_until_it_rests(browser: Browser, address: str) -> None:
    browser.size(900, 900, scale=2)
    browser.go(address)
    browser.until(f"document.getElementById('facts')?.textContent && {THERE} && state.map.pen.canvas.width > 0")
    paced = """(step => {
      const given = performance.now.bind(performance), pace = new Pace(() => { pace.rested = true; }), dots = [];
      let now = 1000;
      performance.now = () => now;
      for (let k = 0; k < 6; k++) { dots.push(pace.dots()); now += step; }
      performance.now = given;
      window.pace_ = pace;
      return dots;
    })"""
    assert browser.run(f"{paced}(16)") == [2] * 6
    assert browser.run(f"{paced}(400)") == [2] * 6, "frames far apart are no movement"
    assert browser.run(f"{paced}(80)") == [2, 1, 1, 1, 1, 1]
    browser.until("window.pace_.rested && window.pace_.dots() === 2")
    sheet = "state.map.pen.canvas.width === %d * $('map').clientWidth"
    browser.run("state.map.pace.dots = () => 1, state.map.redraw()")
    browser.until(sheet % 1)
    browser.run("delete state.map.pace.dots, state.map.redraw()")
    browser.until(sheet % 2)
    browser.size(900, 900)
