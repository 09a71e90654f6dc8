"""A real Chromium, headless, spoken to over the DevTools protocol."""

import itertools
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import httpx
from websockets.sync.client import connect

from tests.service.running import DEADLINE_S, wait_for

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "about:blank",
)  # fmt: skip


def find_chromium() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "chromium is not installed: apt-get install chromium"
    return path


class Page:
    """One page of a browser of its own; a context manager. ``faults`` is what its console says."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self.faults: list[str] = []

    def __enter__(self) -> Self:
        command = [find_chromium(), f"--user-data-dir={self._folder}", *FLAGS]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        told = self._folder / "DevToolsActivePort"
        wait_for(lambda: told.exists() and "\n" in told.read_text(), "the browser is there", 60)
        port = told.read_text().splitlines()[0]
        targets = httpx.get(f"http://127.0.0.1:{port}/json/list", timeout=30).json()
        page = next(target for target in targets if target["type"] == "page")
        self._socket = connect(page["webSocketDebuggerUrl"], max_size=None)
        for domain in ("Runtime", "Log", "Page"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_exception: object) -> None:
        self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        end_s = time.monotonic() + DEADLINE_S
        while True:
            told = json.loads(self._socket.recv(timeout=max(0.0, end_s - time.monotonic())))
            if told.get("id") == number:
                assert "error" not in told, told
                return dict(told["result"])
            self._note(told)

    def _note(self, told: dict[str, Any]) -> None:
        given = told.get("params", {})
        if told["method"] == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(given["exceptionDetails"]))
        elif told["method"] == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.faults.append(json.dumps(given["entry"]))
        elif told["method"] == "Runtime.consoleAPICalled" and given["type"] in ("error", "assert"):
            self.faults.append(json.dumps(given["args"]))

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def evaluate(self, script: str) -> Any:
        """Return what the script is worth; a promise is waited for."""
        told = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def text(self, selector: str = "body") -> str:
        """Return the text that a reader sees."""
        script = f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"
        return str(self.evaluate(script))

    def wait_for_text(self, words: str, selector: str = "body") -> str:
        wait_for(lambda: words in self.text(selector), f"{selector} shows {words!r}")
        return self.text(selector)

    def click(self, selector: str) -> None:
        found = f"document.querySelector({json.dumps(selector)})"
        wait_for(lambda: self.evaluate(f"{found} !== null"), f"{selector} is there")
        self.evaluate(f"{found}.click()")

    def fill_in(self, selector: str, text: str) -> None:
        self.evaluate(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")
