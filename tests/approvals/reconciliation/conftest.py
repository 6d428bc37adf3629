"""The emulator in Google's place, and a workflow of each test's own."""

import pytest
from google.auth.compute_engine import _metadata

from approvals.google import executions, wire
from tests.approvals.reconciliation.flows import WAITS, Asked, Flow, whole
from tests.emulators import EmulatorProcess


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with EmulatorProcess(tmp_path_factory.mktemp("emulator") / "data.sqlite3") as process:
        yield process


@pytest.fixture
def google(emulator, settings, monkeypatch):
    """The emulator in Google's place, without faults."""
    settings.GOOGLE_CLOUD_PROJECT = ""  # what other tests have deployed is not looked at
    settings.WORKFLOWS_EMULATOR_HOST = emulator.url
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    # google-auth reads its variables when it is imported.
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", f"127.0.0.1:{emulator.port}")
    monkeypatch.setattr(wire, "_credentials", None)
    wire._local.__dict__.pop("session", None)
    yield emulator
    whole(emulator)
    wire._local.__dict__.pop("session", None)


@pytest.fixture
def flow(google, managers, eva):
    found = Flow(google)
    google.deploy(found.id, WAITS)
    return found


@pytest.fixture
def asked(monkeypatch):
    found, get = Asked(), wire.get

    def spy(url, **query):
        found.urls.append(url)
        return get(url, **query)

    for module in (executions, wire):
        monkeypatch.setattr(module, "get", spy)
    return found
