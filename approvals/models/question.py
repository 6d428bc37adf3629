"""What is asked, of whom, and how it stands: the columns of an approval, and reading them."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from approvals.models.approver import Approver, ApproverQuerySet
from approvals.models.caller import Caller
from approvals.models.content import BUTTONS, NEGATIVE, OUTCOME_LABELS, PENDING, SEEN, button_of
from approvals.models.delivery import Delivery
from approvals.models.errors import UnknownOption
from approvals.models.policy import PolicyVersion
from approvals.models.querysets import ApprovalQuerySet, all_approvals
from approvals.models.record import BEGINNING, Event, Vote, VoteQuerySet
from approvals.models.stand_in import StandIn
from approvals.models.user import User, without
from approvals.plain import visible
from approvals.retold import retold
from approvals.times import clock_of, exact
from countersign.phrases import phrase

NOBODY = phrase("Nobody active who was asked may answer it.")


class Question(models.Model):
    """One question put to people by one workflow execution, with one callback for the answer.

    `status` is `pending` or the outcome; every change of it is one conditional UPDATE in
    one transaction with its event and its delivery.
    """

    class Priority(models.TextChoices):
        LOW = "low", gettext_lazy("Low")
        NORMAL = "normal", gettext_lazy("Normal")
        HIGH = "high", gettext_lazy("High")
        URGENT = "urgent", gettext_lazy("Urgent")

    class CommentRule(models.TextChoices):
        OPTIONAL = "optional", gettext_lazy("optional")
        ON_REJECT = "on_reject", gettext_lazy("required to reject")
        ALWAYS = "always", gettext_lazy("required")

    class Result(models.TextChoices):
        SUCCEEDED = "succeeded", gettext_lazy("Done")
        FAILED = "failed", gettext_lazy("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    caller = models.ForeignKey(Caller, models.PROTECT, related_name="approvals")
    idempotency_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - unique if given
    callback_url = models.CharField(max_length=700, help_text=_("Where the answer is delivered."))
    execution = models.CharField(max_length=400, db_index=True)
    request_sha256 = models.CharField(max_length=64, help_text=_("Digest of what the caller sent."))
    content_sha256 = models.CharField(max_length=64, help_text=_("Digest of what people read."))
    revision = models.PositiveIntegerField(default=1)

    type = models.CharField(max_length=100, blank=True)
    policy = models.ForeignKey(
        PolicyVersion,
        models.PROTECT,
        null=True,
        related_name="approvals",
        verbose_name=_("version"),
    )
    supersedes = models.OneToOneField(
        "approvals.Approval",
        models.PROTECT,
        null=True,
        related_name="superseded_by",
    )
    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True, help_text=_("Markdown."))
    fields = models.JSONField(default=list, help_text=_("[label, value] pairs, in order."))
    links = models.JSONField(default=list)
    options = models.JSONField(default=list)
    requested_by = models.CharField(max_length=254, blank=True)
    requester_mailbox = models.CharField(max_length=254, blank=True, db_index=True)
    stages = models.JSONField(default=list, help_text=_("Of each stage, name and votes_needed."))
    stage = models.PositiveIntegerField(
        default=0, help_text=_("The one that is asked now, from 0.")
    )
    votes_needed = models.PositiveIntegerField(
        null=True,
        default=1,
        help_text=_("In this stage; empty: everybody who is asked."),
    )
    reject_settles = models.BooleanField(default=True)
    undo = models.PositiveIntegerField(default=0, help_text=_("Seconds to take an answer back."))
    form = models.JSONField(null=True, help_text=_("JSON Schema."))
    prefill = models.JSONField(default=dict)
    comment_rule = models.CharField(
        max_length=10, choices=CommentRule, default=CommentRule.ON_REJECT
    )
    priority = models.CharField(max_length=10, choices=Priority, default=Priority.NORMAL)
    on_expiry = models.CharField(max_length=50, default="expired")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    expires_at = models.DateTimeField(null=True, db_index=True)

    status = models.CharField(max_length=50, default=PENDING, db_index=True)
    settles_as = models.CharField(
        max_length=50,
        blank=True,
        help_text=_("The outcome, once nobody may take it back."),
    )
    settles_at = models.DateTimeField(null=True, db_index=True)
    changed_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, db_index=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        related_name="decided",
    )

    result = models.CharField(max_length=10, choices=Result, blank=True)
    result_message = models.CharField(max_length=1000, blank=True)
    result_url = models.URLField(max_length=500, blank=True)

    removed_at = models.DateTimeField(
        null=True,
        help_text=_("When its contents were removed, because they were kept long enough."),
    )
    record_length = models.PositiveIntegerField(default=0)
    record_head = models.CharField(max_length=64, default=BEGINNING)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return visible(self.title)

    def get_absolute_url(self) -> str:
        return reverse("approvals:detail", args=[self.pk])

    @property
    def url(self) -> str:
        """The page for people, with the host."""
        return f"{settings.BASE_URL}{self.get_absolute_url()}"

    # --- reading --------------------------------------------------------------------------------

    def content(self) -> dict[str, Any]:
        """What people decide on; `content_sha256` is its digest."""
        version = f" v{self.policy.number}" if self.policy else ""
        return {name: getattr(self, name) for name in SEEN} | {"type": self.type + version}

    def rows(self) -> ApprovalQuerySet:
        """This approval as a query, for conditional updates."""
        return all_approvals().filter(pk=self.pk)

    @property
    def outgoing(self) -> Delivery:
        """The delivery of its outcome. Raises Delivery.DoesNotExist while it is undecided."""
        return Delivery.objects.get(approval=self.pk)

    def standing_votes(self) -> VoteQuerySet:
        """The answers that were not taken back, of all stages, in order."""
        return Vote.objects.standing().filter(approval=self.pk).order_by("at")

    def asked_now(self) -> ApproverQuerySet:
        """Who is asked in this stage."""
        return Approver.objects.current().filter(approval=self.pk, stage=self.stage)

    @property
    def is_open(self) -> bool:
        """Whether a vote would be accepted now."""
        in_time = self.expires_at is None or self.expires_at > timezone.now()
        return self.status == PENDING and in_time and self.settles_at is None

    @property
    def status_label(self) -> str:
        """The state as people read it: the author's word, where the author chose one."""
        return self.label_of(self.status)

    def label_of(self, outcome: str) -> str:
        """An outcome as people read it: “Approved”, or the author's own word for it."""
        words = {option["value"]: option["label"] for option in self.options}
        if outcome in words and words[outcome] != BUTTONS.get(outcome):
            return str(words[outcome])
        return str(OUTCOME_LABELS.get(outcome, outcome))

    @property
    def buttons(self) -> list[dict[str, str]]:
        """The options as people read them: the usual ones in the reader's language."""
        return [{**option, "label": button_of(option)} for option in self.options]

    def option(self, value: str) -> dict[str, str]:
        """The declared option of this value. Raises `UnknownOption`."""
        for option in self.options:
            if option["value"] == value:
                return dict(option)
        labels = ", ".join(option["label"] for option in self.buttons)
        sentence = gettext("“%(value)s” is not one of the answers: %(labels)s.")
        raise UnknownOption(sentence % {"value": value, "labels": labels})

    def needs_comment(self, outcome: str) -> bool:
        """Whether this answer must come with a comment."""
        rejects = self.comment_rule == self.CommentRule.ON_REJECT and outcome in NEGATIVE
        return rejects or self.comment_rule == self.CommentRule.ALWAYS

    @property
    def trouble(self) -> str:
        """Why an operator should look at it, in a sentence; empty when all is well."""
        if self.status != PENDING:
            return retold(self.outgoing.reason) if self.outgoing.needs_attention else ""
        nobody = self.rows().nobodys().exists()
        return gettext(NOBODY) if nobody else ""

    def principal_for(self, user: User) -> User | None:
        """In whose right this person could answer now: their own, a colleague's, or None."""
        if not self.rows().asking(user).exists():
            return None
        for person in (user, *StandIn.objects.all().principals_of(user)):
            if self.rows().in_right_of(person).exists():
                return person
        return None

    def able(self) -> "models.QuerySet[User]":
        """The active people who are asked in this stage, whether they have answered or not."""
        asked = self.asked_now()
        groups = asked.filter(group__isnull=False).values("group")
        reached = models.Q(pk__in=asked.filter(user__isnull=False).values("user"))
        reached |= models.Q(groups__in=groups)
        people = User.objects.filter(reached, is_active=True).distinct()
        return without(people, self.requester_mailbox)

    def electorate(self, votes: Iterable[tuple[int, int]]) -> set[int]:
        """The people whose answers count in this stage: who has answered, and who still can.

        Whoever was answered for cannot any more: the stand-in has.

        Args:
            votes: `user` and `principal` of each that stands in this stage.
        """
        votes = list(votes)
        able = set(self.able().values_list("pk", flat=True))
        return able - {principal for _, principal in votes} | {user for user, _ in votes}

    def may_be_decided_by(self, user: User) -> bool:
        """Whether this person could decide it now."""
        return self.rows().needing(user).exists()

    def how_it_settles(self) -> str:
        """Who answered what, and until when that can be taken back; for the undo window."""
        vote = self.standing_votes().select_related("user", "principal").last()
        assert self.settles_at is not None
        if vote and vote.on_behalf_of:
            sentence = gettext(
                "%(who)s, for %(whom)s, answered “%(label)s” already, and can take it back until"
                " %(clock)s."
            )
        else:
            sentence = gettext(
                "%(who)s answered “%(label)s” already, and can take it back until %(clock)s."
            )
        return sentence % {
            "who": vote.user if vote else gettext("Somebody"),
            "whom": vote.on_behalf_of if vote else "",
            "label": self.label_of(vote.outcome if vote else self.settles_as),
            "clock": clock_of(self.settles_at, seconds=True),
        }

    def how_it_closed(self) -> str:
        """One sentence: who, what and when."""
        assert self.decided_at is not None
        told: dict[str, Any] = {"when": exact(self.decided_at), "label": self.status_label}
        if self.decided_by:
            told["who"] = self.decided_by
            return gettext("%(who)s answered “%(label)s” on %(when)s.") % told
        if self.status == "withdrawn":
            told["who"] = self._who_withdrew()
            if told["who"]:
                return gettext("%(who)s withdrew this request on %(when)s.") % told
            return (
                gettext("It was closed on %(when)s without an answer: its workflow had ended.")
                % told
            )
        return gettext("Nobody answered in time; it was closed as “%(label)s” on %(when)s.") % told

    @property
    def reason_withdrawn(self) -> str:
        """Why it was withdrawn, as long as that is kept; empty where it was not."""
        return retold(self._withdrawal.data.get("reason", "")) if self._withdrawal else ""

    @property
    def _withdrawal(self) -> Event | None:
        events = Event.objects.filter(approval=self.pk, kind=Event.Kind.WITHDRAWN)
        return events.last() if self.status == "withdrawn" else None

    def _who_withdrew(self) -> str:
        """An operator, or the workflow; nobody where the workflow's end was seen."""
        kind, _, address = self._withdrawal.actor.partition(":") if self._withdrawal else ("",) * 3
        if kind == "system":
            return ""
        if kind != "user":
            return gettext("The workflow")
        return str(User.objects.filter(email=address).first() or address)
