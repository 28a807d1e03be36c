"""A real browser for tests and pictures: the system's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window. Raises: ImportError without Playwright, LookupError without Chromium."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise LookupError(f"there is no {', '.join(NAMES)}; install one with the system's package manager")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


def or_skip() -> Iterator[Any]:
    """The browser for a fixture; without one the tests are skipped, but fail where CI runs them."""
    try:
        with chromium() as browser:
            yield browser
    except (ImportError, LookupError) as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"not run in a browser: {error}")


@contextmanager
def opened(browser: Any, file: Path, *, viewport: dict[str, int] = DESKTOP, **options: Any) -> Iterator[Any]:
    """The page of a file, which must say nothing on its console and ask for nothing but itself.

    options: of Playwright's `new_context`: `color_scheme="dark"`.
    """
    context = browser.new_context(viewport=viewport, **options)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: said.append(f"request: {request.url}"))
    page.on("dialog", lambda dialog: (said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.goto(file.as_uri())
    yield page
    context.close()
    own = [f"request: {file.as_uri()}"]
    assert [line for line in said if not line.startswith("request: data:")] == own
