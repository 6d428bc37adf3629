"""An approval as a test sees it: what was asked, and the person who answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from countersign.bodies import PENDING, OutcomeIn
from countersign.tally import NEGATIVE
from emulator.testing.record import Record, facts

if TYPE_CHECKING:
    from emulator.testing.site import Site

__tracebackhide__ = True  # a test that fails shows its own lines


class Approval:
    """One question of a run. What is told of it is as it stands when it is asked for."""

    def __init__(self, site: Site, record: Record) -> None:
        self._site = site
        self._record = record

    def __repr__(self) -> str:
        return f"<Approval {self.title!r} {self.status}>"

    # --- what was asked -------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Its ID in the inbox."""
        return self._record.id

    @property
    def title(self) -> str:
        """What is asked, in one line."""
        return self._record.body.title

    @property
    def summary(self) -> str:
        """The text below the title."""
        return self._record.body.summary

    @property
    def fields(self) -> Mapping[str, Any]:
        """The facts, by their labels, in reading order."""
        return facts(self._record)

    @property
    def approvers(self) -> Sequence[str]:
        """Who is asked now, or was asked last: `user:E-MAIL` and `group:NAME`."""
        return [asked.name for asked in self._record.now_asked.asked]

    @property
    def stage(self) -> int:
        """The number of the stage that is asked now, or was asked last, from 1."""
        return self._record.stage + 1

    @property
    def form(self) -> Mapping[str, Any] | None:
        """The JSON Schema of what is filled in, of the request or of its type."""
        return self._record.terms.form

    @property
    def prefill(self) -> Mapping[str, Any]:
        """The values that the form begins with."""
        return self._record.body.prefill

    @property
    def options(self) -> Sequence[str]:
        """The outcomes that can be chosen."""
        return [option.value for option in self._record.body.options]

    @property
    def requested_by(self) -> str:
        """The e-mail address of who asks, or empty."""
        return self._record.body.requested_by

    @property
    def request(self) -> Mapping[str, Any]:
        """All that was sent, with what the inbox takes for what was not: the body of the API."""
        return self._record.body.model_dump(mode="json")

    @property
    def key(self) -> str | None:
        """The `Idempotency-Key`."""
        return self._record.key

    @property
    def callback(self) -> str:
        """The ID of the callback endpoint that the answer goes to."""
        return self._record.callback_url.rpartition("/")[2]

    @property
    def expires_at(self) -> datetime | None:
        """When the inbox closes it; a little before the workflow waits no longer."""
        return self._record.expires_at

    # --- what became of it ----------------------------------------------------------------------

    @property
    def status(self) -> str:
        """`pending`, or its outcome."""
        return self._record.status

    @property
    def is_pending(self) -> bool:
        """Whether it waits for an answer."""
        return self._record.status == PENDING

    @property
    def decided_by(self) -> str | None:
        """The e-mail address of who answered; None if nobody has."""
        decided = self._record.decided_by
        return None if decided is None else decided[0]

    @property
    def comment(self) -> str:
        """What they wrote."""
        return self._record.comment

    @property
    def votes(self) -> Sequence[tuple[str, str]]:
        """(e-mail address, outcome) of every answer so far."""
        return [(vote.email, vote.outcome) for vote in self._record.votes]

    @property
    def delivery(self) -> str | None:
        """How far the answer has come: `queued`, `stored`, `confirmed`, `unknown`, `blocked` or
        `missed`, as in the inbox; None while there is no answer."""
        return self._record.delivery

    @property
    def reported(self) -> OutcomeIn | None:
        """What the workflow said it did with the answer (`status`, `message`, `url`), if it has."""
        return self._record.reported

    # --- what people do -------------------------------------------------------------------------

    def approve(
        self,
        comment: str = "",
        *,
        by: str = "",
        form: Mapping[str, Any] | None = None,
        deliver: bool = True,
    ) -> None:
        """Answer `approved`; as `choose`."""
        self.choose("approved", comment, by=by, form=form, deliver=deliver)

    def reject(self, comment: str = "No.", *, by: str = "", deliver: bool = True) -> None:
        """Answer `rejected`; as `choose`."""
        self.choose("rejected", comment, by=by, deliver=deliver)

    def choose(
        self,
        outcome: str,
        comment: str = "",
        *,
        by: str = "",
        form: Mapping[str, Any] | None = None,
        deliver: bool = True,
    ) -> None:
        """Answer, and return when the run has done all that follows from it at once.

        Args:
            outcome: one of `options`.
            by: who answers: `ana@example.com` or `Ana Almeida <ana@example.com>`. Empty is the
                first person who was asked and has not answered.
            form: what is filled in, by its property. By default what the form begins with: its
                defaults, and `prefill`.
            deliver: False keeps the answer on record and loses its callback.

        Raises:
            AnswerRefused: the inbox would not take it: answered before, too late, not theirs to
                decide, without the comment or the values that it needs.
        """
        given = self._begun_with() if form is None else form
        values = {} if outcome in NEGATIVE and form is None else given
        self._site.run(
            self._site.decide(self._record, outcome, by, comment, values, deliver=deliver)
        )

    def withdraw(self) -> None:
        """Close it as `withdrawn`, as another program of the caller's can.

        Raises:
            AnswerRefused: it was answered before.
        """
        self._site.run(self._site.withdraw(self._record))

    def deliver(self) -> int | None:
        """Send the callback once more, though it was sent before.

        Returns:
            The HTTP status; None where the connection was broken off.

        Raises:
            TestingError: there is no answer yet.
        """
        return self._site.run(self._site.deliver(self._record))

    def _begun_with(self) -> Mapping[str, Any]:
        properties = (self.form or {}).get("properties", {})
        defaults = {name: each["default"] for name, each in properties.items() if "default" in each}
        return {**defaults, **self.prefill}
