"""Answering an approval: votes, the tally, stages, and taking an answer back."""

from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext

from approvals.models.closing import Closing
from approvals.models.content import NEGATIVE, PENDING
from approvals.models.errors import (
    AlreadyClosed,
    CommentRequired,
    NotYours,
    TooLate,
    WasChanged,
)
from approvals.models.querysets import ApprovalQuerySet, all_approvals
from approvals.models.record import Event, Vote
from approvals.models.user import User
from countersign.questionnaire import filled_in
from countersign.tally import outcome_of


class Voting(Closing):
    """The part of `Approval` in which people answer."""

    class Meta:
        abstract = True

    def decide(
        self,
        outcome: str,
        *,
        by: User,
        revision: int,
        comment: str = "",
        form: dict[str, Any] | None = None,
    ) -> None:
        """Record this person's answer, and all that follows from it: all, or nothing.

        Repeating one's own answer is no error. Raises `UnknownOption`, `CommentRequired`,
        `FormInvalid`, `AlreadyClosed`, `WasChanged` (another revision than the page showed),
        `NotYours`.
        """
        self.option(outcome)
        comment = comment.strip()
        if self.needs_comment(outcome) and not comment:
            raise CommentRequired(
                gettext("Please say why: the comment goes to the person who asked.")
            )
        values = filled_in(self.form, form or {}, negative=outcome in NEGATIVE)
        answer = (outcome, by, revision, comment, values)
        with transaction.atomic():
            cast = self._cast(*answer)
        if not cast:
            self._explain_refusal(*answer)

    def _cast(
        self,
        outcome: str,
        by: User,
        revision: int,
        comment: str,
        values: dict[str, Any],
    ) -> bool:
        """The vote and its consequences, if this person may answer now.

        The conditional UPDATE is the lock: whoever comes later waits, and counts this vote.
        """
        mine = self.rows().needing(by).filter(revision=revision)
        if not self._hold(mine):
            return False
        # Looked at again with the row held: PostgreSQL, after waiting for a row, sees its new
        # state, but votes, hand-overs and groups as they were before.
        principal = self.principal_for(by)
        if principal is None:
            return False
        now = self._next_moment()
        vote = Vote(
            approval_id=self.pk,
            stage=self.stage,
            user=by,
            principal=principal,
            outcome=outcome,
            comment=comment,
            form=values,
            revision=revision,
            content_sha256=self.content_sha256,
            at=now,
        )
        vote.save(force_insert=True)
        told: dict[str, Any] = {
            "outcome": outcome,
            "comment": comment,
            "content_sha256": self.content_sha256,
            "vote": str(vote.pk),
            "vote_sha256": vote.computed(),
        }
        if values:
            told["form"] = values
        if vote.on_behalf_of:
            told["on_behalf_of"] = principal.email
        Event.append(self.pk, Event.Kind.VOTED, by.actor, data=told, at=now)
        self.retally(now)
        return True

    def _next_moment(self) -> datetime:
        """Now, but behind every vote: their times tell their order, whatever clocks say."""
        last = Vote.objects.filter(approval=self.pk).aggregate(at=models.Max("at"))["at"]
        now = timezone.now()
        return now if last is None else max(now, last + timedelta(microseconds=1))

    def retally(self, now: datetime) -> None:
        """Settle the stage if its votes have come to something. The caller holds the row."""
        if self.settles_at is None and (settled := self.tally()):
            self._settle_as(settled, now, self.last_voter.actor)

    def tally(self) -> str | None:
        """What the standing votes of this stage come to; None while it is open."""
        standing = self.standing_votes().filter(stage=self.stage)
        votes = list(standing.values_list("outcome", "user", "principal"))
        able = self.electorate((user, principal) for _, user, principal in votes)
        return outcome_of(
            [outcome for outcome, _, _ in votes],
            needed=self.votes_needed,
            able=len(able),
            reject_settles=self.reject_settles,
            order=[option["value"] for option in self.options],
        )

    def _settle_as(self, outcome: str, now: datetime, actor: str) -> None:
        """The stage is decided: at once, or when nobody may take it back any more."""
        if self.undo:
            until = now + timedelta(seconds=self.undo)
            self.rows().update(settles_as=outcome, settles_at=until)
            self.refresh_from_db()
        else:
            self.go_on_with(outcome, actor, at=now)

    def go_on_with(self, outcome: str, actor: str, *, at: datetime | None = None) -> None:
        """The next stage, or the outcome. The caller holds the row."""
        following = self.stage + 1
        if outcome in NEGATIVE or following >= len(self.stages):
            pending = self.rows().filter(status=PENDING)
            self.close(pending, outcome, Event.Kind.DECIDED, actor, at=at)
            return
        stage = self.stages[following]
        self.rows().update(
            stage=following,
            votes_needed=stage["votes_needed"],
            # An answer that is sent twice is none to the next stage, which nobody saw yet.
            revision=models.F("revision") + 1,
            settles_as="",
            settles_at=None,
            changed_at=timezone.now(),
        )
        self.refresh_from_db()
        data = {"stage": following + 1, "name": stage["name"]}
        Event.append(self.pk, Event.Kind.STAGE, actor, data=data)

    def conclude(self) -> bool:
        """Nobody may take it back any more: go on. False where that is done, or was undone."""
        with transaction.atomic():
            if not self._hold(all_approvals().settling()):
                return False
            self.go_on_with(self.settles_as, self.last_voter.actor)
        return True

    def settle_left(self) -> bool:
        """Settle it if all who are left have answered, since the others have left; or False."""
        with transaction.atomic():
            if not self._hold(all_approvals().all_left_have_answered()):
                return False
            self.retally(timezone.now())
        return True

    def take_back(self, *, by: User) -> None:
        """Undo one's own answer; doing it again is no error. Raises `TooLate`, `NotYours`."""
        try:
            with transaction.atomic():
                self._take_back(by)
        except NotYours:
            self.refresh_from_db()
            if not self._took_back(by):
                raise

    def _take_back(self, by: User) -> None:
        now = timezone.now()
        # The row first, as everywhere: whoever closes it meanwhile is done before, or waits.
        mine = all_approvals().undoable(now).filter(pk=self.pk)
        if not mine.update(settles_as="", settles_at=None, changed_at=now):
            raise TooLate(gettext("It is too late to take it back: the answer has gone out."))
        self.refresh_from_db()
        since = now - timedelta(seconds=self.undo)
        standing = self.standing_votes().filter(stage=self.stage, user=by)
        vote = standing.first()
        if vote is None and self.standing_votes().filter(user=by).exists():
            raise TooLate(gettext("It is too late to take it back: the next stage has begun."))
        if vote is None:
            raise NotYours(gettext("You have not answered this request."))
        if vote.at <= since:
            raise TooLate(gettext("It is too late to take it back."))
        now = self._next_moment()
        standing.filter(pk=vote.pk).update(taken_back_at=now)
        told = {"vote": str(vote.pk)}
        Event.append(self.pk, Event.Kind.TAKEN_BACK, by.actor, data=told, at=now)
        self.retally(now)  # without it, those that stand may still be enough

    def _took_back(self, by: User) -> bool:
        """Whether this person's answer in this stage is one that they took back."""
        mine = Vote.objects.filter(approval=self.pk, stage=self.stage, user=by)
        return mine.filter(taken_back_at__isnull=False).exists()

    def _hold(self, rows: ApprovalQuerySet) -> bool:
        """Lock the row, if it is one of these, and read it again."""
        held = rows.filter(pk=self.pk).update(changed_at=timezone.now())
        if held:
            self.refresh_from_db()
        return bool(held)

    def _explain_refusal(
        self,
        outcome: str,
        by: User,
        revision: int,
        comment: str,
        values: dict[str, Any],
    ) -> None:
        """Why it was not taken: nothing to explain where it is the very answer that they gave."""
        self.refresh_from_db()
        votes = list(self.standing_votes().filter(user=by))
        alike = [vote for vote in votes if (vote.outcome, vote.revision) == (outcome, revision)]
        if any((vote.comment, vote.form) == (comment, values) for vote in alike):
            return
        if self.status != PENDING:
            raise AlreadyClosed(self.how_it_closed())
        if self.settles_at is not None:
            not_saved = gettext("Nothing of your answer was saved.")
            raise AlreadyClosed(f"{self.how_it_settles()} {not_saved}")
        if not self.is_open:
            raise AlreadyClosed(gettext("The time to answer has passed; nothing was saved."))
        if self.revision != revision:
            raise WasChanged(
                gettext("The request was changed after you opened it. Please read it again.")
            )
        if votes:
            raise AlreadyClosed(
                gettext("You have answered this request already; others have not yet.")
            )
        raise NotYours(gettext("You may read this request, but others were asked to decide it."))
