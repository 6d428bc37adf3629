"""Looking after executions: what they came to, which ended unanswered, which wait for nobody here.

A `Reconciler` has one gentle round after the other, in every worker. A workflow's active executions
are listed every ten minutes, a thousand at a request; one by one are looked at those that a list
did not show, those of which something was decided, and those that no approval is of. An end is
believed when the execution itself says so, never because a list is silent or a question failed.
"""

import logging
import random
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from approvals.google.executions import (
    Running,
    awaited_callbacks,
    deployed_workflows,
    execution_state,
    running,
)
from approvals.google.wire import CannotLook
from approvals.models import Approval, Execution, Workflow
from approvals.models.callback import Callback
from approvals.models.content import PENDING
from approvals.models.execution import ENDED, EVERY, FRESH, LOOKING, MISSING
from approvals.models.sentences import ENDED_FIRST
from approvals.pace import Pace
from approvals.trouble import TROUBLE

log = logging.getLogger(__name__)

RATE = 5  # requests a second to Google, of one process
LOOKS = 10  # executions that are looked at in one round
OTHERS = 2  # of these at least, if there are any, such as nobody waits to hear of
ADOPTED = 1000  # in one round
AT_ONCE = 500  # rows in one statement
# Longer than a list of twenty pages at their slowest takes; a worker that dies gives it back then.
LISTING = timedelta(minutes=10)
# One that began so short a time ago may be about to register its callback.
YOUNG = timedelta(minutes=2)
# What Google did not know is asked for once more after this.
AGAIN = timedelta(minutes=2)
# Google cannot be reached, or there is no token: nothing is asked for so many seconds. One silence
# is that of one workflow or region, and others must not wait for it.
REST = 15.0
SILENCES = 3  # in a row
UNREACHED = timedelta(minutes=1)
# Looks after which an execution is asked for what it waits at: some 2.5 minutes after a decision.
LONG = 5
RAREST = timedelta(hours=6)
# A workflow that was deleted may be there again.
DELETED = timedelta(hours=6)


def pause(looks: int) -> timedelta:
    """Before the next look at one that nobody is to answer for: soon, then ever more rarely."""
    seconds = min(5.0 * 2 ** min(looks, 20), RAREST.total_seconds())
    return timedelta(seconds=seconds * random.uniform(0.9, 1.1))  # noqa: S311 - spreads the load


def whose_turn() -> list[Execution]:
    """Those to look at in this round, of each kind those that are longest overdue.

    Somebody waits to hear of what is open or was just decided. Thousands of others, that go on
    for days or ask nobody here, must not stand before it; they have two places of their own.
    """
    due = Execution.objects.to_look_at().order_by("look_at")
    asked_for = models.Q(awaited=True) | models.Q(looks__lt=LONG)
    first = list(due.filter(asked_for)[:LOOKS])
    rest = list(due.exclude(asked_for)[: max(LOOKS - len(first), OTHERS)])
    return first[: LOOKS - len(rest)] + rest


def _after(error: CannotLook) -> timedelta:
    """When to try again: soon where Google could not be reached, later where it refused."""
    return UNREACHED if error.answered is False else EVERY


class Reconciler:
    """The rounds of one process: how fast it asks, and when it looks for what it does not know."""

    def __init__(self, rate: int = RATE) -> None:
        self._pace = Pace(rate)
        self._discover_at = self._asleep_until = 0.0  # of `time.monotonic`
        self._told = ""
        self._silences = 0

    def __call__(self) -> bool:
        """One round; whether there was anything to do. Raises `trouble.TROUBLE` alone."""
        if time.monotonic() < self._asleep_until:
            return False
        return self._discover() or self._list_one() or self._look_at_some()

    def _wait(self) -> None:
        """Until one more request may leave."""
        while not self._pace.take():
            time.sleep(self._pace.wait())

    # --- what there is ----------------------------------------------------------------------------

    def _discover(self) -> bool:
        """Pending approvals of versions that did not keep executions, and workflows without any."""
        if time.monotonic() < self._discover_at:
            return False
        kept = Execution.objects.filter(name=models.OuterRef("execution"))
        old = Approval.objects.filter(~models.Exists(kept), status=PENDING)
        names = set(old.values_list("execution", flat=True)[:ADOPTED])
        Execution.objects.follow(names)
        if names:
            return True
        self._discover_at = time.monotonic() + EVERY.total_seconds()
        self._wait()
        try:
            Workflow.objects.know(deployed_workflows())
        except CannotLook as error:
            if self._told != str(error):
                log.warning("deployed workflows cannot be listed", extra={"why": str(error)})
            self._told = str(error)
            self._sleep_after(error)
        return True

    # --- many at once -----------------------------------------------------------------------------

    def _list_one(self) -> bool:
        """List the active executions of the workflow whose turn it is; False where none has."""
        workflow = Workflow.objects.to_list().order_by("list_at").first()
        if workflow is None:
            return False
        began = timezone.now()
        if workflow.claim(began + LISTING):
            try:
                self._list(workflow, began)
                self._silences = 0
            except CannotLook as error:
                self._not_listed(workflow, error, began)
        return True

    def _list(self, workflow: Workflow, began: datetime) -> None:
        for page in self._paced(running(workflow.name)):
            named = {each.name.partition("/executions/")[0] for each in page}
            if named - {workflow.name}:
                # Google names it by the project's number, as callback URLs do. So do we, from now.
                Workflow.objects.know(named)
                workflow.mine().update(list_at=None, trouble="")
                return
            for start in range(0, len(page), AT_ONCE):
                _seen(workflow, page[start : start + AT_ONCE], began)
        Execution.objects.bring_forward(workflow.name, began)
        workflow.mine().update(listed_at=began, list_at=timezone.now() + EVERY, trouble="")

    def _paced(self, pages: Iterator[list[Running]]) -> Iterator[list[Running]]:
        while True:
            self._wait()
            page = next(pages, None)
            if page is None:
                return
            yield page

    def _not_listed(self, workflow: Workflow, error: CannotLook, began: datetime) -> None:
        """Nothing is concluded: its executions are looked at one by one until it works again."""
        deleted = error.status == 404
        why = "" if deleted else str(error)
        if why and why != workflow.trouble:
            told = {"workflow": workflow.name, "why": why}
            log.warning("executions cannot be listed", extra=told)
        if deleted:
            Execution.objects.bring_forward(workflow.name, began)
        later = timezone.now() + (DELETED if deleted else _after(error))
        workflow.mine().update(list_at=later, trouble=why)
        self._sleep_after(error)

    # --- one by one -------------------------------------------------------------------------------

    def _look_at_some(self) -> bool:
        """Look at the executions that are longest overdue; False where none is due."""
        if not Execution.objects.to_look_at().exists():
            return False
        Execution.objects.put_off()
        due = whose_turn()
        Workflow.objects.know(each.workflow for each in due)
        for execution in due:
            if execution.claim(timezone.now() + LOOKING) and not self._guarded(execution):
                break
        return True

    def _guarded(self, execution: Execution) -> bool:
        """Look at it; False where Google cannot be reached, and no other should be tried."""
        try:
            self._look_at(execution)
            self._silences = 0
        except CannotLook as error:
            told = {"execution": execution.name, "why": str(error)}
            log.info("cannot look at an execution", extra=told)
            wait = max(_after(error), pause(execution.looks))
            looks = execution.looks + 1
            execution.mine().update(look_at=timezone.now() + wait, looks=looks)
            return not self._sleep_after(error)
        except TROUBLE:
            raise  # the database, and no row, is in trouble
        except Exception:
            log.exception("row left for later", extra={"execution": execution.name})
        return True

    def _sleep_after(self, error: CannotLook) -> bool:
        """Rest where Google cannot be reached, or gives no token; whether that seems to be so."""
        self._silences = self._silences + 1 if error.answered is False else 0
        away = self._silences >= SILENCES
        if away:
            self._asleep_until = time.monotonic() + REST
        return away

    def _look_at(self, execution: Execution) -> None:
        now = timezone.now()
        seen = execution.looked_at
        waits = not execution.awaited and execution.looks >= LONG
        if waits and execution.state == "ACTIVE" and seen is not None and seen >= now - FRESH:
            self._goes_on(execution, "ACTIVE", seen)  # a list has said so
            return
        self._wait()
        state = execution_state(execution.name)
        missed = execution.state == MISSING and seen is not None and seen <= now - AGAIN
        if state == "GONE" and not missed:
            execution.saw(MISSING, now + AGAIN * 1.1)
        elif state in ENDED:
            _end(execution, state)
        else:
            self._goes_on(execution, state, now)

    def _goes_on(self, execution: Execution, state: str, seen: datetime | None) -> None:
        open_ones = Approval.objects.filter(execution=execution.name, status=PENDING)
        awaited = open_ones.exists()
        if not awaited and execution.looks >= LONG:
            self._see_waits(execution)
        later = timezone.now() + (EVERY if awaited else pause(execution.looks))
        execution.saw(state, later, awaited=awaited, looked_at=seen)

    def _see_waits(self, execution: Execution) -> None:
        """Whether it waits at an endpoint that nobody registered here, nor is silenced."""
        self._wait()
        waiting = awaited_callbacks(execution.name)
        urls = Callback.objects.filter(approval__execution=execution.name)
        known = {url.rpartition("/")[2] for url in urls.values_list("url", flat=True)}
        silenced = Workflow.objects.filter(pk=execution.workflow, silenced_at__isnull=False)
        told = {"execution": execution.name}
        if waiting - known and not silenced.exists():
            if execution.found_unregistered():
                log.warning("execution waits at a callback that nobody registered", extra=told)
        elif execution.found_well():
            log.info("execution waits no longer at an unknown callback", extra=told)


def _seen(workflow: Workflow, page: list[Running], began: datetime) -> None:
    """Keep that these go on; those that are not known yet are looked at, unless they are young."""
    listed = Execution.objects.filter(name__in=[each.name for each in page])
    known = set(listed.values_list("name", flat=True))
    listed.exclude(state__in=ENDED).update(state="ACTIVE", looked_at=began)
    if workflow.silenced_at is None:
        strangers = [
            Execution(name=each.name, state="ACTIVE", looked_at=began, look_at=began, looks=LONG)
            for each in page
            if each.name not in known and each.started <= began - YOUNG
        ]
        Execution.objects.bulk_create(strangers, ignore_conflicts=True)


def _end(execution: Execution, state: str) -> None:
    """Close what nobody has answered, and keep for the rest what its run came to.

    Each approval in a transaction of its own, and the execution last: who dies in the midst leaves
    the rest to the next. An answer that comes meanwhile moves the execution's row, which then
    stays due, and is looked at once more.
    """
    approvals = list(Approval.objects.filter(execution=execution.name))
    closed = 0
    for approval in approvals:
        if approval.status == PENDING and approval.abandon(ENDED_FIRST[state]):
            closed += 1
        else:
            approval.note_end(state)
    if not approvals:
        execution.mine().delete()  # nobody here has asked for it
        return
    # An answer in its undo window: it goes out in a moment, and then the end is noted.
    rest = Approval.objects.filter(execution=execution.name, status=PENDING)
    later = timezone.now() + AGAIN if rest.exists() else None
    execution.saw(state, later, awaited=False, unregistered_since=None)
    told = {"execution": execution.name, "state": state, "closed": closed}
    log.info("execution ended", extra=told)
