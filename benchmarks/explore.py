"""How fluid the map of `i2pmae explore` is: frames a second, processor time of a frame, memory of the browser.

python -m benchmarks.explore [--shapes 10000] [--made 200] [--checkpoint tiny] [--seconds 5] [--width 1400]
    [--height 900] [--scale 1] [--no-webgl]

The index has built-in shapes, each as often as it takes, with some noise in its embedding. A Chromium without a window
and without a graphics processor opens the page; WebGL is then computed by the processor (SwiftShader), or absent with
``--no-webgl``. In each frame a script moves the pointer over the map: it drags, turns the wheel, hovers from mark to
mark; then it turns the shapes. Script is what the page's own thread computed in a frame, page all that thread did
(layout and painting included), browser what all processes of the browser computed, rasteriser and compositor among
them: milliseconds of the processor, which other programs beside do not change. Frames a second are by the clock, and
they do. Memory is what all processes hold, shared pages counted once, and the heap of the page's script.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import i2pmae
from i2pmae.exploring.app import make_app
from i2pmae.exploring.looks import Looks
from i2pmae.exploring.shapes import Shapes
from i2pmae.retrieval.index import Index
from i2pmae.retrieval.nearest import unit
from i2pmae.retrieval.store import CLOUDS, POINTS, VECTORS, finish, new_index
from i2pmae.weights.encoder import Encoder
from tests.browser import Browser, opened
from tests.servers import running

NOISE = 1.0
"""Length of what is added to an embedding, in spreads of all of them."""
TICKS = os.sysconf("SC_CLK_TCK")
HOVERED = 400
"""Milliseconds after which a mark has shown its shape."""
MOVES = {
    "drag": "p.move(200 * Math.sin(t / 9), 120 * Math.sin(t / 14), 1)",
    "zoom": "p.wheel(40 * Math.sin(t / 25))",
    "hover": "p.move(300 * Math.sin(t / 17), 160 * Math.sin(t / 11), 0)",
    "turn": "p.turn(5)",
}
"""What happens in frame ``t``."""
DRIVER = """(seconds => new Promise(done => {
  const map = $("map"), shape = $("shape"), box = map.getBoundingClientRect();
  const at = (x, y) => ({ clientX: box.left + box.width / 2 + x, clientY: box.top + box.height / 2 + y });
  const told = { pointerId: 1, pointerType: "mouse", bubbles: true };
  const send = (on, type, more) => on.dispatchEvent(new PointerEvent(type, { ...told, ...more }));
  const p = {
    move: (x, y, buttons) => send(map, "pointermove", { ...at(x, y), buttons }),
    wheel: by => map.dispatchEvent(new WheelEvent("wheel", { deltaY: by, cancelable: true, ...at(90, 40) })),
    turn: by => { pose.turn -= by; redraw(); },
  };
  map.focus();
  if (%(held)s) send(map, "pointerdown", { ...at(0, 0), buttons: 1, button: 0 });
  const begun = performance.now(), stamps = [];
  let t = 0;
  requestAnimationFrame(function frame(now) {
    stamps.push(now);
    if (t < 5 || performance.now() - begun < 1000 * seconds) { %(move)s; t++; requestAnimationFrame(frame); return; }
    send(map, "pointerup", { ...at(0, 0) });
    send(map, "pointerleave", {});
    done(stamps);
  });
}))(%(seconds)s)"""


class Used(NamedTuple):
    """Seconds of the processor."""

    script: float
    page: float
    browser: float


def make_index(folder: Path, encoder: Encoder, count: int, made: int) -> Index:
    """An index of so many shapes, of which ``made`` have points of their own."""
    clouds = i2pmae.make_shapes(made, 1024)
    first = i2pmae.index(encoder, clouds, output=folder.with_name("made"), regions=0, shown=False)
    generator, rows = np.random.default_rng(0), np.arange(count) % made
    known = np.asarray(first.vectors)
    noise = generator.normal(size=(count, known.shape[1])) * known.std(0) * NOISE
    labels = first.labels
    assert labels is not None
    with new_index(folder) as part:
        np.save(part / VECTORS, unit(known[rows] + noise))
        np.save(part / POINTS, np.load(Path(first.folder) / POINTS)[rows])
        names = {"id": [f"{labels[row]}/{k:05d}" for k, row in enumerate(rows)], "label": [labels[row] for row in rows]}
        pq.write_table(pa.table(names), part / CLOUDS)
        finish(part, first.record.changed(clouds=count))
    return Index(folder)


def children(process: int) -> list[int]:
    """A process and all that it started."""
    found = [process]
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += children(int(child))
    return found


def processor(processes: Sequence[int]) -> float:
    """Seconds that processes have computed."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(processes: Sequence[int]) -> float:
    """Megabytes that processes hold, shared pages counted once."""
    total = 0
    for process in processes:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                total += int(line.split()[1]) if line.startswith("Pss:") else 0
    return total * 1024 / 1e6


def used(browser: Browser, processes: Sequence[int]) -> Used:
    metrics = {line["name"]: line["value"] for line in browser.call("Performance.getMetrics")["metrics"]}
    return Used(metrics["ScriptDuration"], metrics["TaskDuration"], processor(processes))


def measured(browser: Browser, processes: Sequence[int], kind: str, seconds: float) -> str:
    """A row of the table."""
    browser.run("state.map.show()")
    time.sleep(HOVERED / 1000)
    before = used(browser, processes)
    told = {"held": str(kind == "drag").lower(), "move": MOVES[kind], "seconds": seconds}
    stamps = np.array(browser.run(DRIVER % told))
    after = used(browser, processes)
    frames = len(stamps) - 1
    cost = [1000 * (late - early) / frames for early, late in zip(before, after, strict=True)]
    between = np.diff(stamps)
    cells = [f"{1000 * frames / (stamps[-1] - stamps[0]):.0f}", f"{np.percentile(between, 95):.0f}"]
    return f"| {kind} | " + " | ".join([*cells, *(f"{value:.1f}" for value in cost)]) + " |"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", type=int, default=10_000)
    parser.add_argument("--made", type=int, default=200)
    parser.add_argument("--checkpoint", default="tiny")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--width", type=int, default=1400)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--no-webgl", action="store_true")
    parser.add_argument("--picture", type=Path, help="a .png file of the page as it was at the end")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encoder = i2pmae.load(options.checkpoint, "cpu")
        index = make_index(folder / "index", encoder, options.shapes, options.made)
        shapes = Shapes(index, encoder)
        looks = Looks(encoder, [shapes.points(row) for row in shapes.spread(8)])
        with (
            running(make_app(shapes, looks, up="y")) as place,
            opened(folder / "profile", webgl=not options.no_webgl) as browser,
        ):
            browser.size(options.width, options.height, scale=options.scale)
            browser.call("Performance.enable", timeDomain="threadTicks")
            begun = time.perf_counter()
            browser.go(f"http://127.0.0.1:{place.getsockname()[1]}/")
            browser.until("document.querySelectorAll('#alike button').length > 0")
            came = time.perf_counter() - begun
            processes = [process for child in children(os.getpid())[1:] for process in [child]]
            measured(browser, processes, "drag", min(1.0, options.seconds))  # what is compiled at first use
            print("| | frames a second | 95 % of frames, ms | script, ms | page, ms | browser, ms |")
            print("|---|---|---|---|---|---|")
            for kind in MOVES:
                print(measured(browser, processes, kind, options.seconds), flush=True)
            heap = browser.call("Runtime.getHeapUsage")["usedSize"] / 1e6
            if options.picture:
                browser.picture(options.picture)
            assert browser.said == [], browser.said
            print(
                f"{len(index)} shapes: opened in {came:.1f} s; the browser holds {memory(processes):.0f} MB, its "
                f"script {heap:.1f} MB"
            )


if __name__ == "__main__":
    main()
