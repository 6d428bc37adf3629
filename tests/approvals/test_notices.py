"""The outbox of notices: mails through a real server, tries, workers that die."""

import threading
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from approvals import mails, notices, senders
from approvals.dispatch import Dispatcher
from approvals.management.commands import deliver
from approvals.models import Approval, Delivery, Notice
from approvals.models.notice import PAUSES, NoticeState, begin, pause, postponed
from approvals.notices import send_due, tell_of_trouble
from tests.approvals.mailbox import text_in
from tests.approvals.reading import decide
from tests.approvals.telling import forget, later, send_all, written
from tests.factories import make_approval, make_group, make_staff, make_user

ANA, BEN, EVA = "ana@example.com", "ben@example.com", "eva@example.com"


@pytest.fixture
def asked(post, approval):
    """Ana and Ben are to be told of Eva's request."""
    return approval


def ids(post):
    return [each["Message-ID"] for each in post.arrived]


class TestSend:
    def test_everybody_asked_gets_one_mail(self, post, asked):
        send_all()
        send_all()

        assert sorted(each["To"] for each in post.arrived) == [ANA, BEN]
        assert set(Notice.objects.values_list("state", "next_attempt_at")) == {("sent", None)}

    def test_what_was_answered_meanwhile_is_not_asked_any_more(self, post, asked, ana):
        decide(asked, ana)
        send_all()

        assert sorted(post.told) == [
            (ANA, "Receipt: Expense of 1240 EUR, hotel in Lisbon"),
            (EVA, "Approved: Expense of 1240 EUR, hotel in Lisbon"),
        ]
        dropped = Notice.objects.filter(state="dropped").values_list("reason", flat=True)
        assert set(dropped) == {"It was answered or closed before this was sent."}

    def test_who_has_left_is_told_nothing(self, post, asked, ana):
        ana.is_active = False
        ana.save()
        send_all()

        assert [each["To"] for each in post.arrived] == [BEN]

    def test_without_a_server_any_more_what_is_queued_waits(self, post, asked, settings):
        settings.TELL_BY_MAIL = False
        send_all()

        assert set(Notice.objects.values_list("state", flat=True)) == {"queued"}

    def test_a_receipt_waits_until_the_answer_cannot_be_taken_back(self, post, asked, ana):
        Approval.objects.update(undo=20)
        asked.refresh_from_db()
        forget(asked)
        decide(asked, ana)
        asked.take_back(by=ana)
        send_all()
        assert post.arrived == []

        later(seconds=30)
        send_all()

        assert post.arrived == []
        assert Notice.objects.get(matter="receipt").reason == "The answer was taken back."

    def test_an_event_that_is_rolled_back_tells_nobody(self, post, asked, ana):
        before = written()
        with transaction.atomic():
            decide(asked, ana)
            assert written() != before
            transaction.set_rollback(True)

        assert written() == before


class TestTrouble:
    def test_a_refused_address_is_for_operators_to_see(self, post, managers, ana):
        ana.groups.clear()
        make_approval()
        post.refuse("RCPT", "550 5.1.1 No such user here")
        send_all()

        notice = Notice.objects.get()
        assert notice.state == NoticeState.FAILED
        expected = f"The mail server refused {BEN}: 550 5.1.1 No such user here"
        assert notice.reason == expected
        assert list(Notice.objects.needing_attention()) == [notice]

    @pytest.mark.parametrize("step", ["RCPT", "DATA"])
    def test_what_the_server_refuses_for_now_is_tried_again(self, post, managers, ana, step):
        ana.groups.clear()
        make_approval()
        post.refuse(step, "451 4.7.1 Greylisted")
        send_all()
        notice = Notice.objects.get()
        assert (notice.state, notice.tries) == (NoticeState.QUEUED, 1)
        assert "451" in notice.reason
        assert notice.next_attempt_at > timezone.now() + timedelta(seconds=20)

        later(minutes=1)
        send_all()

        notice.refresh_from_db()
        assert (notice.state, len(post.arrived)) == (NoticeState.SENT, 1)

    def test_a_server_that_is_away_is_not_asked_for_every_mail(self, post, asked, settings):
        settings.EMAIL_PORT = 1

        assert send_due() is False  # the worker pauses

        tries = sorted(Notice.objects.values_list("tries", flat=True))
        assert tries == [0, 1]
        assert "cannot be reached" in Notice.objects.get(tries=1).reason

    def test_a_mail_is_given_up_after_a_day(self, post, asked, settings):
        settings.EMAIL_PORT = 1
        for hours in (0, 23):
            later(hours=hours)
            send_due()
            send_due()
        assert set(Notice.objects.values_list("state", flat=True)) == {"queued"}

        later(hours=2)
        send_due()
        send_due()

        assert set(Notice.objects.values_list("state", flat=True)) == {"failed"}
        assert "Given up after a day." in Notice.objects.all()[0].reason

    def test_its_day_begins_with_the_first_try_however_late_that_is(self, post, asked, settings):
        settings.EMAIL_PORT = 1
        Notice.objects.update(created_at=timezone.now() - timedelta(hours=25))  # no worker ran
        send_due()

        notice = Notice.objects.get(tries=1)
        assert notice.state == NoticeState.QUEUED
        assert notice.next_attempt_at > timezone.now()

    def test_after_some_tries_an_operator_is_asked_to_look(self, post, asked, settings):
        settings.EMAIL_PORT = 1
        for _ in range(8):
            later(hours=2)
            send_due()

        assert Notice.objects.needing_attention().count() == 2
        assert all(notice.needs_attention for notice in Notice.objects.all())

    def test_pauses_grow_and_differ(self):
        assert [pause(n, lambda: 0.5).total_seconds() / 60 for n in range(9)] == [
            *PAUSES,
            PAUSES[-1],
            PAUSES[-1],
        ]
        assert pause(0, lambda: 0.0) < pause(0, lambda: 1.0)

    def test_one_that_cannot_be_written_never_holds_up_the_next(self, post, asked, monkeypatch):
        poison = Notice.objects.order_by("next_attempt_at", "pk")[0]

        def broken(notice):
            if notice.pk == poison.pk:
                raise RuntimeError("no words")
            return mail_of(notice)

        mail_of = mails.mail_of
        monkeypatch.setattr(notices, "mail_of", broken)
        send_all()

        assert len(post.arrived) == 1
        poison.refresh_from_db()
        assert (poison.state, poison.tries) == (NoticeState.QUEUED, 1)


class TestWorkerThatDies:
    def test_before_sending_its_notice_comes_back(self, post, asked):
        assert Notice.objects.claim_next()  # and then nothing more
        send_all()
        assert len(post.arrived) == 1  # the other one

        later(minutes=5)
        send_all()

        assert sorted(each["To"] for each in post.arrived) == [ANA, BEN]

    def test_after_sending_the_mail_comes_again_under_the_same_name(self, post, asked, monkeypatch):
        class Killed(BaseException):
            pass

        def dies(*_):
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(notices, "sent", dies)
            with pytest.raises(Killed):
                send_due()
        later(minutes=5)
        send_all()

        assert len(post.arrived) == 3
        assert len(set(ids(post))) == 2

    def test_a_slow_one_that_lost_its_notice_writes_nothing(self, post, asked):
        mine = Notice.objects.claim_next()
        later(minutes=5)
        send_all()
        assert len(post.arrived) == 2

        senders_note = Notice.objects.get(pk=mine[0].pk)
        assert begin(mine) == []
        postponed(mine, "too late")

        senders_note.refresh_from_db()
        assert senders_note.state == NoticeState.SENT

    def test_two_workers_never_take_the_same(self, post, asked):
        taken = [row.pk for _ in range(4) for row in Notice.objects.claim_next()]

        assert len(taken) == len(set(taken)) == 2


@pytest.mark.django_db(transaction=True)
class TestWorker:
    def test_a_server_that_hangs_holds_up_no_delivery(
        self, post, settings, google, ana, monkeypatch
    ):
        """The thread of the notices waits for the server; the deliveries go on."""
        settings.EMAIL_TIMEOUT = 30
        sending, free = threading.Event(), threading.Event()
        send_mail = senders.send_mail

        def hangs(mail):
            sending.set()
            free.wait(20)
            send_mail(mail)

        monkeypatch.setattr(senders, "send_mail", hangs)
        make_group("managers", ana)
        stop = threading.Event()
        approval = make_approval(
            callback_url=f"{google.origin}/v1/projects/123456789012/locations/us-central1"
            "/workflows/expense/executions/6f9619ff-8b86-d011-b42d-00c04fc964ff"
            "/callbacks/6f9619ff-8b86-d011-b42d-00c04fc964ff_x"
        )
        usual = deliver.work
        delivered: list[str] = []

        def work():
            busy = usual()
            if sending.is_set() and approval.status == "pending":
                decide(approval, ana)
                return True
            delivered[:] = Delivery.objects.values_list("state", flat=True)
            if delivered == ["stored"]:
                free.set()
                stop.set()
            return busy

        monkeypatch.setattr(deliver, "work", work)
        monkeypatch.setattr(deliver, "Reconciler", lambda: lambda: False)
        deliver.Run(Dispatcher.of_settings(), stop, 0.01, notices=True).go_on()

        assert delivered == ["stored"]


class TestTellOfTrouble:
    def test_operators_hear_once_that_nobody_is_left_to_answer(self, post, approval, ana, ben):
        make_staff()
        forget(approval)
        assert tell_of_trouble() == 0
        for person in (ana, ben):
            person.is_active = False
            person.save()

        assert tell_of_trouble() == 1
        assert tell_of_trouble() == 0
        send_all()

        (mail,) = post.to("olga@example.com")
        assert mail["Subject"] == "Needs attention: Expense of 1240 EUR, hotel in Lisbon"
        assert "Nobody active who was asked may answer it." in text_in(mail)

    def test_operators_hear_of_an_answer_that_is_late(self, post, approval, ana):
        make_staff()
        decide(approval, ana)
        Delivery.objects.update(created_at=timezone.now() - timedelta(minutes=6))

        assert tell_of_trouble() == 1
        assert tell_of_trouble() == 0

    def test_an_outage_is_one_trouble_and_no_thousand_mails(self, post, ana, managers):
        make_staff()
        for number in range(25):
            decide(make_approval(title=f"Expense {number}"), ana)
        Delivery.objects.update(created_at=timezone.now() - timedelta(minutes=6))

        assert (tell_of_trouble(), tell_of_trouble()) == (20, 0)

    def test_what_is_mended_meanwhile_is_not_told(self, post, approval, ana, ben):
        make_staff()
        forget(approval)
        for person in (ana, ben):
            person.is_active = False
            person.save()
        tell_of_trouble()
        ana.is_active = True
        ana.save()
        send_all()

        assert post.to("olga@example.com") == []


class TestByHand:
    def test_a_failed_one_can_be_sent_again(self, post, managers, ana):
        ana.groups.clear()
        make_approval()
        post.refuse("RCPT", "550 full")
        send_all()
        notice = Notice.objects.get()

        assert notice.again(by="user:olga@example.com")
        send_all()

        notice.refresh_from_db()
        assert notice.state == NoticeState.SENT
        assert not notice.again(by="user:olga@example.com")

    def test_one_that_was_given_up_is_tried_for_a_whole_day_again(self, post, asked, settings):
        settings.EMAIL_PORT = 1
        for hours in (0, 25):
            later(hours=hours)
            send_due()
            send_due()
        notice = Notice.objects.filter(state=NoticeState.FAILED)[0]

        assert notice.again(by="user:olga@example.com")
        for hours in (0, 23):
            later(hours=hours)
            send_due()

        notice.refresh_from_db()
        assert (notice.state, notice.tries) == (NoticeState.QUEUED, 2)

    def test_a_failed_one_can_be_given_up(self, post, asked):
        notice = Notice.objects.all()[0]

        assert notice.give_up(by="Olga", why="Enough")
        send_all()

        assert len(post.arrived) == 1
        assert not notice.give_up(by="Olga", why="Enough")

    def test_people_who_are_nobodys_business_are_not_in_the_outbox(self, post, asked):
        make_user("stranger@example.com")

        assert {address for _, address in written()} == {ANA, BEN}
