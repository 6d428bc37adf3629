"""Channels and notices in the admin: secrets are written and never read; the outbox is tended."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from approvals.models import Approval, Channel, Notice
from approvals.models.notice import NoticeState
from tests.approvals.reading import as_person, text_of
from tests.factories import make_approval, make_group, make_staff, make_user

SECRET = "very-secret-token"
URL = f"json://chat.example.com/{SECRET}"
ADD = reverse("admin:approvals_channel_add")
NOTICES = reverse("admin:approvals_notice_changelist")
GIVEN = {"name": "Finance room", "url": URL, "matters": ["asked", "result"], "is_active": "on"}


@pytest.fixture
def client(db):
    return as_person(make_staff())


@pytest.fixture
def room(client):
    assert client.post(ADD, GIVEN).status_code == 302
    return Channel.objects.get()


def page_of(channel):
    return reverse("admin:approvals_channel_change", args=[channel.pk])


def reader(*permissions):
    """Somebody of the staff who has these permissions alone."""
    user = make_user(is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    return as_person(user)


class TestChannel:
    def test_one_is_made_for_a_group_or_a_type_or_all(self, client):
        board = make_group("board")
        client.post(ADD, GIVEN | {"group": str(board.pk)})

        room = Channel.objects.get()
        assert (room.url, room.group, room.policy) == (URL, board, None)
        assert room.matters == ["asked", "result"]

    def test_its_address_is_never_shown_again(self, client, room):
        for page in (
            page_of(room),
            reverse("admin:approvals_channel_changelist"),
            reverse("admin:approvals_channel_history", args=[room.pk]),
            reverse("admin:index"),
        ):
            body = client.get(page).content.decode()
            assert SECRET not in body
            assert "chat.example.com" not in body
        assert "An address of json:// is kept." in text_of(client.get(page_of(room)))

    def test_what_is_wrong_is_said_without_showing_it(self, client, room):
        response = client.post(page_of(room), GIVEN | {"name": ""})

        assert response.status_code == 200
        assert SECRET not in response.content.decode()

    def test_an_empty_address_keeps_the_one_that_is_there(self, client, room):
        client.post(page_of(room), GIVEN | {"url": "", "name": "Room of finance"})

        room.refresh_from_db()
        assert (room.name, room.url) == ("Room of finance", URL)

    def test_another_address_replaces_it(self, client, room):
        client.post(page_of(room), GIVEN | {"url": "json://other.example.com/x"})

        room.refresh_from_db()
        assert room.url == "json://other.example.com/x"

    @pytest.mark.parametrize("url", ["", "nonsense", "syslog://", "file:///etc/passwd"])
    def test_what_is_no_address_of_a_room_is_refused(self, client, url):
        response = client.post(ADD, GIVEN | {"url": url})

        assert response.context["adminform"].form.errors["url"]
        assert not Channel.objects.exists()

    def test_one_is_told_of_something(self, client):
        client.post(ADD, GIVEN | {"matters": []})

        assert not Channel.objects.exists()

    def test_who_may_only_look_sees_no_address_and_changes_nothing(self, room):
        browser = reader("view_channel")

        page = browser.get(page_of(room))
        assert page.status_code == 200
        assert SECRET not in page.content.decode()
        assert "json" in text_of(page)
        assert browser.post(page_of(room), GIVEN).status_code == 403

    def test_only_who_holds_the_right_makes_one(self, room):
        assert reader("view_channel", "change_approval").post(ADD, GIVEN).status_code == 403
        assert as_person(make_user()).post(ADD, GIVEN).status_code == 302  # to the sign-in

    def test_it_is_switched_off_and_never_deleted(self, client, room):
        delete = reverse("admin:approvals_channel_delete", args=[room.pk])
        assert client.post(delete, {"post": "yes"}).status_code == 403


@pytest.fixture
def failed(client, settings, managers, ana):
    """Ben's notice could not be sent."""
    settings.TELL_BY_MAIL = True
    ana.groups.clear()
    make_approval(title="Pay ACME")
    Notice.objects.update(
        state=NoticeState.FAILED, reason="550 No such \u202euser", next_attempt_at=None
    )
    return Notice.objects.get()


def press(client, notice, action, **given):
    data = {"action": action, "_selected_action": [str(notice.pk)], **given}
    return client.post(NOTICES, data, follow=True)


class TestNotice:
    def test_the_outbox_says_who_was_told_what_and_why_not(self, client, failed):
        for page in (NOTICES, reverse("admin:approvals_notice_change", args=[failed.pk])):
            said = text_of(client.get(page)) or client.get(page).content.decode()
            for part in ("Ben Okafor", "Asked", "Pay ACME", "Not sent", "550 No such ⟨U+202E⟩user"):
                assert part in said, part

    def test_those_that_need_attention_can_be_listed(self, client, failed, ben):
        Notice.objects.create(
            approval=failed.approval, event=failed.event, matter="receipt", address="x@example.com"
        )

        listed = client.get(NOTICES, {"attention": "notice"}).context["cl"].queryset

        assert list(listed) == [failed]

    def test_one_is_sent_again(self, client, failed):
        response = press(client, failed, "tell_again", confirmed="yes")

        assert "Queued again: 1." in response.content.decode()
        failed.refresh_from_db()
        assert failed.state == NoticeState.QUEUED
        assert failed.reason == "Asked for by Olga."

    def test_one_is_put_aside_with_a_reason_that_the_record_keeps(self, client, failed):
        asked = press(client, failed, "put_aside")
        assert "The record keeps your reason" in asked.content.decode()
        assert press(client, failed, "put_aside", confirmed="yes", reason=" ").status_code == 422

        response = press(client, failed, "put_aside", confirmed="yes", reason="He has left")

        assert "Put aside: 1." in response.content.decode()
        failed.refresh_from_db()
        assert failed.state == NoticeState.DROPPED
        assert failed.reason == "Put aside by Olga: He has left"
        assert not Approval.objects.needing_attention().exists()
        line = failed.approval.events.latest("number")
        assert (line.kind, line.actor) == ("attended", "user:olga@example.com")
        assert line.data == {"what": "notice", "to": "Ben Okafor", "reason": "He has left"}

    def test_what_is_sent_is_not_put_aside(self, client, failed):
        Notice.objects.update(state=NoticeState.SENT)

        response = press(client, failed, "put_aside", confirmed="yes", reason="x")

        assert "Skipped, as they no longer need attention: 1." in response.content.decode()
        failed.refresh_from_db()
        assert failed.state == NoticeState.SENT

    def test_what_is_sent_stays_sent(self, client, failed):
        Notice.objects.update(state=NoticeState.SENT)

        response = press(client, failed, "tell_again", confirmed="yes")

        assert "Skipped, as already sent: 1." in response.content.decode()
        failed.refresh_from_db()
        assert failed.state == NoticeState.SENT
        page = client.get(reverse("admin:approvals_notice_change", args=[failed.pk]))
        assert "Tell again" not in page.content.decode()

    def test_buttons_are_for_those_who_may_press_them(self, failed):
        browser = reader("view_notice")
        page = browser.get(reverse("admin:approvals_notice_change", args=[failed.pk]))
        assert "Tell again" not in page.content.decode()

        press(browser, failed, "tell_again", confirmed="yes")

        failed.refresh_from_db()
        assert failed.state == NoticeState.FAILED

    def test_the_list_asks_few_things_of_the_database(
        self, client, failed, django_assert_max_num_queries
    ):
        for number in range(20):
            make_approval(title=f"Request {number}")
        with django_assert_max_num_queries(10):
            client.get(NOTICES)


class TestAttention:
    def test_what_could_not_be_told_is_on_the_operators_tab_with_its_reason(self, client, failed):
        page = client.get(reverse("approvals:inbox"), {"tab": "attention"})

        assert "Ben Okafor was not told: 550 No such ⟨U+202E⟩user" in text_of(page)

    def test_the_page_of_the_approval_says_who_was_told(self, client, failed, eva):
        page = client.get(failed.approval.get_absolute_url())
        assert "Ben Okafor Asked Not sent : 550" in text_of(page)

        page = as_person(eva).get(failed.approval.get_absolute_url())
        assert "550" not in text_of(page)
