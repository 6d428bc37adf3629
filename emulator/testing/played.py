"""The inbox of a test, as the test sees and steers it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from emulator.testing.approval import Approval
from emulator.testing.asking import type_of
from emulator.testing.inbox_api import Trouble

if TYPE_CHECKING:
    from emulator.testing.site import Site

__tracebackhide__ = True  # a test that fails shows its own lines


class PlayedInbox:
    """Stands where the inbox is: `COUNTERSIGN_URL` of every workflow that a test deploys."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def url(self) -> str:
        """Its address, as workflows know it."""
        return self._site.inbox.url

    @property
    def approvals(self) -> Sequence[Approval]:
        """Everything that was asked, oldest first, by whatever run."""
        records = self._site.do(lambda: list(self._site.inbox.records))
        return [Approval(self._site, record) for record in records]

    def has_group(self, name: str, *members: str) -> None:
        """Say who is in a group: `ana@example.com` or `Ana Almeida <ana@example.com>`.

        From then on the people and groups that were told are all there are, as in an inbox: others
        who are asked are a 422, and only those who were asked may decide.
        """
        self._site.inbox.people.groups[name] = members

    def has_default_approvers(self, *approvers: str) -> None:
        """Say who is asked by a question that names nobody; without that it is a 422."""
        self._site.inbox.people.default_approvers = approvers

    def has_type(self, name: str, *, title: str = "", **said: Any) -> None:
        """Say what a type is, as operators do in the admin. Other types are then a 422.

        Args:
            name: as workflows write it in `type`.
            title: as people read it.
            said: `stages` and `rules` as in the admin, `comment`, `expires_in`, `on_expiry`,
                `silence_approves`, `reject_settles`, `form`, `priority`. Reminders, escalation and
                the undo window make no difference to a workflow, and are left out.

        Raises:
            ValueError, TypeError, KeyError: stages or rules are not as in the admin.
        """
        self._site.inbox.types[name] = type_of(title or name, said)

    def knows_only(self, *callers: str) -> None:
        """Say which service accounts may call; for others it is a 403."""
        self._site.api.callers = frozenset(callers)

    def fails(
        self,
        status: int | None = 503,
        *,
        times: int | None = None,
        on: str = "",
        stored: bool = False,
    ) -> None:
        """Answer calls with a status, or break their connections off (None).

        Args:
            times: so many calls; by default all, until `works`.
            on: how their paths end: `approvals` is asking, `settle` is taking the answer, `outcome`
                is reporting.
            stored: they are handled all the same, and only the answer is lost.
        """
        self._site.api.troubles.append(Trouble(status, times, on, stored))

    def works(self) -> None:
        """End all that `fails` and `stop_worker` have begun."""
        self._site.api.troubles.clear()
        self._site.inbox.has_worker = True

    def stop_worker(self) -> None:
        """From now on nothing expires by itself, and no answer is brought to its callback."""
        self._site.inbox.has_worker = False

    @property
    def callers(self) -> Collection[str]:
        """The service accounts that have registered something."""
        return sorted({record.caller for record in self._site.inbox.records})
