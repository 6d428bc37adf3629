"""The worker: brings outcomes to their workflows, and closes what nobody answered in time."""

import logging
import signal
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections
from django.db.utils import OperationalError

from approvals.delivery import deliver
from approvals.models import Approval, Delivery, Timer

log = logging.getLogger(__name__)
Row = TypeVar("Row", Approval, Delivery, Timer)


class Command(BaseCommand):
    help = "Deliver decisions and close expired approvals, until stopped (or --once)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due, then end")
        parser.add_argument("--idle", type=float, default=1.0, help="seconds between two looks")

    def handle(self, *, once: bool, idle: float, **options: Any) -> None:
        stop = threading.Event()
        before = {
            signum: signal.signal(signum, lambda *_: stop.set())
            for signum in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            self._loop(stop, once=once, idle=idle)
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _loop(self, stop: threading.Event, *, once: bool, idle: float) -> None:
        log.info("worker started")
        while not stop.is_set():
            try:
                busy = work()
            except OperationalError:
                # The database is away or locked; every row is as it was. Try again.
                log.exception("database unavailable")
                busy = False
                if once:
                    raise
            if not busy:
                if once:
                    return
                close_old_connections()
                stop.wait(idle)
        log.info("worker stopped")


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
    return any(done)


def _overdue() -> Iterable[Approval]:
    return Approval.objects.overdue().order_by("expires_at")[:100]


def _settling() -> Iterable[Approval]:
    return Approval.objects.settling().order_by("settles_at")[:100]


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
