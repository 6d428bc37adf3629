"""Figures of how people decide: what waits and for whom, what was decided, when and how fast.

The database adds up; nothing here reads approvals row by row. Each person gets the figures of what
they may read. They are kept for a minute, so that a page and its charts agree.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar, cast
from uuid import UUID

from django.core.cache import cache
from django.db import connection
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    Exists,
    F,
    Func,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.utils import timezone
from django.utils.translation import gettext_lazy

from approvals.models import Approval, Event, Policy, User, Vote
from approvals.models.approver import Approver
from approvals.models.content import PENDING, digest
from approvals.models.querysets import ApprovalQuerySet
from approvals.models.user import without
from approvals.periods import QUARTER, Period, periods_of
from approvals.spreads import Spread, spreads_of
from approvals.tallies import Epoch
from approvals.times import midnight

KEPT = 60  # seconds
MOST_PEOPLE = 10
HELPED_WITHIN = timedelta(days=1)
OTHER, EXPIRED, WITHDRAWN = "other", "expired", "withdrawn"
# How approvals close, in the order of tables and charts.
OUTCOMES = {
    "approved": gettext_lazy("Approved"),
    "rejected": gettext_lazy("Rejected"),
    "changes_requested": gettext_lazy("Sent back"),
    OTHER: gettext_lazy("Another answer"),
    EXPIRED: gettext_lazy("Nobody answered in time"),
    WITHDRAWN: gettext_lazy("Withdrawn"),
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Selection:
    """Of which approvals: days, the last one included, and perhaps a type and a group."""

    first: date
    last: date
    type: str = ""
    group: str = ""

    @property
    def begins(self) -> datetime:
        return midnight(self.first)

    @property
    def ends(self) -> datetime:
        """The moment after the last day."""
        return midnight(self.last + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for people now."""

    number: int = 0
    executions: int = 0
    oldest: UUID | None = None
    title: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reminders:
    """Reminders that were sent, and those with an answer within a day."""

    number: int = 0
    helped: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """One type or group: how long its decisions took, and what waits there now.

    Attributes:
        label: what people call it; empty for approvals without a type.
    """

    name: str
    label: str
    waiting: int
    spread: Spread | None


class Quarter(Func):
    """The quarter of an hour in which a moment is, as a number since 1970."""

    arity = 1
    output_field = IntegerField()
    template = f"FLOOR(EXTRACT(EPOCH FROM %(expressions)s) / {QUARTER})"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """The same in whole numbers; the sign of the format passes two formattings."""
        template = f"CAST(strftime('%%%%s', %(expressions)s) AS INTEGER) / {QUARTER}"
        return self.as_sql(compiler, connection, template=template, **context)


class IsReminder(Func):
    """Whether an event is a reminder; written out, as SQLite takes no index of some rows alone
    for a value that is only sent along."""

    arity = 1
    output_field = BooleanField()
    template = f"%(expressions)s = '{Event.Kind.REMINDED.value}'"


KIND = Case(
    When(status=WITHDRAWN, then=Value(WITHDRAWN)),
    # Also where silence has an outcome of its own: nobody has decided that.
    When(decided_by__isnull=True, then=Value(EXPIRED)),
    When(status__in=("approved", "rejected", "changes_requested"), then=F("status")),
    default=Value(OTHER),
    output_field=CharField(),
)
SECONDS = Epoch("decided_at") - Epoch("created_at")


class Insights:
    """The figures of one selection for one person; each is worked out when it is asked for."""

    def __init__(self, user: User, selection: Selection) -> None:
        self.user, self.selection = user, selection
        # Whoever may read all of them today may not tomorrow: the rights are a part of the key.
        rights = "all" if user.has_perm("approvals.view_approval") else f"of {user.pk}"
        self._key = digest(f"{rights} {selection} {timezone.get_current_timezone_name()}")

    def _kept(self, name: str, work: Callable[[], T]) -> T:
        return cast("T", cache.get_or_set(f"insights:{self._key}:{name}", work, KEPT))

    # --- now ------------------------------------------------------------------------------------

    @cached_property
    def waiting(self) -> Waiting:
        """What waits now, whenever it was asked."""
        return self._kept("waiting", self._waiting)

    @cached_property
    def people(self) -> list[tuple[str, int]]:
        """For whom most waits now: a name and a number each."""
        return self._kept("people", self._people)

    # --- in these days --------------------------------------------------------------------------

    @cached_property
    def periods(self) -> list[Period]:
        """What was closed, by day or by week."""
        return self._kept("periods", self._periods)

    @cached_property
    def closed(self) -> "Counter[str]":
        """The same in all: outcome -> number."""
        return sum((period.counts for period in self.periods), Counter())

    @cached_property
    def spread(self) -> Spread | None:
        """How long decisions took, of all types together; None where there was none."""
        return self._kept("all", self._spread)

    @cached_property
    def types(self) -> list[Pace]:
        """How long decisions took, by type."""
        return self._kept("types", self._types)

    @cached_property
    def groups(self) -> list[Pace]:
        """How long decisions took in which a group was asked; one may have asked several."""
        return self._kept("groups", self._groups)

    @cached_property
    def reminders(self) -> Reminders:
        """The reminders of these days."""
        return self._kept("reminders", self._reminders)

    # --- queries --------------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> ApprovalQuerySet:
        rows = Approval.objects.visible_to(self.user)
        if self.selection.type:
            rows = rows.filter(type=self.selection.type)
        if self.selection.group:
            asked = Approver.objects.filter(
                group__name=self.selection.group,
                approval=OuterRef("pk"),
                # Who decides in a later stage was not asked yet, or never was.
                stage__lte=OuterRef("stage"),
            )
            rows = rows.filter(Exists(asked))
        return rows.order_by()

    @property
    def _pending(self) -> ApprovalQuerySet:
        return self._rows.filter(status=PENDING)

    @property
    def _closed(self) -> ApprovalQuerySet:
        return self._rows.filter(
            decided_at__gte=self.selection.begins, decided_at__lt=self.selection.ends
        )

    @property
    def _decided(self) -> ApprovalQuerySet:
        return self._closed.filter(decided_by__isnull=False)

    def _waiting(self) -> Waiting:
        numbers = self._pending.aggregate(
            number=Count("*"), executions=Count("execution", distinct=True)
        )
        columns = ("pk", "title", "created_at")
        oldest = self._pending.order_by("created_at", "pk").values_list(*columns).first()
        pk, title, since = oldest or (None, "", None)
        return Waiting(**numbers, oldest=pk, title=title, since=since)

    def _people(self) -> list[tuple[str, int]]:
        pending = self._pending.filter(settles_at__isnull=True)
        rows = Approver.objects.current().filter(
            approval__in=pending.values("pk"), stage=F("approval__stage")
        )
        # Who is asked by name and in two groups has one entry: UNION drops what is there twice.
        named, members = (_silent(rows.annotate(person=F(of))) for of in ("user", "group__user"))
        numbers = _most(named.union(members))
        people = User.objects.in_bulk(numbers)
        return [(str(people[pk]), number) for pk, number in numbers.items()]

    def _periods(self) -> list[Period]:
        rows = self._closed.values_list(Quarter("decided_at"), KIND).annotate(number=Count("*"))
        return periods_of(rows, self.selection.first, self.selection.last)

    def _spread(self) -> Spread | None:
        rows = self._decided.annotate(label=Value("", CharField()), seconds=SECONDS)
        return next(iter(spreads_of(rows.values("label", "seconds"))), None)

    def _types(self) -> list[Pace]:
        rows = self._decided.annotate(label=F("type"), seconds=SECONDS)
        waiting = dict(self._pending.values_list("type").annotate(number=Count("*")))
        return _paces(spreads_of(rows.values("label", "seconds")), waiting, Policy.objects.titles())

    def _groups(self) -> list[Pace]:
        rows = self._decided.annotate(label=F("approvers__group__name"), seconds=SECONDS)
        # By a name of its own, as the stage of the very row that names the group.
        asked = rows.alias(asked_in=F("approvers__stage")).filter(asked_in__lte=F("stage"))
        # Once in each group, also where it was asked in two stages.
        once = asked.filter(label__isnull=False).values("pk", "label", "seconds").distinct()
        now = {"approvers__ended_at__isnull": True, "approvers__stage": F("stage")}
        asks = self._pending.filter(approvers__group__isnull=False, **now)
        waiting = dict(asks.values_list("approvers__group__name").annotate(number=Count("*")))
        return _paces(spreads_of(once), waiting, {})

    def _reminders(self) -> Reminders:
        sent = Event.objects.filter(
            IsReminder("kind"), at__gte=self.selection.begins, at__lt=self.selection.ends
        )
        votes = Vote.objects.standing().filter(approval=OuterRef("approval"))
        answered = votes.annotate(after=Epoch("at") - Epoch(OuterRef("at")))
        # To the second: SQLite reckons in days, and a day is not quite 86,400 seconds to it.
        within = answered.filter(after__gt=0, after__lt=HELPED_WITHIN.total_seconds() + 1)
        # Looked up for each reminder: they are few, and approvals are many.
        ours = sent.filter(Exists(self._rows.filter(pk=OuterRef("approval")))).order_by()
        numbers = ours.alias(helps=Exists(within)).aggregate(
            number=Count("*"), helped=Count("pk", filter=Q(helps=True))
        )
        return Reminders(**numbers)


def _silent(rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    """Of rows with a `person`: those whose person can answer, and has not."""
    votes = Vote.objects.standing().filter(
        Q(user=OuterRef("person")) | Q(principal=OuterRef("person")),
        approval=OuterRef("approval"),
        stage=OuterRef("stage"),
    )
    person = User.objects.filter(pk=OuterRef("person"), is_active=True)
    able = without(person, OuterRef("approval__requester_mailbox"))
    return rows.filter(Exists(able), ~Exists(votes)).order_by().values("approval", "person")


def _most(pairs: QuerySet[Any, Any]) -> dict[int, int]:
    """Person -> number of approvals, of those with most of them, in order."""
    inner, parameters = pairs.query.sql_with_params()
    counted = (
        f"SELECT person, COUNT(*) FROM ({inner}) AS pairs"  # noqa: S608 - a query of the ORM
        f" GROUP BY person ORDER BY 2 DESC, 1 LIMIT {MOST_PEOPLE}"
    )
    with connection.cursor() as cursor:
        cursor.execute(counted, parameters)
        return dict(cursor.fetchall())


def _paces(
    spreads: Iterable[Spread], waiting: dict[str, int], titles: dict[str, str]
) -> list[Pace]:
    """Those in which most was decided first, then those in which something waits."""
    known = {spread.label: spread for spread in spreads}
    others = sorted(waiting.keys() - known.keys(), key=lambda name: (-waiting[name], name))
    return [
        Pace(name, titles.get(name, name), waiting.get(name, 0), known.get(name))
        for name in (*known, *others)
    ]
