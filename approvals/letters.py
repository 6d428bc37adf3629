"""What a notice says, whatever carries it: the subject, why, the facts, the way to the page."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import formats, timezone
from django.utils.translation import gettext, ngettext

from approvals.asked import Asked, asked_of
from approvals.audience import TO_ANSWER, Matter
from approvals.facts import key_fact_of, lines_of
from approvals.models import Approval, Event, Notice, Vote
from approvals.models.content import APPROVED, NEGATIVE, PENDING
from approvals.models.outbox import FINAL, State
from approvals.models.sentences import (
    ALL_WELL,
    ARRIVED,
    CANNOT_SIGN_IN,
    CLOSED_BEFORE,
    NOT_ASKED,
    SWITCHED_OFF,
    TAKEN_BACK,
)
from approvals.people import Names, address_of, called, names_of
from approvals.plain import visible
from approvals.progress import AGAIN, what_now
from approvals.retold import length_retold, retold
from approvals.times import exact, short_day

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
    return Letter(
        subject=_line(f"{subject}: {approval.title}"),
        lead=visible(lead),
        approval=approval,
        quote=visible(quote),
        further=_further(notice),
        facts=lines_of(approval.fields),
        url=_url(notice),
    )


def _url(notice: Notice) -> str:
    reader = notice.user is not None or notice.channel is not None
    return notice.approval.url if reader else ""


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
            for option in approval.buttons
        ],
        deadline=deadline(approval),
        facts=lines_of(approval.fields),
        url=_url(notice),
    )


def _question(notice: Notice) -> str:
    """The subject: "Approve? Pay ACME, 12,400 EUR, due today 17:00"."""
    approval = notice.approval
    declared = [option["value"] for option in approval.options]
    verb = gettext("Approve?") if APPROVED in declared else gettext("Decide?")
    parts = [f"{verb} {approval.title}", key_fact(approval), _due(approval.expires_at)]
    subject = ", ".join(part for part in parts if part)
    if notice.matter == Matter.REMINDER:
        subject = gettext("Reminder: %(subject)s") % {"subject": subject}
    return _line(subject)


def key_fact(approval: Approval) -> str:
    """The first fact, as the inbox shows it beside the title, unless the title says it."""
    found = key_fact_of(approval.fields)
    sent = approval.fields[0][1] if found else None
    if found is None or sent in (None, "", []) or len(found[1]) > KEY_FACT:
        return ""
    ways = "|".join(re.escape(way) for way in (found[1], str(sent)))
    return "" if re.search(rf"(?<!\w)({ways})(?!\w)", approval.title) else found[1]


def _due(at: datetime | None) -> str:
    if at is None:
        return ""
    local, today = timezone.localtime(at), timezone.localdate()
    clock = {"clock": formats.date_format(local, "H:i"), "day": short_day(local)}
    if local.date() == today:
        return gettext("due today %(clock)s") % clock
    if local.date() == today + timedelta(days=1):
        return gettext("due tomorrow %(clock)s") % clock
    return gettext("due %(day)s %(clock)s") % clock


def _who_asks(notice: Notice, names: Names) -> str:
    approval, event = notice.approval, notice.event
    asker = approval.requested_by
    of_caller = gettext("The workflow of %(caller)s") % {"caller": approval.caller.name}
    told = {
        "who": names.get(asker.lower(), asker) or of_caller,
        "actor": called(event.actor, names),
        "after": length_retold(event.data.get("after", "")),
    }
    match notice.matter:
        case Matter.REMINDER:
            text = gettext("%(who)s still waits for an answer, %(after)s after asking.")
        case Matter.ESCALATED:
            text = gettext(
                "%(who)s asks for an answer. It was not decided after %(after)s, so you are now"
                " asked as well."
            )
        case Matter.HANDED_OVER:
            text = gettext("%(actor)s handed this over. %(who)s asks.")
        case _:
            text = gettext("%(who)s asks for an answer.")
    return text % told


def _why(asked: Asked) -> list[str]:
    """Why this person, in sentences."""
    found = [*asked.why]
    if asked.through:
        groups = gettext(" and ").join(asked.through)
        found.append(gettext("You are in %(groups)s") % {"groups": groups})
    if asked.for_whom and asked.until:
        told = {"who": asked.for_whom, "until": exact(asked.until)}
        found.append(gettext("You stand in for %(who)s until %(until)s") % told)
    if asked.others:
        found.append(_others(asked))
    if asked.progress:
        found.append(gettext("So far: %(progress)s answers") % {"progress": asked.progress})
    return [visible(each) for each in found]


def _others(asked: Asked) -> str:
    told = {"names": ", ".join(asked.others), "count": asked.more}
    if not asked.more:
        return gettext("Others who may answer: %(names)s") % told
    text = ngettext(
        "Others who may answer: %(names)s and %(count)d more",
        "Others who may answer: %(names)s and %(count)d more",
        asked.more,
    )
    return text % told


def deadline(approval: Approval) -> str:
    """Until when, and what comes then."""
    if approval.expires_at is None:
        return gettext("There is no time limit.")
    told = {
        "until": exact(approval.expires_at),
        "label": approval.label_of(approval.on_expiry),
    }
    return gettext("Answer by %(until)s. Then it is closed as “%(label)s”.") % told


# --- all others ------------------------------------------------------------------------------

Told = tuple[str, str, str]
"""What the subject begins with, the first sentence, and what somebody said."""


def _of_question(notice: Notice, names: Names) -> Told:
    if notice.user is None:
        text = gettext(
            "%(who)s has a question before answering. You have no account here: ask your"
            " Countersign administrator for one."
        )
    else:
        text = gettext(
            "%(who)s has a question before answering. Your answer appears on the page; the"
            " request stays open."
        )
    lead = text % {"who": called(notice.event.actor, names)}
    return gettext("Question"), lead, notice.event.data["text"]


def _of_answer(notice: Notice, names: Names) -> Told:
    lead = gettext("%(who)s answered.") % {"who": called(notice.event.actor, names)}
    return gettext("Answer"), lead, notice.event.data["text"]


def _of_receipt(notice: Notice, names: Names) -> Told:
    approval, event = notice.approval, notice.event
    told = {
        "who": called(event.actor, names),
        "whom": event.data.get("on_behalf_of"),
        "label": approval.label_of(event.data["outcome"]),
        "when": exact(event.at),
    }
    if notice.address != address_of(event.actor):
        text = gettext("%(who)s answered “%(label)s” for you on %(when)s.")
    elif told["whom"]:
        text = gettext("You answered “%(label)s” for %(whom)s on %(when)s.")
    else:
        text = gettext("You answered “%(label)s” on %(when)s.")
    lead = f"{text % told} {_standing(approval)}"
    return gettext("Receipt"), lead, event.data.get("comment", "")


def _standing(approval: Approval) -> str:
    """What an answer came to so far."""
    if approval.status != PENDING:
        return gettext("That settled it: “%(label)s”.") % {"label": approval.status_label}
    if approval.settles_as:
        return gettext("It goes out in a moment.")
    return gettext("It is not settled yet: others are still to answer.")


def _of_result(notice: Notice, _names: Names) -> Told:
    approval = notice.approval
    if notice.event.kind == Event.Kind.MISSED:
        return _too_late(notice)
    if notice.event.kind == Event.Kind.BLOCKED:
        text = _mine_or_not(
            notice,
            gettext(
                "Your answer “%(label)s” has not arrived yet. The operators have been told, and"
                " it is tried again automatically. You do not need to do anything."
            ),
            gettext(
                "The answer “%(label)s” has not arrived yet. The operators have been told, and it"
                " is tried again automatically. You do not need to do anything."
            ),
        )
        return gettext("Not arrived yet"), text % {"label": approval.status_label}, ""
    said = retold(notice.event.data.get("reason", ""))
    if approval.decided_by_id:
        votes = approval.standing_votes().filter(user=approval.decided_by_id)
        said = votes.values_list("comment", flat=True).last() or ""
    return approval.status_label, approval.how_it_closed(), said


def _too_late(notice: Notice) -> Told:
    """An answer that its workflow did not live to read, or perhaps did."""
    advice = what_now(notice.approval.outgoing)
    told = {
        "label": notice.approval.status_label,
        "happened": retold(notice.event.data.get("reason", "")),
        "advice": advice,
    }
    if advice != str(AGAIN):
        text = _mine_or_not(
            notice,
            gettext("Your answer “%(label)s” may have been too late. %(happened)s %(advice)s"),
            gettext("The answer “%(label)s” may have been too late. %(happened)s %(advice)s"),
        )
        return gettext("Perhaps too late"), text % told, ""
    text = _mine_or_not(
        notice,
        gettext(
            "Your answer “%(label)s” came too late. %(happened)s Nothing was done with it."
            " %(advice)s"
        ),
        gettext(
            "The answer “%(label)s” came too late. %(happened)s Nothing was done with it."
            " %(advice)s"
        ),
    )
    return gettext("Came too late"), text % told, ""


def _mine_or_not(notice: Notice, mine: str, others: str) -> str:
    """What is said of an answer to who gave it, and to all others."""
    approval = notice.approval
    votes = approval.standing_votes().filter(outcome=approval.status)
    votes = votes.select_related("user", "principal")
    theirs = {address for vote in votes for address in (vote.user.email, vote.principal.email)}
    return mine if notice.channel is None and notice.address in theirs else others


def _of_closed(notice: Notice, _names: Names) -> Told:
    approval = notice.approval
    no_more = gettext("No answer is needed any more.")
    lead = f"{approval.how_it_closed()} {no_more}"
    return gettext("No answer needed"), lead, retold(notice.event.data.get("reason", ""))


def _of_report(notice: Notice, _names: Names) -> Told:
    data = notice.event.data
    said = data.get("result_message", "")
    if data.get("result") == Approval.Result.FAILED:
        return gettext("Failed"), gettext("The workflow reported: it failed."), said
    return gettext("Done"), gettext("The workflow reported: done."), said


def _of_attention(notice: Notice, _names: Names) -> Told:
    return gettext("Needs attention"), _trouble(notice) or gettext(ALL_WELL), ""


def _trouble(notice: Notice) -> str:
    """Why an operator should look: how it stands, or an escalation that reached nobody."""
    approval, data = notice.approval, notice.event.data
    trouble = approval.trouble
    if not trouble and data.get("failed") and approval.is_open:
        return gettext("Nobody was asked in time: %(why)s") % {"why": retold(data["failed"])}
    return trouble


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
    told = {
        "who": vote.user,
        "whom": vote.on_behalf_of,
        "label": approval.label_of(vote.outcome),
    }
    text = gettext("%(who)s answered “%(label)s”") % told
    if vote.on_behalf_of:
        text = gettext("%(who)s, for %(whom)s, answered “%(label)s”") % told
    return f"{text}: {vote.comment}" if vote.comment and vote.outcome in NEGATIVE else text


# --- is it still news? -----------------------------------------------------------------------


def overtaken(notice: Notice) -> str:
    """Why nobody needs this any more, as a sentence; empty while somebody does."""
    user, approval = notice.user, notice.approval
    if user is not None and not user.is_active:
        return CANNOT_SIGN_IN % {"who": user}
    if notice.channel is not None and not notice.channel.is_active:
        return SWITCHED_OFF
    if notice.matter in (*TO_ANSWER, Matter.ANSWER, Matter.QUESTION) and not approval.is_open:
        return CLOSED_BEFORE
    if notice.matter in TO_ANSWER and user is not None and not approval.may_be_decided_by(user):
        return NOT_ASKED % {"who": user}
    if notice.matter == Matter.RECEIPT and not _still_stands(notice.event):
        return TAKEN_BACK
    if notice.matter == Matter.ATTENTION and not _trouble(notice):
        return ALL_WELL
    if notice.matter == Matter.RESULT and _arrived_since(notice):
        return ARRIVED
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
