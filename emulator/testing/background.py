"""One event loop in a thread of its own, for tests that are plain functions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as Late
from typing import Any, TypeVar

from emulator.testing.errors import TestingError, TookTooLong

__tracebackhide__ = True  # a test that fails shows its own lines

Found = TypeVar("Found")


class Background:
    """Runs what it is given in its loop, and waits for the end.

    Args:
        seconds: of real time that one thing may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="emulator", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        """The result of a coroutine.

        Raises:
            TookTooLong: it has not ended in time, and is broken off.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(self._seconds)
        except TestingError as told:
            raise told.with_traceback(None) from None  # where in here it came up is no news
        except Late:
            if future.done():  # the work itself has raised a TimeoutError
                raise
            future.cancel()
            raise TookTooLong(
                f"nothing came of it in {self._seconds:g} seconds of real time. Does the workflow"
                " loop for ever, or does an address that it calls not answer? A longer time is set"
                " with `workflows_seconds` in the configuration of pytest."
            ) from None

    def do(self, act: Callable[[], Found]) -> Found:
        """The result of a function that is called in the loop."""

        async def work() -> Found:
            return act()

        return self.run(work())

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
