"""Bringing answers to their callbacks, as the inbox does: over HTTP, and again until it is done."""

from __future__ import annotations

import json
from collections.abc import Callable

import aiohttp

from emulator.callbacks import endpoint_of, payload_text
from emulator.identity import SCOPE
from emulator.services import Services
from emulator.settings import APP_ACCOUNT
from emulator.store import State
from emulator.testing.inbox import Inbox
from emulator.testing.record import Record

PAUSES = (1, 2, 5, 10, 30, 60)
"""Seconds before each further try; the last one again and again."""

SLOW = 600
"""Seconds before the next try where somebody has to mend something first."""


class Deliveries:
    """Posts the outcomes of an inbox.

    Args:
        client: gives the session for HTTP calls.
    """

    def __init__(
        self, inbox: Inbox, services: Services, client: Callable[[], aiohttp.ClientSession]
    ) -> None:
        self._inbox = inbox
        self._services = services
        self._client = client

    async def make_until(self, moment: float) -> None:
        """One try of each delivery that is due then, in seconds since 1970."""
        for record in self._inbox.records:
            if record.due is not None and record.due <= moment:
                await self.attempt(record)

    async def attempt(self, record: Record, *, again: bool = False) -> int | None:
        """One try. Gives the HTTP status; None where there was no answer, or nothing to send.

        Args:
            again: send it, even if it has arrived.
        """
        if not again and record.delivery == "unknown" and self._arrived(record):
            record.delivery, record.due = "stored", None
            return None
        record.tries += 1
        status = await self._post(record)
        if record.delivery != "confirmed":  # the workflow may have asked in the meantime
            record.delivery, pause = _judge(status, record.tries)
            now = self._services.clock.seconds()
            record.due = None if pause is None else now + pause
        return status

    def note_taken(self) -> None:
        """An answer that is in no slot any more was read by its workflow."""
        for record in self._inbox.records:
            if record.delivery == "stored" and self._held(record) is None:
                record.delivery = "confirmed"

    async def _post(self, record: Record) -> int | None:
        token = self._services.issuer.access_token(APP_ACCOUNT, (SCOPE,))
        try:
            async with self._client().post(
                record.callback_url,
                data=json.dumps(record.payload, ensure_ascii=False).encode(),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
                allow_redirects=False,
            ) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None

    def _arrived(self, record: Record) -> bool:
        """Whether an answer that may have arrived is in the slot, or can arrive no more."""
        execution, _ = endpoint_of(record.callback_url) or ("", "")
        found = self._services.store.find(execution)
        if found is None or found.state is not State.ACTIVE:
            return True
        held = self._held(record)
        return held is not None and str((record.payload or {})["decision_id"]) in held

    def _held(self, record: Record) -> str | None:
        """What the callback's slot holds, as text."""
        execution, callback = endpoint_of(record.callback_url) or ("", "")
        found = self._services.store.callback(execution, callback)
        stored = None if found is None else found.stored
        return None if stored is None else payload_text(stored)


def _judge(status: int | None, tries: int) -> tuple[str, float | None]:
    """The state that an answer means, and the seconds to the next try, if there is one."""
    soon = PAUSES[min(tries, len(PAUSES)) - 1]
    match status:
        case int() if 200 <= status < 300:
            return "stored", None
        case 404:
            return "missed", None
        case 503:
            return "queued", soon
        case None | 408:
            return "unknown", soon
        case int() if status >= 500:
            return "unknown", soon
    return "blocked", SLOW
