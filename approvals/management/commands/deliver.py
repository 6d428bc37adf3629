"""The worker: brings outcomes to their workflows, and closes what nobody answered in time."""

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections
from django.db.utils import OperationalError

from approvals.delivery import deliver
from approvals.models import Approval, Delivery

log = logging.getLogger(__name__)


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
    """One unit of work, if there is any: an expiry or a round of a delivery."""
    if overdue := Approval.objects.overdue().order_by("expires_at").first():
        if overdue.expire():
            log.info("expired", extra={"approval": str(overdue.pk)})
        return True
    if delivery := Delivery.objects.claim_next():
        deliver(delivery)
        return True
    return False
