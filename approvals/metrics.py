"""What Prometheus reads, from the database: whichever process answers, it is the whole truth.

Counting in each process would miss the others', and lose all at a restart. So every value is a
query by an index, or a sum over rows that never change any more (`tallies`).
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, QuerySet
from django.utils import timezone
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from approvals import attention
from approvals.models import Approval, Attempt, Delivery, Notice, Worker
from approvals.models.content import PENDING
from approvals.models.notice import NoticeState
from approvals.models.outbox import State, Trouble
from approvals.tallies import OTHER, Durations, Tally

CACHED = 10.0  # seconds: the database is not asked more often, by however many

MINUTE, HOUR, DAY = 60, 3600, 86400
# Of people: from a minute to a month. Of machines: from the click to the end of an outage.
DECIDING = (
    *(MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 8 * HOUR),
    *(DAY, 3 * DAY, 7 * DAY, 30 * DAY),
)
DELIVERING = (
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    *(MINUTE, 5 * MINUTE, 30 * MINUTE, 6 * HOUR, DAY),
)
OUTCOMES = ("approved", "rejected")  # others are a workflow's own words
STATUSES = (PENDING, *OUTCOMES, "expired", "withdrawn", OTHER)
FINISHED = tuple(result for result in Attempt.Result if result != Attempt.Result.STARTED)

NEVER = float("inf")
Counts = Mapping[str, int]


class Whole(Collector):
    """The state of the whole system, as it stands in the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Metric] = []
        self._until = 0.0
        decided = Approval.objects.filter(decided_by__isnull=False)
        self._decided = Durations(
            decided, "created_at", "decided_at", DECIDING, by="status", kinds=OUTCOMES
        )
        deliveries = Delivery.objects.all()
        self._stored = Durations(deliveries, "created_at", "stored_at", DELIVERING)
        self._confirmed = Durations(deliveries, "created_at", "confirmed_at", DELIVERING)

    def describe(self) -> list[Metric]:
        """Nothing: whoever registers this does not want to ask the database yet."""
        return []

    def collect(self) -> list[Metric]:
        """All of it, at most `CACHED` seconds old. Raises `django.db.Error`."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = list(self._read(timezone.now()))
                self._until = time.monotonic() + CACHED
            return self._found

    def _read(self, now: datetime) -> Iterator[Metric]:
        yield from self._approvals(now)
        yield from self._deliveries(now)
        yield from others(now)

    def _approvals(self, now: datetime) -> Iterator[Metric]:
        decided = self._decided.read(now)
        oldest = Approval.objects.filter(status=PENDING).aggregate(at=Min("created_at"))["at"]
        yield gauges(
            "countersign_approvals",
            "Approvals by status; an outcome that is a workflow's own word is `other`.",
            "status",
            among(STATUSES, counted(Approval.objects.all(), "status")),
        )
        yield gauge(
            "countersign_approval_oldest_pending_age_seconds",
            "How long the oldest pending approval has been waiting; 0: none is.",
            age(oldest, now),
        )
        yield counters(
            "countersign_decisions",
            "Approvals that people have decided, by outcome.",
            "outcome",
            {outcome: tally.number for outcome, tally in decided.items()},
        )
        yield histogram(
            "countersign_decision_duration_seconds",
            "From the question to the decision of a person.",
            Tally.of_all(decided.values()),
        )

    def _deliveries(self, now: datetime) -> Iterator[Metric]:
        due = Delivery.objects.due(now).aggregate(number=Count("*"), at=Min("next_attempt_at"))
        tried = counted(Attempt.objects.all(), "result")
        troubled = counted(Delivery.objects.exclude(trouble=""), "trouble")
        yield gauges(
            "countersign_deliveries",
            "Outcomes on their way to workflows, by state of the delivery.",
            "state",
            among(State.values, counted(Delivery.objects.all(), "state")),
        )
        yield gauges(
            "countersign_deliveries_in_trouble",
            "Deliveries in trouble, by what it is, those that were put aside too.",
            "trouble",
            among(Trouble.values, troubled),
        )
        yield gauge(
            "countersign_deliveries_due", "Deliveries that a worker should take up.", due["number"]
        )
        yield gauge(
            "countersign_delivery_oldest_due_age_seconds",
            "How long the oldest of them has been due; 0: none is.",
            age(due["at"], now),
        )
        yield counters(
            "countersign_delivery_attempts",
            "HTTP requests to callback endpoints that have an answer or a failure, by result.",
            "result",
            among(FINISHED, tried),
        )
        yield gauge(
            "countersign_delivery_attempts_unfinished",
            "HTTP requests to callback endpoints under way, or whose process died.",
            tried.get(Attempt.Result.STARTED, 0),
        )
        yield histogram(
            "countersign_delivery_stored_duration_seconds",
            "From the decision until Google had it.",
            self._stored.read(now)[OTHER],
        )
        yield histogram(
            "countersign_delivery_confirmed_duration_seconds",
            "From the decision until the workflow was known to have it.",
            self._confirmed.read(now)[OTHER],
        )


def others(now: datetime) -> Iterator[Metric]:
    """What needs a person, notices, and workers."""
    alive = list(Worker.objects.alive())
    seen = Worker.objects.aggregate(at=Max("seen_at"))["at"]
    yield gauges(
        "countersign_needs_attention",
        "What needs a person, by kind.",
        "kind",
        {str(kind.value): number for kind, number in attention.counts().items()},
    )
    yield gauges(
        "countersign_notices",
        "Notices by mail and to chats, by state.",
        "state",
        among(NoticeState.values, counted(Notice.objects.all(), "state")),
    )
    yield gauge("countersign_workers", "Workers that were heard of in the last minute.", len(alive))
    yield gauge(
        "countersign_worker_heartbeat_age_seconds",
        "Since when nothing was heard of any worker; +Inf: since ever.",
        NEVER if seen is None else age(seen, now),
    )
    yield gauge(
        "countersign_paused_hosts",
        "Callback hosts that workers leave alone for a moment, as they do not answer.",
        len({host for worker in alive for host in worker.paused}),
    )


def counted(rows: QuerySet[Any], column: str) -> dict[str, int]:
    """How many rows there are of each value of a column."""
    return dict(rows.order_by().values_list(column).annotate(number=Count("*")))


def among(known: Sequence[str], found: Counts) -> dict[str, int]:
    """The counts of these values, also where there is none; all further ones as `OTHER`, if that
    is among them."""
    counts = {str(value): found.get(value, 0) for value in known}
    if OTHER in counts:
        counts[OTHER] = sum(found.values()) - sum(counts.values()) + counts[OTHER]
    return counts


def age(since: datetime | None, now: datetime) -> float:
    """Seconds since then; 0 where there is no such time, or it is to come."""
    return max((now - since).total_seconds(), 0.0) if since else 0.0


def gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(name, says, value=value)


def gauges(name: str, says: str, label: str, counts: Counts) -> Metric:
    family = GaugeMetricFamily(name, says, labels=[label])
    for value, number in counts.items():
        family.add_metric([value], number)
    return family


def counters(name: str, says: str, label: str, counts: Counts) -> Metric:
    family = CounterMetricFamily(name, says, labels=[label])
    for value, number in counts.items():
        family.add_metric([value], number)
    return family


def histogram(name: str, says: str, tally: Tally) -> Metric:
    return HistogramMetricFamily(name, says, buckets=tally.cumulative(), sum_value=tally.seconds)


def make_registry() -> CollectorRegistry:
    """The whole system's metrics, and those of the process that answers."""
    made = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=made)
    made.register(Whole())
    return made


registry = make_registry()
