"""Who else: handing over, reassigning, escalating, and questions between people."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from approvals.models.approver import Approver, resolve
from approvals.models.content import PENDING
from approvals.models.errors import AlreadyClosed, CannotHandOver, NotYours, UnknownApprover
from approvals.models.querysets import all_approvals
from approvals.models.record import Event
from approvals.models.stand_in import StandIn
from approvals.models.user import User
from approvals.models.voting import Voting
from countersign.phrases import phrase
from countersign.terms import Asked

# Why somebody is asked: kept as it is, and read in many languages.
HANDED_OVER = phrase("Handed over by %(who)s: %(reason)s")
IN_PLACE = phrase("In place of %(who)s: %(reason)s")
NO_REASON = phrase("no reason given")
UNDECIDED = phrase("Not decided after %(after)s")


class Sharing(Voting):
    """The part of `Approval` in which people bring in others, and talk."""

    class Meta:
        abstract = True

    def hand_over(self, *, by: User, to: User, reason: str) -> None:
        """Let a colleague decide instead. Who was asked by name is asked no more; by a stand-in,
        that is the person they stand in for. A group stays asked. Doing it again is no error.

        Raises `NotYours` for somebody who may not decide it, `CannotHandOver` for a colleague
        who may not or for whom one stands in, where one of a group would bring in votes that are
        not the group's, and where too few would be left to decide.
        """
        if to == by:
            raise CannotHandOver(gettext("Choose somebody else."))
        self._require_taker(to, by)
        with transaction.atomic():
            # The second look is for PostgreSQL: see `_cast`.
            held = self._hold(self.rows().needing(by))
            principal = self.principal_for(by) if held else None
            if principal is None:
                if self.handed_over_by(by) == to.email:
                    return
                raise NotYours(
                    gettext("Only somebody who may decide this request can hand it over.")
                )
            why = HANDED_OVER % {"who": by, "reason": reason.strip() or NO_REASON}
            enough = not self.rows().nobodys().exists()
            ended = self.asked_now().naming(principal).update(ended_at=timezone.now())
            goes_on = self.asked_now().through(principal).exists()
            if self.votes_needed != 1 and (goes_on or not ended):
                raise CannotHandOver(
                    gettext(
                        "Several of those who were asked must answer, and you are asked through a"
                        " group. An operator can ask somebody else."
                    )
                )
            if not (self._ask(f"user:{to.email}", why) or ended):
                if self.handed_over_by(by) == to.email:
                    return
                raise CannotHandOver(gettext("%(who)s is asked already.") % {"who": to})
            if enough and self.rows().nobodys().exists():
                raise CannotHandOver(
                    gettext("%(who)s is asked already, and one person has one vote.") % {"who": to}
                )
            self._tell_hand_over(by.actor, str(principal), to, reason)
            self.retally(timezone.now())  # the colleague may have answered, the last of everyone

    def handed_over_by(self, person: User) -> str:
        """The address of the colleague to whom this person has given it; empty for none."""
        given = Event.objects.filter(
            approval=self.pk, kind=Event.Kind.HANDED_OVER, actor=person.actor
        )
        last = given.last()
        return str(last.data.get("to", "")) if last else ""

    def reassign(self, approver: Approver, *, to: User, by: User, reason: str) -> None:
        """Ask somebody else in place of an approver, as for a person who has left.

        Raises `CannotHandOver`, also to an operator whose own request it is, or who would choose
        themselves or somebody for whom they stand in: nobody gives themselves the right to decide;
        `AlreadyClosed`.
        """
        if by.mailbox == self.requester_mailbox:
            raise CannotHandOver(
                gettext("You asked for this: another operator must say who decides it.")
            )
        if by.mailbox == to.mailbox:
            raise CannotHandOver(gettext("Choose somebody else: another operator must ask you."))
        self._require_taker(to, by)
        with transaction.atomic():
            if not self._hold(self.rows().filter(status=PENDING)):
                self.refresh_from_db()
                raise AlreadyClosed(self.how_it_closed())
            if self._has_answered(approver):
                answered = gettext("%(who)s has answered already.")
                raise CannotHandOver(answered % {"who": approver.label})
            current = Approver.objects.current().filter(pk=approver.pk, approval=self.pk)
            if not current.update(ended_at=timezone.now()):
                raise CannotHandOver(gettext("This approver was replaced already."))
            why = IN_PLACE % {"who": approver.label, "reason": reason.strip() or NO_REASON}
            self._ask(f"user:{to.email}", why, stage=approver.stage)
            self._tell_hand_over(by.actor, approver.label, to, reason)
            self.retally(timezone.now())

    def escalate(self, to: str, *, after: str) -> bool:
        """Ask somebody besides because it is not decided yet; False where it is closed.

        Args:
            to: `group:NAME` or `user:E-MAIL`.
            after: the time that passed, in words.
        """
        with transaction.atomic():
            if not self._hold(all_approvals().open()):
                return False
            told = {"to": to, "after": after}
            try:
                self._ask(to, UNDECIDED % {"after": after})
            except UnknownApprover as error:  # a group that was renamed since: once is enough
                told["failed"] = str(error)
            Event.append(self.pk, Event.Kind.ESCALATED, "system", data=told)
        return True

    def remind(self, *, after: str) -> bool:
        """Note that those who have not answered are reminded; False where nobody is asked."""
        with transaction.atomic():
            if not self._hold(all_approvals().open()):
                return False
            Event.append(self.pk, Event.Kind.REMINDED, "system", data={"after": after})
        return True

    def say(self, text: str, *, by: User) -> Event:
        """Ask the requester, or answer them, without deciding anything.

        The same words again, with nothing between, are the same line: a form sent twice.

        Raises `AlreadyClosed`, `NotYours`.
        """
        asker = by.mailbox == self.requester_mailbox
        kind = Event.Kind.ANSWER if asker else Event.Kind.QUESTION
        with transaction.atomic():
            if not self._hold(self.rows().filter(status=PENDING)):
                self.refresh_from_db()
                raise AlreadyClosed(self.how_it_closed())
            if not (asker or self.rows().asking(by).exists()):
                raise NotYours(
                    gettext("Only those who decide this request, and who asked, can write here.")
                )
            said = {"text": text.strip()}
            last = Event.objects.filter(approval=self.pk).last()
            if last and (last.kind, last.actor, last.data) == (kind, by.actor, said):
                return last
            return Event.append(self.pk, kind, by.actor, data=said)

    def _require_taker(self, to: User, by: User) -> None:
        """That this colleague can be asked, and that it does not come back to who asks them."""
        if not to.is_active:
            raise CannotHandOver(gettext("%(who)s cannot sign in any more.") % {"who": to})
        if to.mailbox == self.requester_mailbox:
            raise CannotHandOver(
                gettext("%(who)s asked for this, and cannot decide it.") % {"who": to}
            )
        if to in StandIn.objects.all().principals_of(by):
            said = gettext("%(who)s is away and you stand in: it would come back to you.")
            raise CannotHandOver(said % {"who": to})

    def _has_answered(self, approver: Approver) -> bool:
        """Whether the person has, or somebody in their right; a group's members answer singly."""
        if approver.user_id is None:
            return False
        given = self.standing_votes().filter(stage=approver.stage)
        return given.filter(principal=approver.user_id).exists()

    def _ask(self, name: str, why: str, *, stage: int | None = None) -> bool:
        """Ask them besides; False where all of them are asked already."""
        added = False
        stage = self.stage if stage is None else stage
        for approver in resolve([Asked(name, why)], stage=stage):
            there = Approver.objects.current().filter(
                approval=self.pk, stage=stage, user=approver.user, group=approver.group
            )
            if not there.exists():
                approver.approval_id = self.pk
                approver.save(force_insert=True)
                added = True
        return added

    def _tell_hand_over(self, actor: str, given_by: str, to: User, reason: str) -> None:
        data = {"from": given_by, "to": to.email, "reason": reason.strip()}
        Event.append(self.pk, Event.Kind.HANDED_OVER, actor, data=data)
