"""What a notice says, whatever carries it: the subject, why, the facts, the way to the page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import formats, timezone

from approvals.asked import Asked, asked_of
from approvals.audience import TO_ANSWER, Matter
from approvals.models import Approval, Event, Notice, Vote
from approvals.models.content import APPROVED, NEGATIVE, PENDING
from approvals.models.outbox import FINAL, State
from approvals.people import Names, address_of, called, names_of
from approvals.plain import visible
from approvals.progress import AGAIN, what_now
from approvals.templatetags.approvals import exact, fact

KEY_FACT = 40  # characters of a fact that goes into the subject


@dataclass(frozen=True, slots=True)
class Letter:
    """One notice in words. All that strangers wrote has its hidden characters marked."""

    subject: str
    lead: str
    approval: Approval
    quote: str = ""
    why: Sequence[str] = ()
    choices: Sequence[tuple[str, str]] = ()
    deadline: str = ""
    further: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    url: str = ""
    """The page of the approval; empty for somebody who has no account to open it with."""


def letter_of(notice: Notice) -> Letter:
    """The words of a notice, from how the approval stands now."""
    approval, event = notice.approval, notice.event
    addresses = [approval.requested_by, address_of(event.actor), str(event.data.get("to", ""))]
    names = names_of(addresses)
    if notice.matter in TO_ANSWER:
        return _to_answer(notice, names)
    subject, lead, quote = TELLERS[Matter(notice.matter)](notice, names)
    facts = _facts(approval)
    return Letter(
        subject=_line(f"{subject}: {approval.title}"),
        lead=visible(lead),
        approval=approval,
        quote=visible(quote),
        further=_further(notice),
        facts=facts,
        url=_url(notice),
    )


def _url(notice: Notice) -> str:
    reader = notice.user is not None or notice.channel is not None
    return notice.approval.url if reader else ""


def _facts(approval: Approval) -> list[tuple[str, str]]:
    return [(visible(str(label)), fact(value)) for label, value in approval.fields]


# --- notices that ask for an answer ----------------------------------------------------------


def _to_answer(notice: Notice, names: Names) -> Letter:
    approval = notice.approval
    asked = asked_of(approval, notice.user, may_decide=True) if notice.user else None
    return Letter(
        subject=_question(notice),
        lead=visible(_who_asks(notice, names)),
        approval=approval,
        quote=visible(str(notice.event.data.get("reason", ""))),
        why=_why(asked) if asked else (),
        choices=[
            (visible(option["label"]), visible(option["consequence"]))
            for option in approval.options
        ],
        deadline=deadline(approval),
        facts=_facts(approval),
        url=_url(notice),
    )


def _question(notice: Notice) -> str:
    """The subject: "Approve? Pay ACME, 12,400 EUR, due today 17:00"."""
    approval = notice.approval
    declared = [option["value"] for option in approval.options]
    verb = "Approve?" if APPROVED in declared else "Decide?"
    parts = [f"{verb} {approval.title}", key_fact(approval), _due(approval.expires_at)]
    subject = ", ".join(part for part in parts if part)
    return _line(f"Reminder: {subject}" if notice.matter == Matter.REMINDER else subject)


def key_fact(approval: Approval) -> str:
    """The first fact, as the inbox shows it beside the title, unless the title says it."""
    value = fact(approval.fields[0][1]) if approval.fields else ""
    short = 0 < len(value) <= KEY_FACT and "\n" not in value
    return value if short and value not in approval.title else ""


def _due(at: datetime | None) -> str:
    if at is None:
        return ""
    local, today = timezone.localtime(at), timezone.localdate()
    days = {today: "today", today + timedelta(days=1): "tomorrow"}
    day = days.get(local.date()) or formats.date_format(local, "j F")
    return f"due {day} {formats.date_format(local, 'H:i')}"


def _who_asks(notice: Notice, names: Names) -> str:
    approval, event = notice.approval, notice.event
    asker = approval.requested_by
    who = names.get(asker.lower(), asker) or f"The workflow of {approval.caller.name}"
    actor = called(event.actor, names)
    match notice.matter:
        case Matter.REMINDER:
            return f"{who} still waits for an answer, {event.data['after']} after asking."
        case Matter.ESCALATED:
            after = event.data["after"]
            return f"{who} asks, and nobody had answered after {after}: now you are asked as well."
        case Matter.HANDED_OVER:
            return f"{actor} handed this over. {who} asks."
        case _:
            return f"{who} asks for an answer."


def _why(asked: Asked) -> list[str]:
    """Why this person, in sentences."""
    found = [*asked.why]
    if asked.through:
        found.append(f"You are in {' and '.join(asked.through)}")
    if asked.for_whom and asked.until:
        found.append(f"You stand in for {asked.for_whom} until {exact(asked.until)}")
    if asked.others:
        more = f" and {asked.more} more" if asked.more else ""
        found.append(f"Others who may answer: {', '.join(asked.others)}{more}")
    if asked.progress:
        found.append(f"So far: {asked.progress} answers")
    return [visible(each) for each in found]


def deadline(approval: Approval) -> str:
    """Until when, and what comes then."""
    if approval.expires_at is None:
        return "There is no time limit."
    until = exact(approval.expires_at)
    return f"Answer by {until}. Then it is closed as “{approval.label_of(approval.on_expiry)}”."


# --- all others ------------------------------------------------------------------------------

Told = tuple[str, str, str]
"""What the subject begins with, the first sentence, and what somebody said."""


def _of_question(notice: Notice, names: Names) -> Told:
    who = called(notice.event.actor, names)
    lead = f"{who} asks before answering. Your answer goes onto the page; the request stays open."
    if notice.user is None:
        lead = f"{who} asks before answering. You have no account here: ask whoever keeps it."
    return "Question", lead, notice.event.data["text"]


def _of_answer(notice: Notice, names: Names) -> Told:
    lead = f"{called(notice.event.actor, names)} answered."
    return "Answer", lead, notice.event.data["text"]


def _of_receipt(notice: Notice, names: Names) -> Told:
    approval, event = notice.approval, notice.event
    label = approval.label_of(event.data["outcome"])
    when = exact(event.at)
    who = called(event.actor, names)
    principal = event.data.get("on_behalf_of")
    if notice.address != address_of(event.actor):
        lead = f"{who} answered “{label}” for you on {when}."
    elif principal:
        lead = f"You answered “{label}” for {principal} on {when}."
    else:
        lead = f"You answered “{label}” on {when}."
    return "Receipt", f"{lead} {_standing(approval)}", event.data.get("comment", "")


def _standing(approval: Approval) -> str:
    """What an answer came to so far."""
    if approval.status != PENDING:
        return f"That settled it: “{approval.status_label}”."
    if approval.settles_as:
        return "It goes out in a moment."
    return "It is not settled yet: others are still to answer."


def _of_result(notice: Notice, _names: Names) -> Told:
    approval = notice.approval
    if notice.event.kind == Event.Kind.MISSED:
        return _too_late(notice)
    if notice.event.kind == Event.Kind.BLOCKED:
        whose = _whose(notice)
        lead = f"{whose} has not arrived yet. The operators have been told; you need do nothing."
        return "Not arrived yet", f"{lead} It is tried again by itself.", ""
    said = notice.event.data.get("reason", "")
    if approval.decided_by_id:
        votes = approval.standing_votes().filter(user=approval.decided_by_id)
        said = votes.values_list("comment", flat=True).last() or ""
    return approval.status_label, approval.how_it_closed(), said


def _too_late(notice: Notice) -> Told:
    """An answer that its workflow did not live to read, or perhaps did."""
    happened, delivery = notice.event.data.get("reason", ""), notice.approval.outgoing
    whose, advice = _whose(notice), what_now(delivery)
    if advice != AGAIN:
        lead = f"{whose} may have come too late. {happened} {advice}"
        return "Perhaps too late", lead, ""
    lead = f"{whose} came too late. {happened} Nothing was done with it. {advice}"
    return "Came too late", lead, ""


def _whose(notice: Notice) -> str:
    """What did not arrive, as this reader calls it."""
    approval = notice.approval
    votes = approval.standing_votes().filter(outcome=approval.status)
    votes = votes.select_related("user", "principal")
    theirs = {address for vote in votes for address in (vote.user.email, vote.principal.email)}
    mine = notice.channel is None and notice.address in theirs
    return f"{'Your' if mine else 'The'} answer “{approval.status_label}”"


def _of_closed(notice: Notice, _names: Names) -> Told:
    approval = notice.approval
    lead = f"{approval.how_it_closed()} No answer is needed any more."
    return "No answer needed", lead, notice.event.data.get("reason", "")


def _of_report(notice: Notice, _names: Names) -> Told:
    data = notice.event.data
    failed = data.get("result") == Approval.Result.FAILED
    lead = f"The workflow reported: {'it failed' if failed else 'done'}."
    return ("Failed" if failed else "Done"), lead, data.get("result_message", "")


def _of_attention(notice: Notice, _names: Names) -> Told:
    return "Needs attention", _trouble(notice) or "All is well again.", ""


def _trouble(notice: Notice) -> str:
    """Why an operator should look: how it stands, or an escalation that reached nobody."""
    approval, data = notice.approval, notice.event.data
    failed = f"Nobody was asked in time: {data['failed']}" if data.get("failed") else ""
    return approval.trouble or (failed if approval.is_open else "")


TELLERS: Mapping[Matter, Callable[[Notice, Names], Told]] = {
    Matter.QUESTION: _of_question,
    Matter.ANSWER: _of_answer,
    Matter.RECEIPT: _of_receipt,
    Matter.RESULT: _of_result,
    Matter.CLOSED: _of_closed,
    Matter.REPORT: _of_report,
    Matter.ATTENTION: _of_attention,
}


def _further(notice: Notice) -> list[str]:
    """What else belongs to it: who answered what, where the workflow put the result."""
    approval = notice.approval
    if notice.matter == Matter.RESULT:
        votes = approval.standing_votes().select_related("user", "principal")
        return [visible(_vote(approval, vote)) for vote in votes]
    if notice.matter == Matter.REPORT and (url := notice.event.data.get("result_url")):
        return [visible(url)]
    if notice.matter == Matter.ANSWER:
        return [deadline(approval)]
    return []


def _vote(approval: Approval, vote: Vote) -> str:
    behalf = f" for {vote.on_behalf_of}" if vote.on_behalf_of else ""
    said = f": {vote.comment}" if vote.comment and vote.outcome in NEGATIVE else ""
    return f"{vote.user}{behalf} answered “{approval.label_of(vote.outcome)}”{said}"


# --- is it still news? -----------------------------------------------------------------------


def overtaken(notice: Notice) -> str:
    """Why nobody needs this any more, as a sentence; empty while somebody does."""
    user, approval = notice.user, notice.approval
    if user is not None and not user.is_active:
        return f"{user} cannot sign in any more."
    if notice.channel is not None and not notice.channel.is_active:
        return "The channel was switched off."
    if notice.matter in (*TO_ANSWER, Matter.ANSWER, Matter.QUESTION) and not approval.is_open:
        return "It was answered or closed before this was sent."
    if notice.matter in TO_ANSWER and user is not None and not approval.may_be_decided_by(user):
        return f"{user} has nothing to answer there any more."
    if notice.matter == Matter.RECEIPT and not _still_stands(notice.event):
        return "The answer was taken back."
    if notice.matter == Matter.ATTENTION and not _trouble(notice):
        return "All is well again."
    if notice.matter == Matter.RESULT and _arrived_since(notice):
        return "It arrived, or came too late, before this was sent."
    return ""


def _arrived_since(notice: Notice) -> bool:
    """Whether it is told of an answer that did not arrive, and that is not so any more."""
    if notice.event.kind == Event.Kind.BLOCKED:
        return notice.approval.outgoing.state in (State.STORED, *FINAL)
    missed = notice.event.kind == Event.Kind.MISSED
    return missed and notice.approval.outgoing.state == State.CONFIRMED


def _still_stands(event: Event) -> bool:
    """Whether the answer that this event tells of counts."""
    votes = Vote.objects.standing().filter(approval=event.approval_id, at=event.at)
    return votes.filter(user__email=address_of(event.actor)).exists()


def _line(text: str) -> str:
    """One line, as a subject must be."""
    return " ".join(visible(text).split())[:200]
