"""The worker: brings outcomes to their workflows, closes what nobody answered, tells people."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections, connections
from django.db.utils import OperationalError

from approvals.delivery import deliver
from approvals.models import Approval, Delivery, Timer
from approvals.notices import send_due, tell_of_trouble

log = logging.getLogger(__name__)
Row = TypeVar("Row", Approval, Delivery, Timer)


# A stopped worker waits so long, in seconds, for the notice in hand; its lease gives it back.
LAST_NOTICE = 15.0
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
            if once:
                _until_idle(work, stop)
                if notices:
                    _until_idle(Notices(), stop)
            else:
                self.go_on(stop, idle, notices=notices)
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def go_on(self, stop: threading.Event, idle: float, *, notices: bool) -> None:
        """Deliveries here, notices in a thread of their own: no mail server holds up an answer."""
        log.info("worker started")
        teller = threading.Thread(target=_tell, args=(stop, idle), name="notices", daemon=True)
        if notices:
            teller.start()
        loop(work, stop, idle)
        if notices:
            teller.join(LAST_NOTICE)
        log.info("worker stopped")


def _until_idle(act: Callable[[], bool], stop: threading.Event) -> None:
    while not stop.is_set() and act():
        pass


def loop(act: Callable[[], bool], stop: threading.Event, idle: float) -> None:
    """Act again and again; with a pause where there was nothing to do."""
    while not stop.is_set():
        try:
            busy = act()
        except OperationalError:
            # The database is away or locked; every row is as it was. Try again.
            log.exception("database unavailable")
            busy = False
        if not busy:
            close_old_connections()
            stop.wait(idle)


def _tell(stop: threading.Event, idle: float) -> None:
    try:
        loop(Notices(), stop, idle)
    finally:
        connections.close_all()


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
    """What is overdue is closed, answers nobody took back go on, timers ring, and one delivery
    has its round; whether there was anything.

    Whatever is wrong with one row stays with it: the others have their turn.
    """
    done = [_guarded(_conclude, approval, approval.pk) for approval in _settling()]
    done += [_guarded(_expire, approval, approval.pk) for approval in _overdue()]
    done += [_guarded(_ring, timer, timer.approval_id) for timer in _due()]
    if delivery := Delivery.objects.claim_next():
        _guarded(deliver, delivery, delivery.approval_id)
        done.append(True)  # also where it failed: its lease keeps it from coming round at once
    if not any(done):  # a look at all open ones, when there is nothing else
        done = [_guarded(_settle_left, approval, approval.pk) for approval in _left()]
    return any(done)


def _overdue() -> Iterable[Approval]:
    return Approval.objects.overdue().order_by("expires_at")[:100]


def _settling() -> Iterable[Approval]:
    return Approval.objects.settling().order_by("settles_at")[:100]


def _left() -> Iterable[Approval]:
    return Approval.objects.all_left_have_answered().order_by("created_at")[:100]


def _settle_left(approval: Approval) -> None:
    if approval.settle_left():
        log.info("settled by those who are left", extra={"approval": str(approval.pk)})


def _conclude(approval: Approval) -> None:
    if approval.conclude():
        log.info("undo window over", extra={"approval": str(approval.pk)})


def _due() -> Iterable[Timer]:
    return Timer.objects.due().select_related("approval").order_by("due_at")[:100]


def _ring(timer: Timer) -> None:
    if timer.ring():
        log.info(timer.kind, extra={"approval": str(timer.approval_id)})


def _expire(approval: Approval) -> None:
    if approval.expire():
        log.info("expired", extra={"approval": str(approval.pk)})


def _guarded(act: Callable[[Row], None], row: Row, approval: UUID) -> bool:
    """Do it; False, and a line in the log, where something is wrong with this row."""
    try:
        act(row)
    except OperationalError:
        raise  # the database, and no row, is in trouble
    except Exception:
        log.exception("row left for later", extra={"approval": str(approval)})
        return False
    return True
