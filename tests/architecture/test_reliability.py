"""docs/reliability.md is the page of today's table, and every row of the table is somebody's business."""

import re

import pytest

from tests.reliability import PAGE, ROOT, ROWS, Book, commit, rows_of


def test_the_page_has_the_rows_of_the_table():
    """`make reliability` writes it."""
    assert rows_of(PAGE.read_text(encoding="utf-8")) == ROWS


def test_every_row_is_measured_by_a_test():
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py") if path.name != "test_reliability.py")
    named = set(re.findall(r'reliability\(\s*"([^"]+)"', sources))
    assert named == {row for _, row, _ in ROWS}


def test_a_row_that_nobody_knows_is_refused_and_one_failure_fails_the_row():
    book = Book()
    with pytest.raises(KeyError, match="no row"):
        book.note("no such row", "", True)
    book.note("disk full", "first", True)
    book.note("disk full", "second", False)
    assert "| first; second | **no** |" in book.page()
    assert "| not measured | - | - |" in book.page()


def test_a_run_of_some_tests_leaves_the_other_rows_as_they_were():
    """With the commit that was measured beside each."""
    first, second = Book(), Book()
    first.note("disk full", "exit 8", True)
    first.note("two instances", "one played", False)
    before = first.page().replace(commit(), "0123abc")
    second.note("two instances", "both played", True)
    page = second.page(before)
    assert rows_of(page) == ROWS
    assert "| exit 8 | yes | 0123abc |" in page
    assert f"| both played | yes | {commit()} |" in page
