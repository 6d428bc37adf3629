"""The approval: one question, its right answerers, and its one outcome."""

import json
import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.urls import reverse
from django.utils import formats, timezone

from approvals.models.callback import Callback
from approvals.models.caller import Caller
from approvals.models.content import DEFAULT_OPTIONS, NEGATIVE, OUTCOME_LABELS, PENDING
from approvals.models.delivery import Delivery
from approvals.models.errors import (
    AlreadyClosed,
    AlreadyRegistered,
    CommentRequired,
    NotYours,
    UnknownOption,
    WasChanged,
)
from approvals.models.querysets import ApprovalQuerySet
from approvals.models.record import Event, Vote
from approvals.models.user import User
from approvals.plain import visible


class Approval(models.Model):
    """One question put to people by one workflow execution, with one callback for the answer.

    `status` is `pending` or the outcome; every change of it is one conditional UPDATE in
    one transaction with its event and its delivery.
    """

    class Priority(models.TextChoices):
        LOW = "low", "Low"
        NORMAL = "normal", "Normal"
        HIGH = "high", "High"
        URGENT = "urgent", "Urgent"

    class CommentRule(models.TextChoices):
        OPTIONAL = "optional", "optional"
        ON_REJECT = "on_reject", "required to reject"
        ALWAYS = "always", "required"

    class Result(models.TextChoices):
        SUCCEEDED = "succeeded", "Done"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    caller = models.ForeignKey(Caller, models.PROTECT, related_name="approvals")
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - unique if given
    callback_url = models.CharField(max_length=700, help_text="Where the answer is delivered.")
    execution = models.CharField(max_length=400, db_index=True)
    content_sha256 = models.CharField(max_length=64)
    revision = models.PositiveIntegerField(default=1)

    type = models.CharField(max_length=100, blank=True)
    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True, help_text="Markdown.")
    fields = models.JSONField(default=list, help_text="[label, value] pairs, in order.")
    links = models.JSONField(default=list)
    options = models.JSONField(default=list)
    requested_by = models.CharField(max_length=254, blank=True)
    requester_mailbox = models.CharField(max_length=254, blank=True, db_index=True)
    votes_needed = models.PositiveIntegerField(default=1)
    comment_rule = models.CharField(
        max_length=10, choices=CommentRule, default=CommentRule.ON_REJECT
    )
    priority = models.CharField(max_length=10, choices=Priority, default=Priority.NORMAL)
    on_expiry = models.CharField(max_length=50, default="expired")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    expires_at = models.DateTimeField(null=True, db_index=True)

    status = models.CharField(max_length=50, default=PENDING, db_index=True)
    decided_at = models.DateTimeField(null=True, db_index=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="decided"
    )

    result = models.CharField(max_length=10, choices=Result, blank=True)
    result_message = models.CharField(max_length=1000, blank=True)
    result_url = models.URLField(max_length=500, blank=True)

    objects: ClassVar[ApprovalQuerySet] = ApprovalQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("-created_at",)
        indexes = (models.Index(fields=["status", "created_at"], name="approval_by_status"),)
        constraints = (
            models.UniqueConstraint(fields=["callback_url"], name="one_approval_per_callback"),
            models.UniqueConstraint(
                fields=["caller", "idempotency_key"], name="one_approval_per_key"
            ),
            models.CheckConstraint(
                condition=models.Q(status=PENDING) ^ models.Q(decided_at__isnull=False),
                name="approval_pending_or_decided",
            ),
            models.CheckConstraint(
                condition=models.Q(votes_needed__gte=1), name="approval_votes_at_least_one"
            ),
        )

    def __str__(self) -> str:
        return visible(self.title)

    def get_absolute_url(self) -> str:
        return reverse("approvals:detail", args=[self.pk])

    @property
    def url(self) -> str:
        """The page for people, with the host."""
        return f"{settings.BASE_URL}{self.get_absolute_url()}"

    # --- reading --------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether a vote would be accepted now."""
        in_time = self.expires_at is None or self.expires_at > timezone.now()
        return self.status == PENDING and in_time

    @property
    def status_label(self) -> str:
        """The state as people read it: the author's word, where the author chose one."""
        words = {option["value"]: option["label"] for option in self.options}
        usual = {option["value"]: option["label"] for option in DEFAULT_OPTIONS}
        if self.status in words and words[self.status] != usual.get(self.status):
            return str(words[self.status])
        return str(OUTCOME_LABELS.get(self.status, self.status))

    def option(self, value: str) -> dict[str, str]:
        """The declared option of this value. Raises `UnknownOption`."""
        for option in self.options:
            if option["value"] == value:
                return dict(option)
        labels = ", ".join(option["label"] for option in self.options)
        raise UnknownOption(f"“{value}” is not one of the answers: {labels}.")

    def needs_comment(self, outcome: str) -> bool:
        """Whether this answer must come with a comment."""
        rejects = self.comment_rule == self.CommentRule.ON_REJECT and outcome in NEGATIVE
        return rejects or self.comment_rule == self.CommentRule.ALWAYS

    @property
    def trouble(self) -> str:
        """Why an operator should look at it, in a sentence; empty when all is well."""
        if self.status != PENDING:
            return self.delivery.reason if self.delivery.needs_attention else ""
        nobody = Approval.objects.nobodys().filter(pk=self.pk).exists()
        return "Nobody active who was asked may answer it." if nobody else ""

    def may_be_decided_by(self, user: User) -> bool:
        """Whether this person could decide it now."""
        return Approval.objects.needing(user).filter(pk=self.pk).exists()

    def how_it_closed(self) -> str:
        """One sentence: who, what and when."""
        when = formats.date_format(timezone.localtime(self.decided_at), "j F Y, H:i e")
        if self.decided_by:
            return f"{self.decided_by} answered “{self.status_label}” on {when}."
        if self.status == "withdrawn":
            return f"The workflow withdrew this request on {when}."
        return f"Nobody answered in time; it was closed as “{self.status_label}” on {when}."

    # --- changing -------------------------------------------------------------------------------

    def decide(self, outcome: str, *, by: User, revision: int, comment: str = "") -> None:
        """Record this person's answer and queue its delivery: all of it, or nothing.

        Repeating one's own answer is no error. Raises `UnknownOption`, `CommentRequired`,
        `AlreadyClosed`, `WasChanged` (another revision than the page showed), `NotYours`.
        """
        self.option(outcome)
        comment = comment.strip()
        if self.needs_comment(outcome) and not comment:
            raise CommentRequired("Please say why: the comment goes to the person who asked.")
        candidates = Approval.objects.needing(by).filter(revision=revision)
        vote = Vote(
            user=by,
            outcome=outcome,
            comment=comment,
            revision=revision,
            content_sha256=self.content_sha256,
        )
        data = {"outcome": outcome, "content_sha256": self.content_sha256, "comment": comment}
        if not self._close(candidates, outcome, Event.Kind.DECIDED, by.actor, data=data, vote=vote):
            self._explain_refusal(outcome, by, revision)

    def _explain_refusal(self, outcome: str, by: User, revision: int) -> None:
        self.refresh_from_db()
        if self.decided_by_id == by.pk and self.status == outcome:
            return
        if self.status != PENDING:
            raise AlreadyClosed(self.how_it_closed())
        if not self.is_open:
            raise AlreadyClosed("The time to answer has passed; nothing was saved.")
        if self.revision != revision:
            raise WasChanged("The request was changed after you opened it. Please read it again.")
        raise NotYours("You may read this request, but others were asked to decide it.")

    def expire(self) -> bool:
        """Close it because its time is over, and tell the workflow; False if it was closed."""
        return self._close(Approval.objects.overdue(), self.on_expiry, Event.Kind.EXPIRED, "system")

    def withdraw(self, reason: str, *, actor: str) -> None:
        """Close it because the answer is no longer needed. Raises `AlreadyClosed`."""
        pending = Approval.objects.filter(status=PENDING)
        kind = Event.Kind.WITHDRAWN
        if not self._close(pending, "withdrawn", kind, actor, data={"reason": reason}):
            self.refresh_from_db()
            if self.status != "withdrawn":
                raise AlreadyClosed(self.how_it_closed())

    def settle(self, *, timed_out: bool, actor: str) -> dict[str, Any] | None:
        """The recorded outcome (the callback body), or None while it is pending.

        `timed_out`: the workflow waits no longer, so an undecided approval is closed in the
        same statement, and that is the answer ever after. Being asked is the proof that the
        workflow has the outcome.
        """
        if timed_out:
            pending = Approval.objects.filter(status=PENDING)
            data = {"reason": "The workflow's wait timed out."}
            self._close(pending, self.on_expiry, Event.Kind.EXPIRED, actor, data=data)
        self.refresh_from_db()
        if self.status == PENDING:
            return None
        Delivery.confirm(self.pk, actor=actor)
        return self.delivery.payload

    def report(self, result: str, message: str, url: str, *, actor: str) -> None:
        """Keep what the workflow did with the outcome. Raises `AlreadyClosed` while undecided."""
        said = {"result": result, "result_message": message, "result_url": url}
        with transaction.atomic():
            changed = (
                Approval.objects.filter(pk=self.pk)
                .exclude(status=PENDING)
                .exclude(**said)
                .update(**said)
            )
            if changed:
                Event.objects.create(approval=self, kind=Event.Kind.OUTCOME, actor=actor, data=said)
        self.refresh_from_db()
        if self.status == PENDING:
            raise AlreadyClosed("This approval is still waiting for an answer.")

    def register_again(
        self, caller: Caller, callback_url: str, execution: str, sha256: str
    ) -> "Approval":
        """Answer a repeated registration; with a new URL of the same execution, re-arm."""
        if self.caller_id != caller.pk or self.content_sha256 != sha256:
            raise AlreadyRegistered(
                "This callback URL or Idempotency-Key was registered before with other content."
                " Use a fresh callback endpoint and key for every question."
            )
        if self.callbacks.filter(url=callback_url).exists():
            return self
        if self.execution != execution:
            raise AlreadyRegistered(
                "This Idempotency-Key belongs to another execution."
                " Put the execution id into the key."
            )
        with transaction.atomic():
            if self._moved_to(callback_url):
                Callback.objects.create(url=callback_url, approval=self)
                Event.objects.create(approval=self, kind=Event.Kind.REARMED, actor=caller.actor)
        self.refresh_from_db()
        return self

    def _moved_to(self, callback_url: str) -> int:
        pending = Approval.objects.filter(pk=self.pk, status=PENDING)
        return pending.exclude(callback_url=callback_url).update(callback_url=callback_url)

    def _close(
        self,
        candidates: ApprovalQuerySet,
        outcome: str,
        kind: Event.Kind,
        actor: str,
        *,
        data: dict[str, Any] | None = None,
        vote: Vote | None = None,
    ) -> bool:
        """The one transition: outcome, vote, delivery and event, if `candidates` still has it.

        The conditional UPDATE is the lock: of any number at once, one changes a row.
        """
        now = timezone.now()
        with transaction.atomic():
            if not candidates.filter(pk=self.pk).update(
                status=outcome, decided_at=now, decided_by=vote.user if vote else None
            ):
                return False
            self.refresh_from_db()
            if vote:
                vote.approval, vote.at = self, now
                vote.save(force_insert=True)
            decision_id = uuid.uuid4()
            body = json.dumps(self._payload(decision_id, vote), ensure_ascii=False)
            Delivery.objects.create(id=decision_id, approval=self, body=body, created_at=now)
            Event.objects.create(
                approval=self,
                kind=kind,
                actor=actor,
                at=now,
                data={"outcome": outcome, "decision_id": str(decision_id), **(data or {})},
            )
        return True

    def _payload(self, decision_id: uuid.UUID, vote: Vote | None) -> dict[str, Any]:
        """The callback body of the contract."""
        at = (self.decided_at or timezone.now()).isoformat(timespec="milliseconds")
        at = at.replace("+00:00", "Z")
        votes = []
        if vote:
            votes = [
                {
                    "email": vote.user.email,
                    "outcome": vote.outcome,
                    "comment": vote.comment,
                    "at": at,
                }
            ]
        return {
            "approval_id": str(self.pk),
            "decision_id": str(decision_id),
            "outcome": self.status,
            "decided_at": at,
            "decided_by": {
                "email": vote.user.email,
                "name": vote.user.get_full_name(),
                "on_behalf_of": None,
            }
            if vote
            else None,
            "comment": vote.comment if vote else "",
            "form": vote.form if vote else {},
            "votes": votes,
            "content_sha256": self.content_sha256,
            "url": self.url,
        }
