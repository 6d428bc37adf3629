"""The worker: brings outcomes to their workflows, closes what nobody answered, tells people."""

import logging
import os
import platform
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, close_old_connections, connections
from django.db.models import QuerySet
from django.utils import timezone

from approvals.dispatch import Dispatcher
from approvals.indexing import Indexer
from approvals.models import Approval, Timer, Worker
from approvals.notices import send_due, tell_of_trouble
from approvals.origin import one_round
from approvals.reconciliation import Reconciler
from approvals.trouble import TROUBLE, let_go

log = logging.getLogger(__name__)
Row = TypeVar("Row", Approval, Timer)

# Cloud Run waits ten seconds after SIGTERM. Rounds in hand get so many of them, ...
GRACE = 7.5
# ... all other threads, and what is written down at the end, the rest until here.
LAST = 9.0
BEAT = 5.0  # seconds between two signs of life
BATCH = 100  # rows of one kind at once
TROUBLE_EVERY = 60.0  # seconds between two looks for what no event tells of


class Command(BaseCommand):
    help = "Deliver decisions, close expired approvals and send notices, until stopped (or --once)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due, then end")
        parser.add_argument("--idle", type=float, default=1.0, help="seconds between two looks")
        parser.add_argument(
            "--no-notices",
            action="store_false",
            dest="notices",
            help="leave mail and chat to another worker",
        )

    def handle(self, *, once: bool, idle: float, notices: bool, **options: Any) -> None:
        stop = threading.Event()
        before = {
            signum: signal.signal(signum, lambda *_: stop.set())
            for signum in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            run = Run(Dispatcher.of_settings(), stop, idle, notices=notices)
            run.once() if once else run.go_on()
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)


class Run:
    """One run of the worker: a thread for each kind of work, so that none waits for another's
    trouble, and signs of life. All are daemons: none that hangs keeps the process from ending.

    Args:
        stop: set when the worker is to end.
        idle: seconds between two looks for work.
        notices: whether it tells people, too.
    """

    def __init__(
        self, dispatcher: Dispatcher, stop: threading.Event, idle: float, *, notices: bool
    ) -> None:
        self.dispatcher, self.stop, self.idle, self.notices = dispatcher, stop, idle, notices
        self.me = Worker(name=f"{platform.node()}/{os.getpid()}")
        self.ended = threading.Event()
        self.has_failed = False

    def once(self) -> None:
        """What is due, once; deliveries of hosts that do not answer are left for later.

        Raises `CommandError` where something went wrong on the way.
        """
        life = self._start("heartbeat", self._live)
        until_idle(work, self.stop)
        now = timezone.now()
        threads = [self._start("dispatch", lambda: self.dispatcher.all_due(now, self.stop))]
        threads += [
            self._start(name, partial(until_idle, act, self.stop))
            for name, act in self._besides().items()
        ]
        for thread in threads:
            while thread.is_alive() and not self.stop.is_set():
                thread.join(0.1)
        self._end(life, threads)

    def go_on(self) -> None:
        """Until `stop` is set; then in order, and within ten seconds.

        Raises `CommandError` where one of the threads has failed, and the worker ended by that.
        """
        log.info("worker started", extra={"worker": self.me.name})
        life = self._start("heartbeat", self._live)
        threads = [
            self._start(name, partial(loop, act, self.stop, self.idle))
            for name, act in {"closing": work, **self._besides()}.items()
        ]
        threads.append(self._start("dispatch", partial(loop, self._fill, self.stop, self.idle)))
        # The system may hand a signal to any thread, but Python's handlers run in this one alone:
        # it looks once a second, since a wait without an end would not be woken.
        while not self.stop.wait(1.0):
            pass
        self._end(life, threads)
        log.info("worker stopped", extra={"worker": self.me.name})

    def _besides(self) -> dict[str, Callable[[], bool]]:
        """What waits for servers of its own: Google's list of executions, mail and chats; and what
        has time."""
        notices = {"notices": Notices()} if self.notices else {}
        return {"reconciliation": Reconciler(), "search": Indexer(), **notices}

    def _end(self, life: threading.Thread, threads: list[threading.Thread]) -> None:
        """Let what is in hand end, give back the rest, say goodbye: each for a time."""
        deadline = time.monotonic() + LAST
        self.dispatcher.wake()
        last = self._start("giving back", lambda: self.dispatcher.stop(GRACE))
        for thread in (*threads, last):
            thread.join(max(0.0, deadline - 0.5 - time.monotonic()))
        self.ended.set()
        life.join(max(0.0, deadline - time.monotonic()))
        if self.has_failed:
            raise CommandError("The worker ended because of an error, which is in the log.")

    def _start(self, name: str, act: Callable[[], object]) -> threading.Thread:
        """A thread that does this; where it fails, the worker ends, and is started anew."""

        def run() -> None:
            try:
                act()
            except Exception:
                log.exception("worker failed", extra={"worker": self.me.name})
                self.has_failed = True
                self.stop.set()
            finally:
                connections.close_all()

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def _fill(self) -> bool:
        """Deliveries: those that are due begin as places are free."""
        self.dispatcher.fill()
        close_old_connections()
        self.dispatcher.wait(self.idle)
        return True

    def _live(self) -> None:
        """Signs of life, and a goodbye."""
        over = False
        while not over:
            self.me.paused = self.dispatcher.lanes.paused()
            _try(Worker.objects.beat, self.me)
            over = self.ended.wait(BEAT)
        _try(Worker.objects.say_goodbye, self.me)


def _try(say: Callable[[Worker], None], me: Worker) -> None:
    """Say it, if the database is there to hear it; else the next time."""
    try:
        say(me)
    except (DatabaseError, InterfaceError) as error:
        log.exception("database unavailable")
        let_go(error)
    close_old_connections()


def until_idle(act: Callable[[], bool], stop: threading.Event) -> None:
    """Act until there is nothing more to do."""
    busy = True
    while busy and not stop.is_set():
        with one_round():
            busy = act()


def loop(act: Callable[[], bool], stop: threading.Event, idle: float) -> None:
    """Act again and again; with a pause where there was nothing to do."""
    while not stop.is_set():
        with one_round():
            busy = _unless_away(act)
        if not busy:
            close_old_connections()
            stop.wait(idle)


def _unless_away(act: Callable[[], bool]) -> bool:
    """Act; False where the database is away or locked: every row is as it was. Try again."""
    try:
        return act()
    except TROUBLE as error:
        log.exception("database unavailable")
        let_go(error)
        return False


class Notices:
    """A round of notices; and now and then a look for trouble that nothing has told of."""

    def __init__(self) -> None:
        self.next_look = 0.0

    def __call__(self) -> bool:
        if time.monotonic() >= self.next_look:
            tell_of_trouble()
            self.next_look = time.monotonic() + TROUBLE_EVERY
        return send_due()


def work() -> bool:
    """What is overdue is closed, answers nobody took back go on, timers ring; whether there was
    anything.

    Whatever is wrong with one row stays with it: the others have their turn.
    """
    approvals, timers = Approval.objects.all(), Timer.objects.select_related("approval")
    done = [
        _each(approvals.settling().order_by("settles_at"), _conclude),
        _each(approvals.overdue().order_by("expires_at"), _expire),
        _each(timers.due().order_by("due_at"), _ring),
    ]
    # A look at all open ones, when there is nothing else.
    return any(done) or _each(
        approvals.all_left_have_answered().order_by("created_at"), _settle_left
    )


def _each(rows: QuerySet[Row], act: Callable[[Row], None]) -> bool:
    """The first of these rows; behind those with which something is wrong, the next ones."""
    failed = 0
    while batch := rows[failed : failed + BATCH]:
        done = [_guarded(act, row) for row in batch]
        if any(done):
            return True
        failed += len(batch)
    return False


def _settle_left(approval: Approval) -> None:
    if approval.settle_left():
        log.info("settled by those who are left", extra={"approval": str(approval.pk)})


def _conclude(approval: Approval) -> None:
    if approval.conclude():
        log.info("undo window over", extra={"approval": str(approval.pk)})


def _ring(timer: Timer) -> None:
    if timer.ring():
        log.info(timer.kind, extra={"approval": str(timer.approval_id)})


def _expire(approval: Approval) -> None:
    if approval.expire():
        log.info("expired", extra={"approval": str(approval.pk)})


def _guarded(act: Callable[[Row], None], row: Row) -> bool:
    """Do it; False, and a line in the log, where something is wrong with this row."""
    approval = row.approval_id if isinstance(row, Timer) else row.pk
    try:
        act(row)
    except TROUBLE:
        raise  # the database, and no row, is in trouble
    except Exception:
        log.exception("row left for later", extra={"approval": str(approval)})
        return False
    return True
