"""A breaker: what does not answer is left alone for a while, then asked once."""

from collections.abc import Callable
from dataclasses import dataclass, field

FAILURES = 5  # in a row, before it opens
FIRST_PAUSE = 1.0  # seconds; each further one is twice as long
LONGEST_PAUSE = 60.0
LASTING = 300.0  # so long open, it is more than one answer that had a bad minute
UNTRIED = 900.0  # a row is tried every ten minutes: after longer there was nothing to ask for


@dataclass(slots=True)
class Breaker:
    """Closed while there are answers; opens after `FAILURES` in a row, from enough sources.

    Open, it lets one probe through after each pause: an answer closes it, none makes the next
    pause longer. All times are of one clock, in seconds.

    Args:
        enough: of how many sources the failures must be.
    """

    enough: int = 1
    failures: int = 0
    opened: int = 0  # times in a row; 0: closed
    since: float = 0.0  # when it opened; of a closed one it says nothing
    until: float = 0.0
    probe: object | None = None
    _sources: set[str] = field(default_factory=set)

    @property
    def is_open(self) -> bool:
        """Whether it waits for a probe to be answered."""
        return self.opened > 0

    def lasts(self, now: float) -> bool:
        """Whether it has been open for minutes, and was asked again in the last quarter hour."""
        return self.is_open and now - self.since >= LASTING and now - self.until < UNTRIED

    def may_go(self, now: float) -> bool:
        """Whether a round may begin: it is closed, or it is time for a probe."""
        return not self.is_open or (now >= self.until and self.probe is None)

    def begin(self, who: object) -> None:
        """A round begins; through an open breaker it is the probe."""
        if self.is_open:
            self.probe = who

    def answered(self) -> bool:
        """There was an answer; True where it closed the breaker."""
        closed = self.is_open
        self.failures = self.opened = 0
        self.probe = None
        self._sources.clear()
        return closed

    def failed(self, who: object, source: str, now: float, chance: Callable[[], float]) -> float:
        """There was no answer; the pause in seconds where that opened it, or opened it again.

        What began before it opened, and fails now, is no news.
        """
        self.failures += 1
        self._sources.add(source)
        if self.is_open and self.probe is not who:
            return 0.0
        self.probe = None
        if self.failures < FAILURES or len(self._sources) < self.enough:
            return 0.0
        pause = min(FIRST_PAUSE * 2.0**self.opened, LONGEST_PAUSE) * (0.5 + 0.5 * chance())
        if not self.is_open:
            self.since = now
        self.opened = min(self.opened + 1, 30)  # more would only make the power large
        self.until = now + pause
        return pause

    def unasked(self, who: object) -> None:
        """The round came to nothing, and nothing is known; another may be the probe."""
        if self.probe is who:
            self.probe = None
