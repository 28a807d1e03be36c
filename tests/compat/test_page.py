from __future__ import annotations

import pytest
from compat.page import PAGE, written


@pytest.mark.usefixtures("torchvision")
def test_the_table_of_the_page_is_not_stale() -> None:
    page = PAGE.read_text()
    assert "<!-- figures -->\n|" in page
    assert page == written(page), "run: cd tests && python -m compat.page"
