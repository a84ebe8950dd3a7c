"""A real Chromium without a window, driven by the DevTools protocol; tests that want one skip where there is none."""

import base64
import contextlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Browser", "opened"]

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions", "--hide-scrollbars", "--mute-audio"),
    *("--disable-dev-shm-usage", "--no-default-browser-check", "--remote-debugging-port=0"),
)
SOFTWARE = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
"""WebGL by the processor."""
PATIENCE = 120.0
"""Seconds after which something that does not come is taken for broken."""


class Browser:
    """A page of a browser: what it is told, and what it shows."""

    def __init__(self, socket_: socket.socket) -> None:
        self._socket, self._rest, self._number = socket_, b"", 0
        self.said: list[str] = []
        """Errors of its scripts, and what they wrote to the console."""
        self.asked: list[str] = []
        """Addresses that it asked for."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What a method of the protocol gives."""
        self._number += 1
        self._send(json.dumps({"id": self._number, "method": method, "params": parameters}).encode())
        while True:
            message = json.loads(self._receive())
            self._note(message)
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                result: dict[str, Any] = message["result"]
                return result

    def go(self, address: str) -> None:
        """Open a page."""
        self.call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script: str) -> Any:
        """The value of an expression once it is true."""
        end = time.monotonic() + PATIENCE
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"never: {script}; said: {self.said}"
            time.sleep(0.05)
        return value

    def size(self, width: int, height: int, *, scale: float = 1, dark: bool = False, phone: bool = False) -> None:
        """What window it is shown in."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)

    def mouse(self, kind: str, x: float, y: float, button: str = "none") -> None:
        """A mouse event: mouseMoved, mousePressed, mouseReleased."""
        pressed = int(kind != "mouseMoved")
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=pressed)

    def click(self, x: float, y: float) -> None:
        """Move there and click."""
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, "left")
        self.mouse("mouseReleased", x, y, "left")

    def key(self, key: str, text: str = "") -> None:
        """Press a key."""
        more = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **more)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def drop(self, path: Path, x: float, y: float) -> None:
        """Drag a file onto the page and let it go there."""
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def picture(self, path: Path) -> None:
        """Write what is shown to a .png file."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _note(self, message: dict[str, Any]) -> None:
        kind, about = message.get("method"), message.get("params", {})
        if kind == "Runtime.exceptionThrown":
            self.said.append(json.dumps(about["exceptionDetails"])[:600])
        if kind == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
            self.said.append(str(about["args"])[:600])
        if kind == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.said.append(f"{about['entry']['text']} {about['entry'].get('url', '')}"[:600])
        if kind == "Network.requestWillBeSent":
            self.asked.append(about["request"]["url"])

    def _send(self, content: bytes) -> None:
        size = len(content)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
        length = length if size < 1 << 16 else b"\xff" + struct.pack(">Q", size)
        self._socket.sendall(b"\x81" + length + b"\0\0\0\0" + content)  # masked by zeros

    def _receive(self) -> bytes:
        content = b""
        while True:
            first, size = self._exactly(2)
            size &= 0x7F
            if size > 125:
                form = ">H" if size == 126 else ">Q"
                (size,) = struct.unpack(form, self._exactly(struct.calcsize(form)))
            content += self._exactly(size)
            if first & 0x80:
                return content

    def _exactly(self, size: int) -> bytes:
        while len(self._rest) < size:
            piece = self._socket.recv(1 << 20)
            assert piece, "the browser has gone"
            self._rest += piece
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


@contextlib.contextmanager
def opened(folder: Path, *flags: str, webgl: bool = True) -> Iterator[Browser]:
    """A browser with a profile of its own in ``folder``; the test is skipped where there is none."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("there is no Chromium here")
    drawn = SOFTWARE if webgl else ("--disable-gpu", "--disable-3d-apis")
    line = [program, *FLAGS, *drawn, *flags, f"--user-data-dir={folder}", "about:blank"]
    log = folder.with_suffix(".log")
    with log.open("wb") as output, subprocess.Popen(line, stdout=output, stderr=output) as process:
        try:
            with _connected(process, log) as connection:
                yield Browser(connection)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _connected(process: subprocess.Popen[bytes], log: Path) -> socket.socket:
    """A WebSocket of the first page."""
    end = time.monotonic() + PATIENCE
    while (found := re.search(rb"DevTools listening on ws://127.0.0.1:(\d+)/", log.read_bytes())) is None:
        assert process.poll() is None and time.monotonic() < end, log.read_text(errors="replace")[-2000:]
        time.sleep(0.05)
    port = int(found[1])
    pages: list[dict[str, Any]] = []
    while not pages:
        assert time.monotonic() < end, "the browser has no page"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
            pages = [page for page in json.load(answer) if page["type"] == "page"]
        time.sleep(0.05)
    path = pages[0]["webSocketDebuggerUrl"].partition(str(port))[2]
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade")
    lines += (f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", "")
    connection.sendall("\r\n".join(lines).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert b" 101 " in head, head
    return connection
