"""Writing the notices of an event, in the event's own transaction."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models
from django.utils import timezone

from approvals.audience import TO_ANSWER, Circle, Matter, matters_of, told
from approvals.models.channel import Channel
from approvals.models.notice import Notice
from approvals.models.policy import Policy
from approvals.models.preference import Preference
from approvals.models.record import Event
from approvals.models.stand_in import StandIn
from approvals.models.user import User

if TYPE_CHECKING:
    from approvals.models.approval import Approval

RESULTS = (Matter.RESULT, Matter.REPORT, Matter.CLOSED)
# What says that an answer did not arrive.
UNDELIVERED = (Event.Kind.BLOCKED, Event.Kind.MISSED)
# A receipt leaves when the answer cannot be taken back any more, and what it came to is known.
AFTER_UNDO = timedelta(seconds=5)


def tell(event: Event) -> None:
    """Write a notice for each person and each channel that is told of this event."""
    matters = matters_of(event.kind, event.data)
    if not matters:
        return
    # A further reason is for those who can mend it.
    stale = (Matter.RESULT,) if event.kind in UNDELIVERED and not _is_news(event) else ()
    matters = tuple(each for each in matters if each not in stale)
    taking = [each for each in Channel.objects.active() if set(each.matters) & set(matters)]
    if not (taking or settings.TELL_BY_MAIL):
        return
    approval = event.approval
    if event.kind == Event.Kind.MISSED and approval.decided_by_id is None:
        return  # nobody's answer was lost
    found = [*_to_channels(event, taking, matters)]
    if settings.TELL_BY_MAIL:
        people = Around(approval, event)
        tellings = told(event.kind, event.data, people.of)
        news = [(each.matter, each.address) for each in tellings if each.matter not in stale]
        found += _to_people(event, news)
    Notice.objects.bulk_create(found)


def _is_news(event: Event) -> bool:
    """Whether somebody's answer did not arrive, and nobody but operators knows of it yet."""
    if event.approval.decided_by_id is None:
        return False
    before = Event.objects.filter(approval=event.approval_id, kind=event.kind)
    return not before.filter(number__lt=event.number).exists()


def tell_operators(approval: "Approval") -> None:
    """An approval needs attention though nothing happens to it: say so, beside its last event."""
    event = approval.events.latest("number")
    attention = (Matter.ATTENTION,)
    taking = [each for each in Channel.objects.active() if Matter.ATTENTION in each.matters]
    found = [*_to_channels(event, taking, attention)]
    if settings.TELL_BY_MAIL:
        operators = Around(approval, event).of(Circle.OPERATORS)
        found += _to_people(event, [(Matter.ATTENTION, address) for address in operators])
    Notice.objects.bulk_create(found, ignore_conflicts=True)


def _to_people(event: Event, tellings: Iterable[tuple[Matter, str]]) -> Iterable[Notice]:
    """Mails, as each person wants them. Who has no account here is told as a requester only."""
    tellings = list(tellings)
    addresses = [address for _, address in tellings]
    known = User.objects.filter(email__in=addresses).select_related("preference")
    users = {user.email: user for user in known}
    for matter, address in tellings:
        user = users.get(address)
        notice = Notice(
            approval=event.approval, event=event, matter=matter, address=address, user=user
        )
        if user is None or (user.is_active and _wanted(notice, user)):
            if matter == Matter.RECEIPT and event.approval.undo and notice.digest_at is None:
                wait = timedelta(seconds=event.approval.undo) + AFTER_UNDO
                notice.next_attempt_at = event.at + wait
            yield notice


def _wanted(notice: Notice, user: User) -> bool:
    """Whether this person wants it; and when: at once, or with a summary."""
    chosen: Preference = getattr(user, "preference", None) or Preference(user=user)
    unwanted = (
        chosen.pace == Preference.Pace.NONE
        or (notice.matter == Matter.RECEIPT and not chosen.receipts)
        or (notice.matter in RESULTS and not chosen.results and not _came_too_late(notice))
    )
    digest_at = chosen.next_digest(timezone.now())
    if digest_at is not None and not _cannot_wait(notice, digest_at):
        notice.digest_at = notice.next_attempt_at = digest_at
    return not unwanted


def _came_too_late(notice: Notice) -> bool:
    """Somebody has to start the workflow again: that is more than a result."""
    return notice.event.kind == Event.Kind.MISSED


def _cannot_wait(notice: Notice, until: datetime) -> bool:
    approval = notice.approval
    over = approval.expires_at is not None and approval.expires_at <= until
    return notice.matter in TO_ANSWER and (over or approval.priority == approval.Priority.URGENT)


def _to_channels(
    event: Event, channels: Iterable[Channel], matters: Collection[Matter]
) -> Iterable[Notice]:
    channels = list(channels)
    if not channels:
        return
    approval = event.approval
    groups = set(approval.approvers.values_list("group", flat=True))
    policy = Policy.objects.filter(versions=approval.policy_id).values_list("pk", flat=True).first()
    for channel in channels:
        ours = channel.group_id is None or channel.group_id in groups
        typed = channel.policy_id is None or channel.policy_id == policy
        if ours and typed:
            for matter in matters:
                if matter in channel.matters:
                    yield Notice(approval=approval, event=event, matter=matter, channel=channel)


class Around:
    """The people around an approval at the moment of an event, as lower-case addresses."""

    def __init__(self, approval: "Approval", event: Event) -> None:
        self.approval, self.event = approval, event

    def of(self, circle: Circle) -> Collection[str]:
        """The addresses of one circle, in order and without repetitions."""
        found: Collection[str] = getattr(self, circle.value)
        return list(dict.fromkeys(found))

    @cached_property
    def asked(self) -> list[str]:
        return self._may_answer(self.approval.able())

    @cached_property
    def new(self) -> list[str]:
        to = str(self.event.data["to"])
        if to.startswith("group:"):
            named = models.Q(groups__name=to.removeprefix("group:").strip())
        else:
            named = models.Q(email=to.removeprefix("user:").strip().lower())
        return self._may_answer(self.approval.able().filter(named))

    def _may_answer(self, people: "models.QuerySet[User]") -> list[str]:
        """Those of these people who have not answered, with their stand-ins of today."""
        mailbox = self.approval.requester_mailbox
        busy = {pk for vote in self._votes if vote[0] == self.approval.stage for pk in vote[1:3]}
        asked = [each for each in people if each.pk not in busy and each.mailbox != mailbox]
        absent = StandIn.objects.all().active().filter(user__in=asked, colleague__is_active=True)
        colleagues = [absence.colleague for absence in absent.select_related("colleague")]
        asked += [each for each in colleagues if each.pk not in busy and each.mailbox != mailbox]
        return [each.email for each in asked]

    @cached_property
    def _votes(self) -> list[tuple[int, int, int, str, str]]:
        columns = ("stage", "user", "principal", "user__email", "principal__email")
        return list(self.approval.standing_votes().values_list(*columns))

    @property
    def requester(self) -> list[str]:
        address = self.approval.requested_by.strip().lower()
        try:
            validate_email(address)
        except ValidationError:
            return []
        return [address]

    @property
    def voters(self) -> list[str]:
        return [address for vote in self._votes for address in vote[3:]]

    @property
    def actors(self) -> list[str]:
        """Who did it; of an answer also the person in whose right it was given."""
        kind, _, address = self.event.actor.partition(":")
        if kind != "user":
            return []
        principals = [vote[4] for vote in self._votes if vote[3] == address]
        return [address, *principals[-1:]]

    @property
    def askers(self) -> list[str]:
        asked = self.approval.events.filter(kind=Event.Kind.QUESTION).order_by("number")
        actors = asked.values_list("actor", flat=True)
        return [actor.removeprefix("user:") for actor in actors]

    @property
    def operators(self) -> list[str]:
        """Staff who may read every approval, as `inbox.is_operator` has it."""
        able = ModelBackend().with_perm("approvals.view_approval")
        return list(able.filter(is_staff=True).order_by("pk").values_list("email", flat=True))
