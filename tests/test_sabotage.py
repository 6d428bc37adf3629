"""The list of `tests.sabotage` does not rot: each guard stands where it says, each test exists."""

import ast
from collections import Counter

import pytest

from tests.guards_off import ALL
from tests.sabotage import ROOT, Rotten, changed, switch_off


def names_in(path):
    """Every class and function of a test file, as pytest names it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}::{each.name}" for each in node.body if hasattr(each, "name"))


@pytest.mark.parametrize("guard", ALL, ids=lambda guard: guard.name)
class TestEveryGuard:
    def test_it_stands_where_it_is_said_to_and_can_be_taken_out(self, guard, tmp_path):
        for file, _, _ in guard.changes:
            copy = tmp_path / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text((ROOT / file).read_text(encoding="utf-8"), encoding="utf-8")

        switch_off(guard, tmp_path)

        for file, _, _ in guard.changes:
            without = (tmp_path / file).read_text(encoding="utf-8")
            assert without != (ROOT / file).read_text(encoding="utf-8")
            compile(without, file, "exec")  # it is the guard that fails, not Python

    def test_the_tests_that_notice_exist(self, guard):
        for test in guard.tests:
            file, _, name = test.partition("::")
            assert (ROOT / file).exists(), test
            assert not name or name in set(names_in(ROOT / file)), test


class TestList:
    def test_no_guard_is_named_twice(self):
        assert max(Counter(guard.name for guard in ALL).values()) == 1

    def test_a_text_that_is_gone_or_stands_twice_is_told(self):
        assert changed("a b", "a", "c", "file") == "c b"
        for text in ("b", "a a"):
            with pytest.raises(Rotten, match="file holds"):
                changed(text, "a", "c", "file")
