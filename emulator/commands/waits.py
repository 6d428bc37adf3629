"""What an execution waits for, told on the terminal with how to end the wait."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from emulator.clock import parse_timestamp

_INDENT = " " * 11


class Waits:
    """Tells each wait once, when it was there at two looks: what is over sooner is not told.

    Args:
        base_url: of the emulator.
        page: of the execution, told with its first wait; empty where it has been told.
        is_virtual: whether time must be told to pass.
    """

    def __init__(self, base_url: str, page: str, *, is_virtual: bool) -> None:
        self._base_url = base_url
        self._page = page
        self._is_virtual = is_virtual
        self._before: Collection[str] = frozenset()
        self._told: set[str] = set()

    def new(self, keys: Collection[str]) -> Collection[str]:
        """Of the keys of the waits that are there now, those that are to be told."""
        new = (set(keys) & set(self._before)) - self._told
        self._before = frozenset(keys)
        return new

    def lines(self, wait: Mapping[str, Any]) -> Iterator[str]:
        """The lines of a wait, in the form of the API; the first one belongs behind a time."""
        until = ""
        if "until" in wait:
            until = f", until {parse_timestamp(wait['until']):%Y-%m-%d %H:%M:%S} UTC"
        yield f"{wait.get('place', '')} waits for {wait['what']}{until}".lstrip()
        if "url" in wait:
            yield _INDENT + wait["url"]
        if "asksInbox" in wait:
            page = f": {wait['approval']}" if "approval" in wait else ""
            yield f"{_INDENT}people answer it in the inbox{page}"
            yield f"{_INDENT}wake it, which is no answer if it asks the inbox: {wait['command']}"
        elif "command" in wait:
            yield f"{_INDENT}answer it: {wait['command']}"
        if self._is_virtual and "until" in wait:
            clock = f"""curl -s {self._base_url}/emulator/clock -d '{{"advance": "next"}}'"""
            yield f"{_INDENT}time stands still, let it pass: {clock}"
        if self._page and not self._told:
            yield f"{_INDENT}its page: {self._page}"
        self._told.add(wait["key"])
