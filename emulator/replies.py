"""The recorded replies that a run has not been given yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from emulator.protocol import Reply

Recorded = tuple[str, Reply]
"""A reply with the key of its request."""

AT_ONCE = 16
"""Replies drawn from the journal together. They may be large, so all at once would not do."""


class Replies:
    """The replies of one execution, in the order in which they were recorded.

    Args:
        draw: reads the journal: at most `AT_ONCE` replies after so many of them.

    `taken` is how many the run has been given.
    """

    def __init__(self, draw: Callable[[int], Sequence[Recorded]]) -> None:
        self.taken = 0
        self._draw = draw
        self._drawn = 0
        self._drawn_all = False
        self._at_hand: deque[Recorded] = deque()

    def add(self, key: str, reply: Reply) -> None:
        """Add a reply that has just been recorded; if there are others to draw, so is this one."""
        if self._drawn_all:
            self._at_hand.append((key, reply))

    def take(self) -> Recorded | None:
        """The next reply, or None when the run has been given all."""
        if not self._at_hand and not self._drawn_all:
            drawn = self._draw(self._drawn)
            self._drawn += len(drawn)
            self._drawn_all = len(drawn) < AT_ONCE
            self._at_hand.extend(drawn)
        if not self._at_hand:
            return None
        self.taken += 1
        return self._at_hand.popleft()
