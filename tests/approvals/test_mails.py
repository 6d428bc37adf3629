"""What mails say: enough to decide, in text and HTML, harmless, threaded, never deciding."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from approvals.audience import Matter
from approvals.letters import overtaken
from approvals.mails import mail_of
from approvals.models import Delivery, Event, Notice, Preference
from approvals.models.outbox import State
from approvals.models.timer import Timer
from tests.approvals.mailbox import mail_server, text_in
from tests.approvals.reading import decide
from tests.approvals.telling import forget, send_all, stand_in
from tests.factories import make_approval, make_staff, make_user

ANA, BEN, EVA = "ana@example.com", "ben@example.com", "eva@example.com"
EVIL = "a\u202eb <b>c</b>\nd"


@pytest.fixture(autouse=True)
def _base(settings):
    settings.TELL_BY_MAIL = True
    settings.BASE_URL = "https://inbox.example.com"


@pytest.fixture
def post(settings):
    with mail_server() as post:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", post.port
        yield post


def mail_to(address, matter="asked"):
    return mail_of(Notice.objects.get(address=address, matter=matter))


@pytest.fixture
def payment(managers, eva):
    return make_approval(
        title="Pay ACME",
        fields={"Amount": "12,400 EUR", "IBAN": "DE89 3704", "Notes": ["one", "two"]},
        summary="For **March**. See [the bill](https://acme.example/bill).",
        links=[{"label": "Bill", "url": "https://acme.example/1"}],
        options=[
            {"value": "approved", "label": "Approve", "consequence": "Pays 12,400 EUR to ACME"},
            {"value": "rejected", "label": "Reject", "consequence": "Tells ACME"},
        ],
        expires_in=7200,
    )


class TestSubject:
    def at(self, approval, due):
        approval.expires_at = due
        approval.save(update_fields=["expires_at"])
        return mail_to(ANA).subject

    def test_it_asks_and_names_the_fact_and_the_deadline(self, payment):
        noon = timezone.localtime().replace(hour=12, minute=0)
        tomorrow, far = noon + timedelta(days=1), datetime(2031, 5, 4, 17, 0, tzinfo=UTC)

        assert self.at(payment, noon) == "Approve? Pay ACME, 12,400 EUR, due today 12:00"
        assert self.at(payment, tomorrow) == "Approve? Pay ACME, 12,400 EUR, due tomorrow 12:00"
        assert self.at(payment, far) == "Approve? Pay ACME, 12,400 EUR, due 4 May 17:00"
        assert self.at(payment, None) == "Approve? Pay ACME, 12,400 EUR"

    def test_a_fact_that_the_title_says_is_not_repeated(self, managers):
        make_approval(title="Pay 12 EUR", fields={"Amount": "12 EUR"})

        assert mail_to(ANA).subject == "Approve? Pay 12 EUR"

    def test_a_question_without_approve_asks_to_decide(self, managers):
        options = [{"value": "red", "label": "Red"}, {"value": "blue", "label": "Blue"}]
        make_approval(title="Which colour", fields={}, options=options)

        assert mail_to(ANA).subject == "Decide? Which colour"

    def test_times_are_those_of_the_readers_clock(self, payment, ana):
        Preference.objects.create(user=ana, time_zone="Asia/Tokyo")
        payment.expires_at = datetime(2031, 5, 4, 17, 0, tzinfo=UTC)
        payment.save()

        assert mail_to(ANA).subject.endswith("due 5 May 02:00")
        assert "5 May 2031, 02:00 JST" in mail_to(ANA).text
        assert "4 May 2031, 17:00 UTC" in mail_to(BEN).text


class TestText:
    @pytest.mark.parametrize("form", ["text", "html"])
    def test_it_is_enough_to_decide(self, payment, form):
        said = getattr(mail_to(ANA), form)

        for part in (
            "Eva Lind asks for an answer.",
            "Pay ACME",
            *("Amount", "12,400 EUR", "IBAN", "DE89 3704", "one\n", "two"),
            "March",
            "Answer by ",
            "Then it is closed as “Expired”.",
            *("Approve", "Pays 12,400 EUR to ACME", "Reject", "Tells ACME"),
            *("Named in the request", "You are in managers", "Others who may answer: Ben Okafor"),
            payment.url,
            "Opening the page decides nothing.",
        ):
            assert part in said, part

    def test_it_reads_well_as_plain_text(self, payment):
        text = mail_to(ANA).text

        assert "\n\n\n" not in text
        assert "<" not in text
        assert "&" not in text
        assert "  Amount: 12,400 EUR\n  IBAN: DE89 3704\n  Notes: one\n    two\n" in text

    def test_no_link_decides(self, payment):
        mail = mail_to(ANA)
        links = set(re.findall(r'https://inbox\.example\.com[^\s"<>]*', mail.text + mail.html))

        assert links == {
            payment.url,
            "https://inbox.example.com",
            "https://inbox.example.com/profile/",
        }
        assert "<form" not in mail.html

    def test_nothing_secret_is_in_it(self, payment):
        mail = mail_to(ANA)
        whole = mail.text + mail.html + str(mail.headers)

        assert payment.callback_url not in whole
        assert payment.execution not in whole

    def test_who_stands_in_reads_for_whom(self, ana, eva):
        carl = make_user("carl@example.com")
        stand_in(ana, carl)
        make_approval(approvers=[f"user:{ANA}"])

        assert "You stand in for Ana Almeida until " in mail_to("carl@example.com").text

    def test_hidden_characters_are_marked_everywhere(self, managers, ana, eva):
        approval = make_approval(
            title=EVIL.replace("\n", " "),
            summary=EVIL,
            fields={EVIL.replace("\n", " "): EVIL},
            options=[
                {"value": "approved", "label": "Yes", "consequence": "x\u202ey"},
                {"value": "rejected", "label": "No"},
            ],
        )
        approval.say(EVIL, by=ana)
        for address, matter in ((ANA, "asked"), (EVA, "question")):
            mail = mail_to(address, matter)
            assert "\u202e" not in mail.subject + mail.text + mail.html
            assert "\n" not in mail.subject
            assert "⟨U+202E⟩" in mail.subject
            assert "<b>" not in mail.html

    def test_every_matter_has_words(self, managers, ana, ben, eva):
        make_staff()
        carl = make_user("carl@example.com")
        named = ["user:ana@example.com", "user:ben@example.com"]
        approval = make_approval(approvers=named, votes_needed=2, title="Pay ACME", fields={})
        Timer.objects.create(
            approval=approval, kind="remind", due_at=approval.created_at, after="1 day"
        ).ring()
        approval.escalate(f"user:{make_user('hans@example.com').email}", after="2 days")
        approval.hand_over(by=ana, to=carl, reason="You know them")
        approval.say("Why?", by=ben)
        approval.say("Because.", by=eva)
        decide(approval, ben, comment="Fine")
        decide(approval, carl, outcome="rejected", comment="Too dear")
        approval.report("failed", "No money", "https://x.example/log", actor="caller:x")
        make_approval(title="Second").withdraw("Paid already", actor="caller:x")
        approval.delivery.state = "blocked"
        approval.delivery.reason = "Google said 403."
        approval.delivery.save()
        Event.append(approval.pk, Event.Kind.BLOCKED, "system", data={"reason": "403"})

        mails = {
            matter: mail_of(
                Notice.objects.filter(matter=matter).order_by("address", "event__at")[0]
            )
            for matter in Matter
        }

        assert {matter: mail.subject for matter, mail in mails.items()} == {
            "asked": "Approve? Pay ACME",
            "reminder": "Reminder: Approve? Pay ACME",
            "escalated": "Approve? Pay ACME",
            "handed_over": "Approve? Pay ACME",
            "question": "Question: Pay ACME",
            "answer": "Answer: Pay ACME",
            "receipt": "Receipt: Pay ACME",
            "result": "Rejected: Pay ACME",
            "report": "Failed: Pay ACME",
            "closed": "No answer needed: Second",
            "attention": "Needs attention: Pay ACME",
        }
        said = {matter: mail.text for matter, mail in mails.items()}
        assert "still waits for an answer, 1 day after asking" in said["reminder"]
        assert "It was not decided after 2 days" in said["escalated"]
        assert "Ana Almeida handed this over" in said["handed_over"]
        assert "“You know them”" in said["handed_over"]
        assert "“Why?”" in said["question"]
        assert "“Because.”" in said["answer"]
        assert "You answered “Approved” on " in said["receipt"]
        assert "Carl answered “Rejected” on " in said["result"]
        assert "Carl answered “Rejected”: Too dear" in said["result"]
        assert "it failed" in said["report"]
        assert "“No money”" in said["report"]
        assert "“Paid already”" in said["closed"]
        assert "Google said 403." in said["attention"]

    def test_a_receipt_says_what_the_answer_came_to(self, managers, ana, ben):
        approval = make_approval(votes_needed=2)
        forget(approval)
        decide(approval, ana)
        assert "others are still to answer" in mail_to(ANA, "receipt").text

        decide(approval, ben)

        assert "That settled it: “Approved”." in mail_to(BEN, "receipt").text

    def test_who_decided_and_who_asked_read_that_it_came_too_late(self, managers, ana):
        approval = make_approval()
        decide(approval, ana)
        forget(approval)
        claimed = Delivery.objects.claim_next()
        why = "The workflow was cancelled before the answer could be delivered."
        assert claimed.move(State.MISSED, why, next_attempt_at=None, trouble="missed")

        mails = [mail_of(each) for each in Notice.objects.filter(state="queued", matter="result")]

        assert {mail.subject for mail in mails} == {f"Came too late: {approval.title}"}
        yours, theirs = (mail.text for mail in sorted(mails, key=lambda mail: mail.to))
        for whose, text in (("Your", yours), ("The", theirs)):
            said = " ".join(text.split())
            assert f"{whose} answer “Approved” came too late. {why} Nothing was done with" in said
            assert "the workflow has to be started again. It then asks again." in said

    def test_where_it_may_have_been_read_nothing_is_said_to_be_undone(self, managers, ana):
        approval = make_approval()
        decide(approval, ana)
        approval.outgoing.attempts.create(number=1, result="unknown")
        Event.append(approval.pk, Event.Kind.MISSED, "system", data={"reason": "It had failed."})

        said = " ".join(mail_of(Notice.objects.get(address=ANA, matter="result")).text.split())

        assert "Your answer “Approved” may have been too late. It had failed." in said
        assert "Ask whoever runs the workflow whether it acted on the answer" in said
        assert "Nothing was done" not in said

    def test_what_is_not_there_yet_is_told_until_it_is(self, managers, ana):
        approval = make_approval()
        decide(approval, ana)
        Delivery.objects.update(state="blocked", trouble="role")
        Event.append(approval.pk, Event.Kind.BLOCKED, "system", data={"reason": "Some role."})
        notice = Notice.objects.get(address=ANA, matter="result")
        assert overtaken(notice) == ""

        mail = mail_of(notice)

        assert mail.subject == f"Not arrived yet: {approval.title}"
        assert "Your answer “Approved” has not arrived yet." in " ".join(mail.text.split())
        assert "Some role." not in mail.text
        Delivery.objects.update(state="stored")
        assert overtaken(notice)

    def test_who_has_no_account_gets_no_link(self, managers, ana):
        approval = make_approval(requested_by="guest@example.org")
        decide(approval, ana, comment="Have a good trip")

        mail = mail_to("guest@example.org", "result")

        assert approval.url not in mail.text + mail.html
        assert "Have a good trip" in mail.text
        assert "List-Unsubscribe" not in mail.headers


class TestHeaders:
    def test_mails_of_an_approval_are_one_thread_that_answers_no_machine(self, post, payment, ana):
        send_all()
        decide(payment, ana)
        send_all()
        other = make_approval(title="Other")
        send_all()

        threads = [each["References"] for each in post.arrived]
        assert len(post.arrived) == 6
        assert len(set(threads)) == 2
        assert threads[0] == f"<approval-{payment.pk}@inbox.example.com>"
        assert threads[-1] == f"<approval-{other.pk}@inbox.example.com>"
        assert len({each["Message-ID"] for each in post.arrived}) == 6
        for each in post.arrived:
            assert each["Auto-Submitted"] == "auto-generated"
            assert each["List-Unsubscribe"] == "<https://inbox.example.com/profile/>"
            assert each["In-Reply-To"] == each["References"]

    def test_it_arrives_as_text_and_as_html(self, post, payment):
        send_all()

        mail = post.to(ANA)[0]
        assert mail.get_content_type() == "multipart/alternative"
        assert "Pays 12,400 EUR to ACME" in text_in(mail)
        assert '<table style="border-collapse' in text_in(mail, "html")
        assert mail["Subject"].startswith("Approve? Pay ACME, 12,400 EUR, due ")
