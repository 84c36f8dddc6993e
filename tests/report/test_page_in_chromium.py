"""The page of a counterexample, looked at in headless Chromium: what a reader has before the eyes when it has loaded."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minikvm.report import Schedule, write_html

Json = dict[str, Any]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)
PATIENCE_S = 60
DESKTOP = (1280, 800)
PHONE = (390, 700)
STEPS_SEEN = """[...document.querySelectorAll('a.step')].map(step => {
    const box = step.querySelector('.card').getBoundingClientRect();
    return {step: +step.dataset.step, text: step.textContent, width: box.width, height: box.height};
})"""
MARKED_IN_VIEW = """(() => {
    const box = document.querySelector('#marked').getBoundingClientRect();
    const bar = document.querySelector('nav').getBoundingClientRect();
    return box.top >= bar.bottom - 1 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth;
})()"""
# Text that is lower in contrast than WCAG's 4.5:1 against the box that it stands on, as [text, ratio].
PALE = """(() => {
    const light = color => {
        const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const part = color.match(/[\\d.]+/g).slice(0, 3).map(v => linear(v / 255));
        return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
    };
    const page = getComputedStyle(document.body).backgroundColor;
    return [...document.querySelectorAll('svg.sequence text')].map(text => {
        const box = text.matches('.name, .ipi text') ? null
            : text.matches('.marked .number') ? text.parentNode.querySelector('.tag')
            : text.matches('.head') ? text.previousElementSibling : text.parentNode.querySelector('.card');
        const [a, b] = [getComputedStyle(text).fill, box ? getComputedStyle(box).fill : page].map(light).sort((x, y) => y - x);
        return [text.textContent, (a + 0.05) / (b + 0.05)];
    }).filter(found => found[1] < 4.5);
})()"""
# Text of a card that reaches over its edge.
OVERFLOWING = """[...document.querySelectorAll('a.step')].flatMap(step => {
    const card = step.querySelector('.card').getBoundingClientRect();
    return [...step.querySelectorAll('text:not(.name)')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.right > card.right || box.top < card.top || box.bottom > card.bottom;
    }).map(text => text.textContent);
})"""


class Chromium:
    """A browser that is spoken to in the DevTools protocol, over the pipes 3 and 4 that it inherits."""

    def __init__(self, profile: Path) -> None:
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        self._number = 0
        self._unread = b""
        self._unread_events: list[Json] = []
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        # It wants exactly 3 and 4: a shell that puts them there, and becomes the browser.
        shell = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *command], pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        page = next(target for target in self.call("Target.getTargets")["targetInfos"] if target["type"] == "page")
        self.session: str | None = None
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> Json:
        """The result of *method*."""
        self._number += 1
        session = {"sessionId": self.session} if getattr(self, "session", None) else {}
        message = {"id": self._number, "method": method, "params": parameters, **session}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda found: found.get("id") == self._number)
        assert "error" not in answer, answer
        result: Json = answer["result"]
        return result

    def open(self, page: Path, size: tuple[int, int], dark: bool = False, scripts: bool = True, fragment: str = "") -> None:
        """Load *page* in a window of *size*, and wait until it has loaded."""
        self.call("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1], deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        for url in ("about:blank", f"{page.as_uri()}{fragment}"):  # from elsewhere: a change of the fragment alone loads nothing
            self._unread_events.clear()
            self.call("Page.navigate", url=url)
            self._until(lambda found: found.get("method") == "Page.loadEventFired")
        self.call("Emulation.setScriptExecutionDisabled", value=False)  # for see(); the page's own have missed their time

    def see(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page, once what it shows is drawn."""
        drawn = f"new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done({expression}))))"
        answer = self.call("Runtime.evaluate", expression=drawn, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Write what the window shows as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError, AssertionError, EOFError, TimeoutError):
            self.session = None
            self.call("Browser.close")
        os.close(self._commands)
        os.close(self._answers)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _until(self, wanted: Callable[[Json], bool]) -> Json:
        """The next message that is *wanted*. An event that comes before the answer that is waited for is kept for later."""
        while True:
            found = next(filter(wanted, self._unread_events), None)
            if found is not None:
                self._unread_events.remove(found)
                return found
            while b"\0" not in self._unread:
                if not select.select([self._answers], [], [], PATIENCE_S)[0]:
                    raise TimeoutError(f"no answer within {PATIENCE_S} s")
                more = os.read(self._answers, 1 << 20)
                if not more:
                    raise EOFError("the browser has ended")
                self._unread += more
            text, self._unread = self._unread.split(b"\0", 1)
            self._unread_events.append(json.loads(text))


pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all tests of the file, with a profile of its own."""
    found = Chromium(tmp_path_factory.mktemp("chromium"))
    yield found
    found.close()


@pytest.fixture
def page(tmp_path: Path) -> Callable[[Schedule], Path]:
    """``page(schedule)``: its page, written to a file."""

    def write(schedule: Schedule) -> Path:
        write_html(tmp_path / "counterexample.html", schedule)
        return tmp_path / "counterexample.html"

    return write


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_step_is_drawn(size: tuple[int, int], any_schedule: Schedule, page: Callable[..., Path], browser: Chromium) -> None:
    browser.open(page(any_schedule), size)
    seen = browser.see(STEPS_SEEN)
    assert [found["step"] for found in seen if found["width"] > 100 and found["height"] > 20] == [row.step for row in any_schedule.rows]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_marked_step_is_in_view_after_loading(
    size: tuple[int, int], any_schedule: Schedule, page: Callable[..., Path], browser: Chromium
) -> None:
    browser.open(page(any_schedule), size)
    assert browser.see(MARKED_IN_VIEW)


def test_the_marked_step_of_a_long_schedule_is_in_view(long_schedule: Schedule, page: Callable[..., Path], browser: Chromium) -> None:
    browser.open(page(long_schedule), DESKTOP)
    assert browser.see("scrollY") > 1000 and browser.see(MARKED_IN_VIEW)


def test_a_fragment_brings_the_marked_step_into_view_without_scripts(
    long_schedule: Schedule, page: Callable[..., Path], browser: Chromium
) -> None:
    browser.open(page(long_schedule), DESKTOP, scripts=False, fragment="#marked")
    assert browser.see(MARKED_IN_VIEW)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_stands_out_from_what_it_stands_on(
    dark: bool, any_schedule: Schedule, page: Callable[..., Path], browser: Chromium
) -> None:
    browser.open(page(any_schedule), DESKTOP, dark=dark)
    assert browser.see(PALE) == []


def test_dark_is_dark(sc: Schedule, page: Callable[..., Path], browser: Chromium) -> None:
    browser.open(page(sc), DESKTOP, dark=True)
    assert browser.see("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"


@pytest.mark.parametrize("kind", ["sc", "tso", "lkmm", "long_schedule", "hostile"])
def test_text_stays_in_its_card(kind: str, request: pytest.FixtureRequest, page: Callable[..., Path], browser: Chromium) -> None:
    browser.open(page(request.getfixturevalue(kind)), DESKTOP)
    assert browser.see(OVERFLOWING) == []


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_itself_never_scrolls_sideways(
    size: tuple[int, int], long_schedule: Schedule, page: Callable[..., Path], browser: Chromium
) -> None:
    browser.open(page(long_schedule), size)
    assert browser.see("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_keyboard_shows_a_step_s_details(sc: Schedule, page: Callable[..., Path], browser: Chromium) -> None:
    browser.open(page(sc), DESKTOP)
    browser.see("document.getElementById('step-3').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    told = browser.see("[document.activeElement.id, document.getElementById('details').innerText]")
    assert told[0] == "step-4" and "reads step 1 (vCPU 0)" in told[1] and "v1_bitmap.pyx:37" in told[1]


def test_pointing_at_a_step_lights_its_arrows(sc: Schedule, page: Callable[..., Path], browser: Chromium) -> None:
    browser.open(page(sc), DESKTOP, fragment="#step-4")
    x, y = browser.see("(box => [box.x + 40, box.y + 15])(document.querySelector('#step-4 .card').getBoundingClientRect())")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert browser.see("[...document.querySelectorAll('.sequence .arrow.lit')].map(arrow => arrow.dataset.steps)") == ["1 4"]


def test_a_hostile_name_runs_nothing(hostile: Schedule, page: Callable[..., Path], browser: Chromium) -> None:
    browser.open(page(hostile), DESKTOP)
    assert browser.see("[typeof window.owned, document.querySelectorAll('img, script').length]") == ["undefined", 1]
