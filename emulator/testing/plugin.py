"""The pytest plugin: the fixture `workflows`, and what a failed test tells of its runs."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from emulator.database import Database
from emulator.identity import Issuer
from emulator.testing.background import Background
from emulator.testing.report import sections
from emulator.testing.site import Site
from emulator.testing.workbench import Workflows

_SITE = pytest.StashKey[Site]()
_SECONDS = "workflows_seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a project may set."""
    parser.addini(_SECONDS, "seconds of real time that one step of a test may take", default="30")


@pytest.fixture(scope="session")
def _workflows_background(pytestconfig: pytest.Config) -> Iterator[Background]:
    """The loop that the emulators of all tests run in, one after the other."""
    background = Background(float(pytestconfig.getini(_SECONDS)))
    yield background
    background.stop()


@pytest.fixture(scope="session")
def _workflows_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file with nothing in it but a signing key, which takes long to make."""
    path = tmp_path_factory.mktemp("workflows") / "empty.sqlite3"
    database = Database(path)
    try:
        Issuer(database)
    finally:
        database.close()
    return path


@pytest.fixture
def workflows(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _workflows_background: Background,
    _workflows_data: Path,
) -> Iterator[Workflows]:
    """An emulator with an inbox, and nothing in them, for one test."""
    folder = tmp_path_factory.mktemp("workflows")
    data = folder / "data.sqlite3"
    shutil.copyfile(_workflows_data, data)
    site = Site(_workflows_background, data)
    site.open()
    request.node.stash[_SITE] = site
    yield Workflows(site, request.config.rootpath, folder)
    del request.node.stash[_SITE]
    site.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell what the runs of a failed test have done."""
    report = yield
    if report.when == "call" and report.failed and _SITE in item.stash:
        report.sections += sections(item.stash[_SITE])
    return report
