"""Executions of workflows as Google last described them, and those that wait for nobody."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from approvals.models.workflow import FARTHEST, Workflow

ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "GONE")
# Google did not know it, once. Twice is GONE: what was just created may not be found at first.
MISSING = "MISSING"
# How often one is looked at that somebody is still to answer for.
EVERY = timedelta(minutes=10)
# What a list of its workflow said so long ago is still good for such a one.
FRESH = timedelta(minutes=12)
# Who looks at one has it so long, and gives it back by then if it dies.
LOOKING = timedelta(minutes=2)
# Its end is looked for so soon after a decision.
SOON = timedelta(seconds=5)


class ExecutionQuerySet(models.QuerySet["Execution"]):
    def to_look_at(self, now: datetime | None = None) -> "ExecutionQuerySet":
        """Those whose state should be asked for now."""
        now = now or timezone.now()
        return self.filter(models.Q(look_at__lte=now) | models.Q(look_at__gt=now + FARTHEST))

    def needing_attention(self) -> "ExecutionQuerySet":
        """Those that wait at a callback nobody registered, unless an operator put them aside."""
        return self.filter(unregistered_since__isnull=False, dismissed_at__isnull=True).exclude(
            state__in=ENDED
        )

    def of(self, workflow: str) -> "ExecutionQuerySet":
        """Those of a workflow, by its resource name."""
        return self.filter(name__startswith=f"{workflow}/executions/")

    def follow(self, names: Iterable[str]) -> None:
        """Look at these from now on: approvals of them were registered. One statement.

        One that is known is looked at anew, even if it had ended: it is asked for once more.
        """
        due = timezone.now() + EVERY
        # In one order: two workers that adopt the same ones would wait for each other.
        rows = [Execution(name=name, look_at=due, awaited=True) for name in sorted(names)]
        self.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["name"],
            update_fields=["look_at", "looks", "awaited", "unregistered_since"],
        )

    def hurry(self, name: str) -> None:
        """Look soon what it came to: an approval of it was decided. In the decision's transaction,
        after the approval's row is held."""
        soon = timezone.now() + SOON
        later = models.Q(look_at__isnull=True) | models.Q(look_at__gt=soon)
        self.filter(later, name=name).update(look_at=soon, looks=0, awaited=False)

    def put_off(self) -> int:
        """Do not ask for those one by one that a list has just shown to go on.

        Whatever a decision has hurried meanwhile is left alone: the statement looks at the row
        itself, and again after it has waited for it.
        """
        now = timezone.now()
        seen = self.to_look_at(now).filter(awaited=True, state="ACTIVE")
        fresh = (now - FRESH, now + FRESH)  # later than that is of a clock that was set back
        return seen.filter(looked_at__range=fresh).update(look_at=now + EVERY)

    def bring_forward(self, workflow: str, since: datetime) -> None:
        """Ask soon for those that a whole list of their workflow, begun then, did not show.

        Not for those that somebody looks at just now, nor for what was registered since.
        """
        unseen = models.Q(looked_at__isnull=True) | models.Q(looked_at__lt=since)
        unseen |= models.Q(looked_at__gt=since + FRESH)  # by a clock that was set back
        missed = self.of(workflow).filter(unseen, awaited=True)
        missed.filter(state="ACTIVE").update(state="")  # what an older list said is no news now
        later = missed.filter(look_at__range=(since + LOOKING, since + EVERY))
        later.exclude(state=MISSING).update(look_at=since)


class Execution(models.Model):
    """What Google said of one execution, and when. Several approvals may be of one execution."""

    name = models.CharField(
        max_length=400, primary_key=True, help_text=_("Google's resource name.")
    )
    state = models.CharField(
        max_length=20,
        default="",
        db_default="",
        blank=True,
        help_text=_(
            "As Google names it; MISSING: Google did not know it when asked last;"
            " GONE: nor when asked again; empty: not asked yet."
        ),
    )
    looked_at = models.DateTimeField(null=True, help_text=_("When Google was asked last."))
    look_at = models.DateTimeField(
        null=True,
        db_index=True,
        help_text=_("When to ask next; empty: there is no more to know."),
    )
    looks = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text=_("Since it was registered or decided; more: rarer."),
    )
    awaited = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_("Whether somebody is still to answer for it."),
    )
    unregistered_since = models.DateTimeField(
        null=True,
        db_index=True,
        help_text=_("Since when it is seen to wait at a callback that nobody registered."),
    )
    dismissed_at = models.DateTimeField(
        null=True,
        help_text=_("When an operator said that this wait is not for this inbox."),
    )

    objects: ClassVar[ExecutionQuerySet] = ExecutionQuerySet.as_manager()  # type: ignore[assignment]  # typed queryset

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def workflow(self) -> str:
        """The resource name of its workflow."""
        return self.name.partition("/executions/")[0]

    @property
    def ended(self) -> bool:
        """Whether it is over, as far as is known."""
        return self.state in ENDED

    def claim(self, until: datetime) -> bool:
        """Take it until then, if nobody else does; who dies gives it back by that.

        The conditional UPDATE is the lock, and `look_at` the lease: `mine` has the row as long
        as nobody else, no decision and no registration has moved it.
        """
        won = self.mine().update(look_at=until)
        if won:
            self.look_at = until
        return bool(won)

    def mine(self) -> ExecutionQuerySet:
        """This row, as long as it is as it was when it was read or claimed."""
        return Execution.objects.filter(pk=self.pk, look_at=self.look_at)

    def saw(self, state: str, look_at: datetime | None, **more: Any) -> bool:
        """Keep what Google said of a claimed row; False where it was moved meanwhile."""
        now = timezone.now()
        changes = {"state": state, "looked_at": now, "looks": self.looks + 1, **more}
        return bool(self.mine().update(look_at=look_at, **changes))

    def found_unregistered(self) -> bool:
        """It waits at a callback nobody registered; whether that is news."""
        unseen = Execution.objects.filter(pk=self.pk, unregistered_since__isnull=True)
        return bool(unseen.update(unregistered_since=timezone.now()))

    def found_well(self) -> bool:
        """It waits at no such callback; whether that is news."""
        seen = Execution.objects.filter(pk=self.pk, unregistered_since__isnull=False)
        return bool(seen.update(unregistered_since=None))

    def dismiss(self) -> bool:
        """Its wait is not for this inbox; False where it needs no attention any more."""
        waiting = Execution.objects.needing_attention().filter(pk=self.pk)
        return bool(waiting.update(dismissed_at=timezone.now()))

    def dismiss_workflow(self) -> bool:
        """No wait of its workflow is for this inbox, until `Workflow.objects.listen`; False where
        that was said already."""
        now = timezone.now()
        with transaction.atomic():
            Workflow.objects.know([self.workflow])
            heard = Workflow.objects.filter(pk=self.workflow, silenced_at__isnull=True)
            if not heard.update(silenced_at=now):
                return False
            needing = Execution.objects.of(self.workflow).needing_attention()
            needing.update(dismissed_at=now)
        return True
