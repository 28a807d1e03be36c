"""The pictures in the docs of the report and a notebook: `python -m screenshots`, run in `tests`, takes them anew."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from html import escape
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


NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook.ipynb"
CELLS = ("profile.plot()", 'step.plot("memory")')
"""The ends of the cells that the picture of the notebook shows."""
STYLE = """\
body { margin: 1.5em; font-family: sans-serif }
pre { background: #f5f5f5; border: 1px solid #ddd; padding: .6em }
img { max-height: 290px }
"""


def notebook() -> str:
    """Some cells of the notebook, executed, as a page."""
    import nbformat
    from nbclient import NotebookClient

    read = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(read, timeout=300).execute()
    parts = [f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>"]
    for cell in read.cells:
        if cell.source.rstrip().endswith(CELLS):
            found = [output.get("data", {}) for output in cell.outputs]
            (drawing,) = [data["image/png"] for data in found if "image/png" in data]
            parts.append(f'<pre>{escape(cell.source)}</pre><img src="data:image/png;base64,{drawing}">')
    return "".join(parts)


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
        file.write_text(notebook(), encoding="utf-8")
        with browser.opened(chromium, file, viewport={"width": 600, "height": 740}) as page:
            page.screenshot(path=IMAGES / "notebook.png")


if __name__ == "__main__":
    main()
