"""Two things done to one approval at the same moment, by threads with connections of their own."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection, connections, transaction
from django.db.models import F

from approvals.models import Approval, Delivery, Event
from approvals.models.content import PENDING
from approvals.verification import ENDS, verify

WAITING = """
    SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND datname = current_database()
"""


@dataclass(slots=True)
class Runner:
    """One thread, and what came of it: the value that was returned, or the error's class."""

    act: Callable[[], Any]
    outcome: Any = None
    thread: threading.Thread | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.outcome = self.act()
        except Exception as error:
            self.outcome = type(error)
        finally:
            connection.close()


def queued(approval: Approval, *acts: Callable[[], Any], between: float = 0) -> list[Any]:
    """What comes of each, when all wait for the approval's row, in this order, and it is let go.

    All of them have looked at the database before the first one changes anything: whoever
    relies on what it saw then is wrong. PostgreSQL lets them go on in this order, SQLite in any.

    Args:
        between: seconds to pass after the first has begun.
    """
    runners = [Runner(act) for act in acts]
    with transaction.atomic():
        Approval.objects.filter(pk=approval.pk).update(changed_at=F("changed_at"))
        for number, runner in enumerate(runners, start=1):
            runner.start()
            _wait_for(number, runners)
            time.sleep(between if number == 1 else 0)
    for runner in runners:
        runner.thread.join()
    return [runner.outcome for runner in runners]


def _wait_for(number: int, runners: list[Runner]) -> None:
    """Until so many wait for a row, or are through, which is too few waiting for ever."""
    if connection.vendor == "sqlite":
        time.sleep(0.03)
        return
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(WAITING)
            waiting = cursor.fetchone()[0]
        over = sum(not r.thread.is_alive() for r in runners if r.thread is not None)
        if waiting + over >= number:
            return
        time.sleep(0.005)
    raise TimeoutError("they neither wait nor end")


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What comes of each, when all begin together."""
    barrier = threading.Barrier(len(acts))

    def begin(act: Callable[[], Any]) -> Callable[[], Any]:
        def run() -> Any:
            barrier.wait()
            return act()

        return run

    runners = [Runner(begin(act)) for act in acts]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.thread.join()
    return [runner.outcome for runner in runners]


@dataclass(slots=True)
class Racer:
    """One of several processes: which one it is, and the line at which all of them start."""

    number: int
    barrier: Any

    def meet(self) -> None:
        """Go on when all have come here."""
        self.barrier.wait(120)


def in_processes(count: int, act: Callable[[Racer], list[Any]]) -> list[list[Any]]:
    """What comes of each, in so many processes with connections of their own.

    What they give back must be simple enough to be sent to this process.
    """
    forks = multiprocessing.get_context("fork")
    barrier, pipes = forks.Barrier(count), []
    connections.close_all()  # a connection cannot be shared with a fork
    for number in range(count):
        here, there = forks.Pipe(duplex=False)
        process = forks.Process(target=_race, args=(Racer(number, barrier), act, there))
        process.start()
        there.close()
        pipes.append((process, here))
    outcomes = [here.recv() for _, here in pipes]
    for process, here in pipes:
        process.join()
        here.close()
    return outcomes


def _race(racer: Racer, act: Callable[[Racer], list[Any]], there: Any) -> None:
    try:
        if connection.vendor == "postgresql":  # who wins is raced, not who is tired of waiting
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '60s'; SET statement_timeout = '60s'")
        there.send(act(racer))
    except BaseException as error:
        racer.barrier.abort()
        there.send([f"{type(error).__name__}: {error}"])
    finally:
        connections.close_all()
        os._exit(0)  # nothing of pytest's ends here


def fresh(approval: Approval) -> Approval:
    """The approval as a request would read it now."""
    return Approval.objects.get(pk=approval.pk)


def kinds(approval: Approval) -> list[str]:
    return [event.kind for event in Event.objects.filter(approval=approval).order_by("number")]


def assert_whole(approval: Approval) -> Approval:
    """At most one outcome, with its one delivery and its one line, last but for the delivery's."""
    approval = fresh(approval)
    assert verify(approval) == ""
    told, closed = kinds(approval), approval.status != PENDING
    deliveries = list(Delivery.objects.filter(approval=approval))
    assert len(deliveries) == sum(told.count(kind) for kind in ENDS) == closed
    if closed:
        after = told[max(told.index(kind) for kind in ENDS if kind in told) + 1 :]
        assert set(after) <= {"stored", "confirmed", "blocked", "missed", "outcome"}, after
        body = deliveries[0].payload
        assert body["outcome"] == approval.status
        assert len(body["votes"]) == approval.votes.standing().count()
    return approval
