"""How many rounds a second may leave this process."""

import time

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

WINDOW = 1.0  # seconds


class Pace:
    """At most `rate` rounds in any second."""

    def __init__(self, rate: int) -> None:
        self._item = RateLimitItemPerSecond(rate)
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)

    def wait(self) -> float:
        """Seconds until one more may leave; 0 if it may now."""
        window = self._limiter.get_window_stats(self._item)
        if window.remaining > 0:
            return 0.0
        pause = window.reset_time - time.time()
        if pause > WINDOW:  # the library counts by the wall clock, which was set back
            self._storage.reset()
            return 0.0
        return max(pause, 0.001)

    def take(self) -> bool:
        """Count one that leaves; False where it may not."""
        return self._limiter.hit(self._item)
