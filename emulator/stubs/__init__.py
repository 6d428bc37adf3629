"""Stubs: answers to connectors and HTTP calls in place of the world's, so that nothing is sent."""

from emulator.stubs.answers import Answer, raises, responds, returns
from emulator.stubs.book import Stubs
from emulator.stubs.reading import Reading, UnusableStubs, read
from emulator.stubs.stub import Stub

__all__ = [
    "Answer",
    "Reading",
    "Stub",
    "Stubs",
    "UnusableStubs",
    "raises",
    "read",
    "responds",
    "returns",
]
