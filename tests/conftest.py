"""Fixtures for services. What cannot run is named in the last lines; in CI it is a failure.

Except for gcloud, which is tried where it is installed.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db.backends.base.operations import BaseDatabaseOperations
from playwright.sync_api import Browser, sync_playwright

from tests.guards import flush_unguarded
from tests.services import NO_GCLOUD, Unavailable, ensure_chromium, ensure_postgres
from tests.watch import FOUND, watch

pytest_plugins = ["emulator.testing"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite in a file, as in production: a database in memory locks in other ways."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database.setdefault("TEST", {})["NAME"] = str(
            tmp_path_factory.mktemp("db") / "test.sqlite3"
        )


@pytest.fixture(autouse=True)
def _nothing_is_counted() -> None:
    """Requests of other tests do not count against the limits of the API."""
    cache.clear()


@pytest.fixture(scope="session", autouse=True)
def _watched() -> Iterator[None]:
    """Answers, log lines and connections of every test are looked at."""
    with pytest.MonkeyPatch.context() as patch:
        watch(patch)
        yield


@pytest.fixture(autouse=True)
def _well_behaved(_watched: None) -> Iterator[None]:
    """Nothing was found in this test."""
    FOUND.clear()
    yield
    assert FOUND == []


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The tables of the record can be emptied after a test, and by nobody else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", flush_unguarded)
        yield


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The program file of a Chromium that starts."""
    try:
        return ensure_chromium()
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """A headless Chromium, driven by Playwright.

    While it is open an event loop runs in this thread, in which Django refuses to touch the
    database: tests with a browser speak to a server in a process of its own.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """The URL of a PostgreSQL server whose user may create databases."""
    try:
        return ensure_postgres()
    except Unavailable as error:
        pytest.skip(str(error))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under CI=true a run that left something out has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", ()) if reporter is not None else ()
    left_out = [report for report in skipped if NO_GCLOUD not in str(report.longrepr)]
    if left_out and os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
