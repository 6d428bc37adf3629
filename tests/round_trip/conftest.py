"""Whole systems for the tests: one that is shared, and fresh ones to be killed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.round_trip.system import Person, System


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One system for all tests of a module; the emulator's waits pass 20 times faster."""
    with System(tmp_path_factory.mktemp("system"), time_scale=20) as running:
        yield running


@pytest.fixture
def start_system(tmp_path: Path) -> Iterator[Callable[..., System]]:
    """Start a system of the test's own; takes the settings of `System`."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(System(tmp_path, **settings))


@pytest.fixture(scope="module")
def ana(system: System) -> Person:
    return Person(system.base, "ana@example.com")


@pytest.fixture(scope="module")
def ben(system: System) -> Person:
    return Person(system.base, "ben@example.com")


@pytest.fixture(scope="module")
def eva(system: System) -> Person:
    """Who asks, in the demo."""
    return Person(system.base, "eva@example.com")


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Everything in this folder starts processes."""
    for item in items:
        if "round_trip" in item.nodeid:
            item.add_marker(pytest.mark.round_trip)
