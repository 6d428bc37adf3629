"""Channels: rooms that Apprise writes into, through a real HTTP server."""

import json
import logging

import pytest
from django.contrib.auth.models import Group

from approvals.chats import harmless
from approvals.models import Channel, Notice, Policy
from approvals.models.notice import NoticeState
from approvals.senders import NotSent, problem_with, send_chat
from tests.approvals.reading import decide
from tests.approvals.scripted import scripted_server
from tests.approvals.telling import later, send_all, written
from tests.factories import make_approval, make_group

SECRET = "very-secret-token"


@pytest.fixture
def chat():
    """A room that Apprise reaches as `json://`."""
    with scripted_server() as script:
        yield script


def address(chat):
    return f"{chat.origin.replace('http', 'json')}/{SECRET}"


@pytest.fixture
def room(chat, db):
    return Channel.objects.create(name="Finance room", url=address(chat))


def messages(chat):
    return [json.loads(said.body) for said in chat.seen]


class TestChoose:
    def test_a_channel_is_told_what_it_wants_to_know(self, room, approval, ana):
        decide(approval, ana)

        assert written(channel=room) == [("asked", "Finance room"), ("result", "Finance room")]

    def test_it_needs_no_mail_server(self, room, approval, settings):
        assert not settings.TELL_BY_MAIL
        assert written() == [("asked", "Finance room")]

    def test_one_of_a_group_is_told_of_what_that_group_is_asked(self, room, managers):
        room.group = make_group("board")
        room.save()

        make_approval()
        assert written() == []

        make_approval(approvers=["group:board", "group:managers"])
        make_group("board 2")
        assert written() == [("asked", "Finance room")]

    def test_one_of_a_type_is_told_of_that_type(self, room, managers):
        for name in ("travel", "payment"):
            policy = Policy.objects.create(name=name, title=name)
            policy.revise("test", stages=[{"approvers": ["group:managers"]}])
        room.policy = Policy.objects.get(name="payment")
        room.save()

        for name in ("travel", "payment"):
            make_approval(type=name, approvers=[])

        (notice,) = Notice.objects.all()
        assert notice.approval.type == "payment"

    def test_one_that_is_switched_off_is_told_nothing(self, room, managers):
        Channel.objects.update(is_active=False)
        make_approval()

        assert written() == []

    def test_a_group_with_a_channel_can_be_deleted_with_it(self, room, managers):
        room.group = Group.objects.create(name="old")
        room.save()
        room.group.delete()

        assert not Channel.objects.exists()


class TestSend:
    def test_the_message_is_enough_to_know_and_a_link_to_decide(self, room, chat, managers, eva):
        approval = make_approval(expires_in=7200)
        send_all()

        (said,) = messages(chat)
        assert said["title"].startswith("Approve? Expense of 1240 EUR, hotel in Lisbon, due ")
        for part in ("Eva Lind asks", "Purpose: Hotel in Lisbon", "Answer by ", approval.url):
            assert part in said["message"]
        assert chat.seen[0].path == f"/{SECRET}"

    def test_a_channel_that_fails_is_tried_again_and_says_why(self, room, chat, approval):
        chat.answer(503)
        send_all()
        notice = Notice.objects.get()
        assert (notice.state, notice.tries) == (NoticeState.QUEUED, 1)
        assert "503" in notice.reason

        later(minutes=1)
        send_all()

        notice.refresh_from_db()
        assert notice.state == NoticeState.SENT
        assert len(chat.seen) == 2

    def test_a_worker_that_died_leaves_a_doubt_and_no_second_message(self, room, chat, approval):
        Notice.objects.update(state=NoticeState.SENDING)
        send_all()

        notice = Notice.objects.get()
        assert (chat.seen, notice.state) == ([], NoticeState.FAILED)
        assert "may have arrived" in notice.reason

        notice.again(by="user:olga@example.com")
        send_all()

        assert len(chat.seen) == 1

    def test_what_was_decided_meanwhile_is_asked_in_no_room(self, room, chat, approval, ana):
        decide(approval, ana)
        send_all()

        assert [said["title"][:9] for said in messages(chat)] == ["Approved:"]

    def test_the_secret_address_is_in_no_reason_and_no_log(
        self, room, chat, approval, caplog, capfd
    ):
        caplog.set_level(logging.DEBUG)
        chat.answer(404).hang_up()
        send_all()
        later(minutes=1)
        send_all()
        Channel.objects.update(url=f"json://127.0.0.1:1/{SECRET}")
        later(minutes=5)
        send_all()

        logged = "".join(
            record.getMessage() for record in caplog.records if record.name != "urllib3"
        )
        assert SECRET not in Notice.objects.get().reason
        assert SECRET not in capfd.readouterr().err
        ours = [each for each in caplog.records if each.name.startswith("approvals")]
        assert ours
        assert SECRET not in "".join(map(str, (each.__dict__ for each in ours)))
        assert "Traceback" not in logged

    def test_a_redirect_is_not_followed(self, room, chat, approval):
        chat.answer(302, Location=f"{chat.origin}/elsewhere")
        send_all()

        assert [said.path for said in chat.seen] == [f"/{SECRET}"]
        assert Notice.objects.get().state == NoticeState.QUEUED


class TestAddress:
    @pytest.mark.parametrize(
        "url",
        [
            "gchat://workspace/key/token",
            "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
            "json://chat.example.com/x",
            "jsons://chat.example.com/x",
        ],
    )
    def test_rooms_of_chats_are_taken(self, url):
        assert problem_with(url) == ""

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "https:/nowhere",
            "file:///etc/passwd",
            "syslog://",
            "dbus://",
            "windows://",
            "nonsense://x",
            "json://a.example,json://b.example",
            "json://a.example json://b.example",
        ],
    )
    def test_what_is_no_room_is_refused_with_a_sentence(self, url):
        assert problem_with(url).endswith(".")
        with pytest.raises(NotSent):
            send_chat(url, "title", "text")


class TestHarmless:
    @pytest.mark.parametrize(
        "text",
        ["<!channel>", "<users/all>", "@everyone", "@here", "@channel", "[bill](https://evil)"],
    )
    def test_strangers_call_nobody_and_hide_no_address(self, text):
        assert text not in harmless(f"Pay {text} now")

    def test_addresses_and_names_stay_as_they_are(self):
        assert harmless("ana@example.com pays 5 (five) [net]") == (
            "ana@example.com pays 5 (five) [net]"
        )
