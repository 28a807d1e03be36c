"""The documentation's pictures of the report: `python -m screenshots`, run in `tests`, takes them anew."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import browser

from flopsight import cli

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PROFILE = "torchvision:swin_t"
STEP = "memory torchvision:swin_t --batch 32 --train --backward --optimizer adamw --allocator cuda"


class Picture(NamedTuple):
    """A picture: its file, what makes the report, the window, light or dark, and what the reader does first."""

    file: str
    command: str
    viewport: dict[str, int]
    scheme: str
    act: Callable[[Any], None]


def nothing(page: Any) -> None:
    """Look at it as it opens."""


def zoom(page: Any) -> None:
    """Look into a block."""
    page.select_option("#quantity", "exact")
    page.get_by_label("5 47", exact=False).first.click()
    page.locator("#graph-section").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#graph-section').scrollIntoView()")


def memory(page: Any) -> None:
    """Look at the memory."""
    page.evaluate("document.querySelector('#memory-title').scrollIntoView()")


PICTURES = (
    Picture("report.png", PROFILE, {"width": 1180, "height": 1480}, "light", nothing),
    Picture("report-memory.png", STEP, {"width": 1180, "height": 820}, "dark", memory),
    Picture("report-phone.png", PROFILE, browser.PHONE, "dark", zoom),
)


def main() -> None:
    """Take every picture."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser.chromium() as chromium:
        for picture in PICTURES:
            file = Path(folder) / "report.html"
            assert cli.main([*picture.command.split(), "--html", str(file)]) == 0
            options = {"viewport": picture.viewport, "color_scheme": picture.scheme, "reduced_motion": "reduce"}
            with browser.opened(chromium, file, **options) as page:
                picture.act(page)
                page.mouse.move(0, 0)
                page.screenshot(path=IMAGES / picture.file)


if __name__ == "__main__":
    main()
