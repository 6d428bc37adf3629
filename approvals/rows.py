"""The rows of a list: how far each approval is, whether a question is open, in whose right."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import OuterRef

from approvals.asked import progress_in_words
from approvals.models import Approval, StandIn, User, Vote
from approvals.models.content import NEGATIVE, PENDING
from approvals.models.querysets import count_of, silent_for


@dataclass(frozen=True, slots=True)
class Row:
    """One approval in a list, and what is said of it there."""

    approval: Approval
    progress: str
    asks: bool
    for_whom: str
    answered: str
    gone: bool = False

    @property
    def name(self) -> str:
        """What its element is called in a page, where it is replaced when it changes."""
        return f"row-{self.approval.pk}"


def rows_of(
    approvals: Sequence[Approval],
    user: User,
    tab: str,
    *,
    still: Collection[UUID] | None = None,
) -> list[Row]:
    """Rows for one page of a list: a few queries for all of them together.

    Args:
        tab: where they stand; in “needs-me” it is said for whom.
        still: those that belong there; the others have gone since. All of them if not given.
    """
    pending = [approval for approval in approvals if approval.status == PENDING]
    others = [approval for approval in pending if approval.requester_mailbox != user.mailbox]
    votes, silent = _votes(pending), _silent(pending)
    asking = _asking(pending)
    whose = _whose(others, user) if tab == "needs-me" else {}
    return [
        Row(
            approval,
            _progress(approval, votes[approval.pk], silent.get(approval.pk, 0)),
            approval.pk in asking,
            whose.get(approval.pk, ""),
            _answered(approval, votes[approval.pk], user),
            gone=still is not None and approval.pk not in still,
        )
        for approval in approvals
    ]


def _votes(approvals: Iterable[Approval]) -> Mapping[UUID, list[Vote]]:
    """The standing answers of each, in its present stage."""
    stages = {approval.pk: approval.stage for approval in approvals}
    found = defaultdict(list)
    for vote in Vote.objects.standing().filter(approval__in=stages).order_by("at"):
        if vote.stage == stages[vote.approval_id]:
            found[vote.approval_id].append(vote)
    return found


def _silent(approvals: Iterable[Approval]) -> dict[UUID, int]:
    """Of those that everybody must answer: how many have not."""
    keys = [approval.pk for approval in approvals if approval.votes_needed is None]
    if not keys:
        return {}
    rows = Approval.objects.filter(pk__in=keys).annotate(left=count_of(silent_for(OuterRef)))
    return dict(rows.values_list("pk", "left"))


def _asking(approvals: Iterable[Approval]) -> set[UUID]:
    """Those whose requester owes an answer."""
    rows = Approval.objects.filter(pk__in=[approval.pk for approval in approvals])
    return set(rows.with_open_question().values_list("pk", flat=True))


def _whose(approvals: Sequence[Approval], user: User) -> dict[UUID, str]:
    """The colleague for whom this person would answer, where it is not in their own right."""
    principals = StandIn.objects.all().principals_of(user) if approvals else []
    rows = Approval.objects.filter(pk__in=[approval.pk for approval in approvals])
    found: dict[UUID, str] = {}
    if principals:
        own = set(rows.in_right_of(user).values_list("pk", flat=True))
        for person in principals:
            for pk in rows.in_right_of(person).values_list("pk", flat=True):
                if pk not in own:
                    found.setdefault(pk, str(person))
    return found


def _progress(approval: Approval, votes: Sequence[Vote], silent: int) -> str:
    """How many have agreed, while it is open."""
    agreeing = sum(vote.outcome not in NEGATIVE for vote in votes)
    needed = approval.votes_needed
    if needed is None:
        needed = silent + len({vote.user_id for vote in votes})
    return progress_in_words(agreeing, needed) if approval.status == PENDING else ""


def _answered(approval: Approval, votes: Sequence[Vote], user: User) -> str:
    """What this person has answered in the present stage."""
    mine = [vote.outcome for vote in votes if vote.user_id == user.pk]
    return approval.label_of(mine[-1]) if mine else ""
