from __future__ import annotations

from conventions.table import PAGE, TABLES, written


def test_the_tables_of_the_page_are_not_stale() -> None:
    page = PAGE.read_text()
    assert all(f"<!-- {name} -->\n" in page and f"<!-- end of {name} -->" in page for name in TABLES)
    assert page == written(page), "run: cd tests && python -m conventions.table"
