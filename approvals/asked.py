"""Who is asked: why this person is, who else may decide, who has answered, which stage it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext, ngettext

from approvals.models import Approval, StandIn, User, Vote
from approvals.models.approver import Approver
from approvals.models.content import NEGATIVE, PENDING
from approvals.retold import retold

MOST_NAMES = 12
UNANSWERED = ("expired", "withdrawn")


@dataclass(frozen=True, slots=True)
class StageLine:
    """One of several stages; `place`: done, now or later."""

    name: str
    who: str
    place: str


@dataclass(frozen=True, slots=True)
class Asked:
    """All that the page of an approval says about its people."""

    approvers: Sequence[Approver]
    stages: Sequence[StageLine]
    votes: Sequence[Vote]
    others: Sequence[str]
    more: int
    by_name: bool
    through: Sequence[str]
    why: Sequence[str]
    principal: User | None
    until: datetime | None
    agreeing: int
    needed: int

    @property
    def progress(self) -> str:
        """How many have agreed, in words."""
        return progress_in_words(self.agreeing, self.needed)

    def waits_for(self, *, me: bool) -> str:
        """The state of an open request in words; `me`: this person is one who may answer."""
        left = max(self.needed - self.agreeing, 1)
        if me and left > 1:
            said = ngettext(
                "Waiting for you and one more", "Waiting for you and %(count)d more", left - 1
            )
            return said % {"count": left - 1}
        if me:
            return gettext("Waiting for your answer")
        said = ngettext("Waiting for an answer", "Waiting for %(count)d answers", left)
        return said % {"count": left}

    @property
    def for_whom(self) -> str:
        """The colleague in whose right this person would answer."""
        return str(self.principal) if self.until and self.principal else ""

    @property
    def stage_now(self) -> str:
        """What the stage is called that is asked now; empty where there is only one."""
        return next((stage.name for stage in self.stages if stage.place == "now"), "")

    @property
    def current(self) -> Sequence[Approver]:
        """The approvers that are asked now."""
        return [each for each in self.approvers if each.ended_at is None]


def progress_in_words(there: int, needed: int) -> str:
    """ "1 of 2", where more than one answer is needed; empty otherwise."""
    words = {"there": there, "needed": needed}
    # Translators: how many have agreed, of how many that must
    return gettext("%(there)d of %(needed)d") % words if needed > 1 else ""


def asked_of(approval: Approval, user: User, *, may_decide: bool) -> Asked:
    """Who is asked of an approval, as this person reads it."""
    rows = list(approval.approvers.select_related("user", "group"))
    current = [row for row in rows if row.ended_at is None]
    now = [row for row in current if row.stage == approval.stage]
    votes = list(approval.standing_votes().select_related("user", "principal"))
    principal, until = _principal(approval, user) if may_decide else (None, None)
    whose = principal or user
    groups = set(whose.groups.values_list("pk", flat=True))
    reaching = [row for row in now if row.user_id == whose.pk or row.group_id in groups]
    here = [vote for vote in votes if vote.stage == approval.stage]
    silent = approval.able().exclude(pk__in=_busy(here)).exclude(pk=user.pk)
    others = [str(person) for person in silent[: MOST_NAMES + 1]]
    more = silent.count() - MOST_NAMES if len(others) > MOST_NAMES else 0
    return Asked(
        approvers=now if approval.status == PENDING else current,
        stages=_stages(approval, current),
        votes=votes,
        others=others[:MOST_NAMES],
        more=more,
        by_name=principal in (None, user) and any(row.user_id == user.pk for row in now),
        through=[str(row.group) for row in reaching if row.group],
        why=list(dict.fromkeys(retold(row.why) for row in reaching if row.why)),
        principal=principal,
        until=until,
        agreeing=sum(vote.outcome not in NEGATIVE for vote in here),
        needed=_needed(approval, here),
    )


def _busy(votes: Sequence[Vote]) -> set[int]:
    """Those who have answered, or were answered for."""
    return {pk for vote in votes for pk in (vote.user_id, vote.principal_id)}


def _stages(approval: Approval, asked: Sequence[Approver]) -> list[StageLine]:
    """The stages in order; none where there is only one."""
    if len(approval.stages) < 2:
        return []
    found = []
    for number, stage in enumerate(approval.stages):
        who = ", ".join(row.label for row in asked if row.stage == number)
        over = approval.status != PENDING and approval.status not in UNANSWERED
        done = number < approval.stage or (over and number == approval.stage)
        place = "done" if done else "now" if number == approval.stage else "later"
        name = stage["name"] or gettext("Stage %(number)d") % {"number": number + 1}
        found.append(StageLine(name, who, "later" if _closed_before(approval, place) else place))
    return found


def _closed_before(approval: Approval, place: str) -> bool:
    """The approval was closed while this stage was asked, so nobody is asked there now."""
    return place == "now" and approval.status != PENDING


def _needed(approval: Approval, votes: Sequence[Vote]) -> int:
    """How many must agree in this stage; where all must, all who may and all who have."""
    if approval.votes_needed is not None:
        return approval.votes_needed
    return len(approval.electorate((vote.user_id, vote.principal_id) for vote in votes))


def _principal(approval: Approval, user: User) -> tuple[User | None, datetime | None]:
    """In whose right this person would answer; with a colleague's, until when."""
    absences = StandIn.objects.all().active().filter(colleague=user)
    until = {absence.user_id: absence.ends_at for absence in absences.order_by("ends_at")}
    if not until:
        return user, None
    principal = approval.principal_for(user)
    return principal, until.get(principal.pk) if principal and principal != user else None
