"""`docs/reliability.md` has every row of the failure model, and the tests it names are there."""

import ast
import re
from functools import cache

import pytest

from tests.pages import ROOT, read, tables

# So many rows has the failure model of each kind: crash points, answers, looks, races and
# environment; promises; tests.
ROWS = {"C": 13, "A": 11, "S": 6, "R": 33, "P": 12, "T": 19}
PROOFS = {"C": (3,), "A": (3,), "S": (5,), "R": (3,), "P": (3,), "T": (2, 3)}
TABLES = [table for table in tables(read("reliability.md")) if table[0][0] == "key"]
LINES = [row for table in TABLES for row in table[1:]]
# These hold without a test of ours; their lines say how.
BY_HAND = {"R33", "T16", "T18"}


def proofs(row):
    """What is named as proof: tests, and parts of `make soak`."""
    return [name for at in PROOFS[row[0][0]] for name in re.findall(r"`([^`]+)`", row[at])]


@cache
def found_in(path):
    """Classes of a file of tests with their functions; functions of the file have no class."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = {"": functions(tree.body)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = functions(node.body)
    return {name: tests for name, tests in found.items() if tests}


def functions(nodes):
    named = (node.name for node in nodes if isinstance(node, ast.FunctionDef))
    return {name for name in named if name.startswith("test_")}


def exists(proof):
    """Whether there is such a test: a file with some, a class of it, a function of either."""
    path, *rest = proof.split("::")
    path = path if path.startswith("tests/") else f"tests/approvals/{path}"
    if not (ROOT / path).exists():
        return False
    found = found_in(path)
    match rest:
        case []:
            return bool(found)
        case [name]:
            return name in found or name in found.get("", set())
        case [name, function]:
            return function in found.get(name, set())
    return False


def parts():
    """The parts of `make soak`, as its program lists them."""
    source = (ROOT / "tests" / "soak" / "__main__.py").read_text(encoding="utf-8")
    return set(re.findall(r'Part\(\s*"(\w+)"', source))


class TestTables:
    def test_every_row_of_the_failure_model_is_there_once(self):
        keys = [row[0] for row in LINES]

        assert sorted(keys) == sorted(f"{kind}{n + 1}" for kind in ROWS for n in range(ROWS[kind]))

    def test_every_row_says_what_happens_and_what_shows_it(self):
        for row in LINES:
            assert all(row), row
            assert proofs(row) or row[0] in BY_HAND, row

    def test_every_named_test_exists(self):
        named = [
            (row[0], proof)
            for row in LINES
            for proof in proofs(row)
            if ".py" in proof and not exists(proof)
        ]

        assert named == []

    def test_every_named_part_of_the_soak_exists(self):
        known = parts() | {f"make soak SOAK={name}" for name in parts()}
        named = {proof for row in LINES for proof in proofs(row) if ".py" not in proof}

        assert len(known) > 10
        assert named <= known


class TestRules:
    def test_locks_that_sqlite_ignores_decide_nothing(self):
        """A version's number is unique besides, a check of the record only reads, and a migration
        fills in what others leave alone."""
        sources = {path: path.read_text("utf-8") for path in (ROOT / "approvals").rglob("*.py")}
        named = {path.name for path, text in sources.items() if "select_for_update(" in text}

        assert len(sources) > 80
        assert named == {"0004_old_deliveries.py", "policy.py", "verification.py"}


class TestReading:
    @pytest.mark.parametrize(
        ("proof", "there"),
        [
            ("test_races.py", True),
            ("test_races.py::TestClosing", True),
            ("test_races.py::TestNothing", False),
            ("test_races.py::TestClosing::test_nothing", False),
            ("tests/round_trip/test_protocol.py::test_each_cell_ends_as_listed", True),
            ("tests/nowhere.py::TestClosing", False),
        ],
    )
    def test_what_is_not_there_is_found_out(self, proof, there):
        assert exists(proof) is there
