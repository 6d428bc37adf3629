"""What needs a person: one queue for the operators' page, the admin, the metrics and the log.

A kind is a query. What the queries leave out is well; so whatever is stuck is in the queue.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Case, CharField, Count, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext

from approvals.models import Approval, Delivery, Execution, Notice, Timer, Worker
from approvals.models.outbox import LATE, State, Trouble
from approvals.models.question import NOBODY
from approvals.reasons import (
    ADVICE,
    NO_WORKER,
    UNDONE,
    UNREGISTERED,
    Kind,
    execution_name,
    host_away,
    not_told,
    what_is_wrong,
)

PAGE = 50
# A scheduler in place of a worker comes once a minute: what is due for less may still be taken.
GRACE = timedelta(minutes=2)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that needs a person.

    Attributes:
        subject: the row that is in trouble; None for a condition of the whole.
        key: the id of the subject, or the name of the condition.
        since: since when somebody, or the condition, waits.
        advice: what to do about this one; empty where what its kind says is all.
    """

    kind: Kind
    key: str
    reason: str
    since: datetime
    subject: Any = None
    approval: Approval | None = None
    advice: str = ""

    @property
    def title(self) -> str:
        """What it is about, in a few words."""
        return execution_name(self.subject) if self.approval is None else str(self.approval)

    @property
    def execution(self) -> str:
        """The resource name of the execution to read; empty where that would not help."""
        if self.kind in (Kind.NOBODY, Kind.NOTICE):
            return ""
        if self.approval is not None:
            return self.approval.execution
        return self.subject.name if self.subject is not None else ""

    @property
    def mark(self) -> str:
        """Its place in the queue: a page goes on behind it, whether it is still there or not."""
        return f"{self.kind}~{(self.since - EPOCH) // timedelta(microseconds=1)}~{self.key}"


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of trouble: its rows, each with `since`, and a row as an item."""

    kind: Kind
    rows: Callable[[], QuerySet[Any]]
    item: Callable[[Any], Item]
    related: tuple[str, ...] = ()
    approval: str = "approval_id"
    key: Callable[[str], Any] = UUID

    def items(self, most: int, behind: tuple[datetime, Any] | None = None) -> list[Item]:
        """The first of them, those that wait longest; or those that follow this time and id."""
        rows = self.rows()
        if behind:
            since, key = behind
            rows = rows.filter(Q(since__gt=since) | Q(since=since, pk__gt=key))
        return [self.item(row) for row in rows.select_related(*self.related)[:most]]


@dataclass(frozen=True, slots=True)
class Page:
    """Items of the queue, and the mark of the last one when others follow."""

    items: list[Item]
    last: str = ""


def deliveries() -> QuerySet[Any]:
    """Those that need attention, each with its `kind` and since when it does."""
    missed, unread = Q(state=State.MISSED), Q(trouble=Trouble.NOT_LISTENING)
    unread |= Q(trouble="", state=State.STORED)
    return Delivery.objects.needing_attention().annotate(
        kind=Case(
            When(missed, then=Value(Kind.MISSED)),
            When(unread, then=Value(Kind.UNREAD)),
            default=Value(Kind.UNDELIVERABLE),
            output_field=CharField(),
        ),
        since=Case(When(unread, then=Coalesce("stored_at", "created_at")), default=F("created_at")),
    )


def item_of(approval: Approval) -> Item | None:
    """The trouble of the delivery of an approval, where it has one that needs attention."""
    row = deliveries().filter(approval=approval).select_related("approval__decided_by").first()
    return _delivery(row) if row else None


def _deliveries_of(kind: Kind) -> Callable[[], QuerySet[Any]]:
    return lambda: deliveries().filter(kind=kind).order_by("since", "pk")


def _delivery(row: Any) -> Item:
    trouble = str(ADVICE.get(Trouble(row.trouble), "")) if row.trouble else ""
    kind = Kind(row.kind)
    advice = trouble if kind == Kind.UNDELIVERABLE else ""
    return Item(kind, str(row.pk), what_is_wrong(row), row.since, row, row.approval, advice)


def _nobodys() -> "QuerySet[Approval]":
    return Approval.objects.nobodys().annotate(since=F("created_at")).order_by("since", "pk")


def _nobody(row: Any) -> Item:
    return Item(Kind.NOBODY, str(row.pk), gettext(NOBODY), row.since, row, row)


def _orphans() -> "QuerySet[Execution]":
    rows = Execution.objects.needing_attention()
    return rows.annotate(since=F("unregistered_since")).order_by("since", "pk")


def _orphan(row: Any) -> Item:
    return Item(Kind.ORPHANED, row.name, str(UNREGISTERED), row.since, row)


def _untold() -> "QuerySet[Notice]":
    rows = Notice.objects.needing_attention()
    return rows.annotate(since=F("created_at")).order_by("since", "pk")


def _notice(row: Any) -> Item:
    return Item(Kind.NOTICE, str(row.pk), not_told(row), row.since, row, row.approval)


_OF_DELIVERIES = tuple(
    Source(kind, _deliveries_of(kind), _delivery, ("approval__decided_by",))
    for kind in (Kind.UNDELIVERABLE, Kind.UNREAD, Kind.MISSED)
)
_OTHERS = (
    Source(Kind.NOBODY, _nobodys, _nobody, approval="pk"),
    Source(Kind.ORPHANED, _orphans, _orphan, approval="", key=str),
    Source(Kind.NOTICE, _untold, _notice, ("approval", "user", "channel")),
)
# The order of the queue is that of `Kind`: what somebody waits for first.
SOURCES = tuple(sorted((*_OF_DELIVERIES, *_OTHERS), key=lambda each: list(Kind).index(each.kind)))


def rows_of(kind: Kind) -> QuerySet[Any]:
    """The rows behind the items of a kind; of the conditions of the whole there are none."""
    return next(source for source in SOURCES if source.kind == kind).rows()


def page_of(kind: Kind | None = None, after: str = "", size: int | None = None) -> Page:
    """The first items of the queue, or those behind a mark. Raises ValueError for no mark.

    Args:
        kind: of this kind alone.
        size: how many; `PAGE` unless given.
    """
    size = size or PAGE
    found: list[Item] = []
    start, behind = _place(after) if after else (0, None)
    for source in SOURCES[start:]:
        if kind in (None, source.kind):
            found += source.items(size + 1 - len(found), behind)
        behind = None
        if len(found) > size:
            return Page(found[:size], found[size - 1].mark)
    return Page(found)


def _place(mark: str) -> tuple[int, tuple[datetime, Any]]:
    """The source that a mark is of, and the time and id behind which to go on."""
    kind, since, key = mark.split("~", 2)
    places = [n for n, source in enumerate(SOURCES) if source.kind == kind]
    if not places:
        raise ValueError(mark)
    try:
        at = EPOCH + timedelta(microseconds=int(since))
    except OverflowError as error:
        raise ValueError(mark) from error
    return places[0], (at, SOURCES[places[0]].key(key))


def counts(of_the_whole: list[Item] | None = None) -> dict[Kind, int]:
    """How many items there are of each kind; each kind is there, also with none.

    Args:
        of_the_whole: what `conditions` says, where that is known already.
    """
    found = dict.fromkeys(Kind, 0)
    for item in conditions() if of_the_whole is None else of_the_whole:
        found[item.kind] += 1
    first, *others = (
        rows.order_by().values_list("kind").annotate(number=Count("pk"))
        for rows in (deliveries(), *map(_with_kind, _OTHERS))
    )
    return found | {Kind(kind): number for kind, number in first.union(*others, all=True)}


def _with_kind(source: Source) -> QuerySet[Any]:
    rows: QuerySet[Any] = source.rows().annotate(kind=Value(source.kind, CharField()))
    return rows


def everything() -> Iterator[tuple[Kind, str, str]]:
    """Kind, key and approval ("" where there is none) of all items."""
    for item in conditions():
        yield item.kind, item.key, ""
    for source in SOURCES:
        for pk, *approval in source.rows().values_list("pk", *filter(None, [source.approval])):
            yield source.kind, str(pk), str(approval[0]) if approval else ""


def conditions() -> list[Item]:
    """What is wrong with the whole: no worker, work left undone, hosts that do not answer."""
    now = timezone.now()
    workers = list(Worker.objects.alive())
    what, due = _oldest_due(now - (LATE if workers else GRACE), with_deliveries=not workers)
    found = []
    if due:
        reason = UNDONE[what] if workers else NO_WORKER
        found.append(Item(Kind.WORKER, "undone" if workers else "none", str(reason), due))
    hosts = {host: since for worker in workers for host, since in _paused(worker)}
    return found + [
        Item(Kind.HOST, host, host_away(host), since) for host, since in sorted(hosts.items())
    ]


def _oldest_due(before: datetime, *, with_deliveries: bool) -> tuple[str, datetime | None]:
    """What a worker should have done first, of all that was due by then, and when."""
    notices = Notice.objects.all() if settings.TELL_BY_MAIL else Notice.objects.to_channels()
    work: Mapping[str, tuple[QuerySet[Any], str]] = {
        "close": (Approval.objects.overdue(before), "expires_at"),
        "settle": (Approval.objects.settling(before), "settles_at"),
        "remind": (Timer.objects.due(before), "due_at"),
        "tell": (notices.due(before), "next_attempt_at"),
    }
    if with_deliveries:
        work = {**work, "deliver": (Delivery.objects.due(before), "next_attempt_at")}
    first, *others = (
        rows.order_by()
        .annotate(what=Value(what, CharField()), due=F(column))
        .values_list("what", "due")
        for what, (rows, column) in work.items()
    )
    return next(iter(first.union(*others, all=True).order_by("due")[:1]), ("", None))


def _paused(worker: Worker) -> Iterator[tuple[str, datetime]]:
    """The hosts that a worker leaves alone for a moment, and since when that is known."""
    for host in worker.paused:
        yield str(host), worker.seen_at
