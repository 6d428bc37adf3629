"""Fixtures that start emulators and executions; see `tests.emulators` for what they offer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.reading import FLOW
from tests.emulators import EmulatorProcess, Execution


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """One emulator for all tests of a module, its waits 20 times faster."""
    data = tmp_path_factory.mktemp("emulator") / "data.sqlite3"
    with EmulatorProcess(data, time_scale=20) as running:
        yield running


@pytest.fixture
def start_emulator(tmp_path: Path) -> Iterator[Callable[..., EmulatorProcess]]:
    """Start an emulator of the test's own; takes the fields of `EmulatorProcess`."""
    started: list[EmulatorProcess] = []

    def start(**settings: Any) -> EmulatorProcess:
        data = settings.pop("data", tmp_path / f"data{len(started)}.sqlite3")
        started.append(EmulatorProcess(data, **settings))
        return started[-1].start()

    yield start
    for process in started:
        process.kill()


@pytest.fixture(scope="module")
def waiting(emulator: EmulatorProcess) -> Execution:
    """An execution of `FLOW` that waits at its callback."""
    emulator.deploy("flow", FLOW)
    execution = emulator.execute("flow", {"ask": True})
    execution.callback_url()
    return execution


@pytest.fixture(scope="module")
def over(emulator: EmulatorProcess, waiting: Execution) -> Execution:
    """Another one, which has been answered and is over."""
    execution = emulator.execute("flow", {"ask": True})
    execution.send({"answer": "yes"})
    assert execution.result() == "well done"
    return execution
