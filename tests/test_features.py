"""`docs/features.md` says where each promise is kept: what it names is really there."""

import ast
import re
from functools import cache
from uuid import UUID

import pytest
from django.contrib import admin
from django.urls import Resolver404, resolve

from approvals.api import api
from tests.pages import ROOT, read, tables

ROWS = [row for rows in tables(read("features.md")) for row in rows[1:]]
WHAT, PAGES, API, ADMIN, PROOF = range(5)


def named(column):
    """(what is promised, what is named for it) of one column."""
    return [(row[WHAT], name) for row in ROWS for name in re.findall(r"`([^`]+)`", row[column])]


@cache
def classes_of(path):
    """Classes of a file of tests with their functions."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        each.name: {node.name for node in each.body if isinstance(node, ast.FunctionDef)}
        for each in classes
    }


def exists(proof):
    """Whether there is such a test: a file, a class, and perhaps a function of it."""
    path, name, *function = proof.split("::")
    path = path if "/" in path else f"tests/approvals/{path}"
    found = classes_of(path).get(name, set()) if (ROOT / path).exists() else set()
    return bool(found) and set(function) <= found


def opens(page):
    """Whether the address leads to a page of ours."""
    path = page.partition("?")[0].replace("<id>", str(UUID(int=0))).replace("<number>", "1")
    try:
        return resolve(path).app_name == "approvals"
    except Resolver404:
        return False


class TestFeatures:
    def test_every_row_is_whole(self):
        assert len(ROWS) > 50
        for row in ROWS:
            assert len(row) == 5, row
            assert all(row), row
            assert "`" in row[PROOF], row

    def test_every_named_test_exists(self):
        assert [each for each in named(PROOF) if not exists(each[1])] == []

    def test_every_named_page_opens(self):
        assert [each for each in named(PAGES) if not opens(each[1])] == []

    def test_every_named_call_is_in_the_document(self):
        paths = api.get_openapi_schema()["paths"]
        known = {
            f"{method.upper()} {path.removeprefix('/api/v1')}"
            for path, calls in paths.items()
            for method in calls
        }

        assert {name for _, name in named(API)} == known

    def test_every_named_list_of_the_admin_is_there(self):
        known = {model._meta.model_name for model in admin.site._registry}

        assert [each for each in named(ADMIN) if each[1] not in known] == []


class TestReading:
    @pytest.mark.parametrize(
        ("proof", "there"),
        [
            ("test_admin.py::TestRecord", True),
            ("test_admin.py::TestNothing", False),
            ("test_admin.py::TestRecord::test_nothing", False),
            ("tests/nowhere.py::TestRecord", False),
        ],
    )
    def test_what_is_not_there_is_found_out(self, proof, there):
        assert exists(proof) is there

    def test_an_address_of_nothing_does_not_open(self):
        assert opens("/approvals/<id>/")
        assert not opens("/nowhere/")
