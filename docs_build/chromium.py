"""Pictures of HTML, as a browser draws it."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Chromium:
    """A headless browser that loads nothing from the network."""

    browser: Browser

    def picture(self, html: str, selector: str, *, width_px: int, scale: float = 2) -> bytes:
        """The first element that matches `selector`, as a PNG of 256 colours.

        Args:
            html: a document.
            selector: in CSS.
            width_px: of the window, in CSS pixels.
            scale: pixels of the picture per CSS pixel.
        """
        context = self.browser.new_context(
            viewport={"width": width_px, "height": 1_200}, device_scale_factor=scale, offline=True
        )
        try:
            page = context.new_page()
            page.set_content(html, wait_until="load")
            page.evaluate(  # players show their duration only once they have read it
                "Promise.all([...document.querySelectorAll('audio')].map(each => new Promise(done => {"
                " each.onloadedmetadata = each.onerror = done; each.preload = 'metadata'; each.load(); })))"
            )
            drawn = page.locator(selector).first.screenshot()
        finally:
            context.close()
        return _with_few_colours(drawn)


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A Chromium of this machine.

    Raises:
        FileNotFoundError: there is none.
    """
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        raise FileNotFoundError("There is no Chromium on this machine (Debian: apt install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield Chromium(browser)
        finally:
            browser.close()


def _with_few_colours(png: bytes) -> bytes:
    """The same picture in a third of the bytes: no colour is off by more than a few steps of 256."""
    content = io.BytesIO()
    drawn = Image.open(io.BytesIO(png)).convert("RGB")
    drawn.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE, kmeans=3).save(
        content, "PNG", optimize=True
    )
    return content.getvalue()
