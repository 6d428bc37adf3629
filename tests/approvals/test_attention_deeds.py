"""What operators do about what needs attention: who may, what it takes, what comes of it."""

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.attending import DEEDS, FOR
from approvals.models import Approval, Delivery, Event, Execution, Notice
from approvals.models.notice import NoticeState
from approvals.models.outbox import State, Trouble
from approvals.reasons import Kind
from tests.approvals.attending import QUEUE, TRIED, address, every_deed, listed
from tests.approvals.reading import as_person, decide, text_of
from tests.approvals.troubles import last_line, make_orphan, make_reader
from tests.factories import make_approval, make_group, make_staff, make_user

OLGA = "user:olga@example.com"


@pytest.fixture
def olga(db):
    return as_person(make_staff())


def everything():
    """All that a deed could change."""
    return [
        sorted(map(str, model.objects.values_list()))
        for model in (Approval, Delivery, Event, Execution, Notice)
    ]


class TestDeeds:
    @every_deed
    def test_looking_at_it_changes_nothing(self, rows, olga, deed):
        before = everything()

        for method in (olga.get, olga.head):
            response = method(address(deed, rows))
            assert response.status_code == 200

        said = text_of(olga.get(address(deed, rows)))
        assert f"{deed.label} " in said
        assert str(deed.does) in said
        assert everything() == before

    @every_deed
    def test_who_may_not_is_refused_and_who_is_no_operator_finds_nothing(
        self, rows, ana, eva, deed
    ):
        before = everything()
        codename = deed.permission.partition(".")[2]
        people = {
            as_person(make_reader("view_approval")): 403,
            as_person(ana): 404,
            as_person(eva): 404,
            as_person(make_reader(codename)): 404,
            Client(): 302,
            as_person(make_user()): 404,
        }
        for client, status in people.items():
            for method in (client.get, client.post):
                response = method(address(deed, rows), {"reason": "x"})
                assert response.status_code == status
        assert everything() == before

    @every_deed
    def test_it_takes_the_token_of_the_form(self, rows, deed):
        client = Client(enforce_csrf_checks=True)
        client.force_login(make_staff())
        before = everything()

        assert client.post(address(deed, rows), {"reason": "x"}).status_code == 403

        assert everything() == before

    @every_deed
    @pytest.mark.parametrize("key", [str(uuid4()), "x", "projects/p/executions/none"])
    def test_what_is_not_there_is_not_found(self, olga, deed, key):
        url = reverse("approvals:attend", args=[deed.noun, deed.verb, key])

        assert olga.get(url).status_code == olga.post(url, {"reason": "x"}).status_code == 404

    def test_a_deed_that_there_is_not_is_not_found(self, rows, olga):
        url = reverse("approvals:attend", args=["approval", "again", rows[Kind.NOBODY].pk])

        assert olga.post(url).status_code == 404

    @every_deed
    def test_where_others_are_concerned_it_takes_a_reason(self, rows, olga, deed):
        if deed.at_once:
            assert "reason" not in olga.get(address(deed, rows)).content.decode()
            return
        before = everything()

        for sent in ({}, {"reason": " "}, {"reason": "x" * 501}):
            response = olga.post(address(deed, rows), sent)
            assert response.status_code == 422
            assert 'aria-invalid="true"' in response.content.decode()
        assert everything() == before

    @every_deed
    def test_what_was_done_is_said_and_the_second_operator_hears_that_it_was(
        self, rows, olga, deed
    ):
        url, sent = f"{address(deed, rows)}?kind={TRIED[deed.noun, deed.verb]}", {"reason": "So"}

        first = olga.post(url, sent, follow=True)
        second = olga.post(url, sent, follow=True)

        back = f"/?tab=attention&kind={TRIED[deed.noun, deed.verb]}"
        assert first.redirect_chain == second.redirect_chain == [(back, 303)]
        assert f": {deed.done}" in first.content.decode()
        if deed.at_once or deed.verb == "withdraw":
            assert second.status_code == 200  # once more is no harm
        else:
            assert str(deed.late) in second.content.decode()

    def test_deliver_again_queues_it_and_it_stays_in_sight(self, rows, olga):
        row = rows[Kind.UNDELIVERABLE]

        olga.post(address(DEEDS["delivery", "again"], rows))

        row.refresh_from_db()
        assert row.state == State.UNKNOWN
        assert (last_line(row.approval).kind, last_line(row.approval).actor) == ("requeued", OLGA)
        assert "It has not got through yet. Delivering again." in text_of(olga.get(QUEUE))

    def test_what_the_workflow_has_meanwhile_is_left_alone(self, rows, olga):
        row = rows[Kind.UNDELIVERABLE]
        Delivery.confirm(row.approval_id, actor="caller:x")

        for verb in ("again", "aside"):
            deed = DEEDS["delivery", verb]
            response = olga.post(address(deed, rows), {"reason": "x"}, follow=True)
            assert str(deed.late) in response.content.decode()

        row.refresh_from_db()
        assert (row.state, row.attended_at) == (State.CONFIRMED, None)

    def test_put_aside_it_leaves_the_tab_and_its_page_says_who_and_why(self, rows, olga):
        row = rows[Kind.UNDELIVERABLE]

        olga.post(address(DEEDS["delivery", "aside"], rows), {"reason": "Paid by hand"})

        assert (Kind.UNDELIVERABLE, str(row.pk)) not in listed(olga.get(QUEUE))
        page = text_of(olga.get(row.approval.get_absolute_url()))
        assert "Olga put the delivery problem aside" in page
        assert "Paid by hand" in page

    def test_what_else_goes_wrong_later_is_in_the_queue_again(self, rows, olga):
        olga.post(address(DEEDS["delivery", "aside"], rows), {"reason": "So"})
        row = rows[Kind.UNDELIVERABLE]
        row.refresh_from_db()

        row.move(State.BLOCKED, "Another.", next_attempt_at=timezone.now(), trouble=Trouble.REFUSED)

        assert (Kind.UNDELIVERABLE, str(row.pk)) in listed(olga.get(QUEUE))

    def test_withdrawn_its_workflow_is_told(self, rows, olga):
        approval = rows[Kind.NOBODY]

        olga.post(address(DEEDS["approval", "withdraw"], rows), {"reason": "No budget"})

        approval.refresh_from_db()
        assert (approval.status, approval.reason_withdrawn) == ("withdrawn", "No budget")
        assert approval.delivery.payload["outcome"] == "withdrawn"

    def test_what_was_decided_meanwhile_is_not_withdrawn(self, rows, olga, ana):
        approval = rows[Kind.NOBODY]
        ana.groups.add(make_group("late"))
        approval.reassign(
            approval.approvers.get(), to=ana, by=make_user("x@example.com"), reason="Left"
        )
        decide(approval, by=ana)

        response = olga.post(
            address(DEEDS["approval", "withdraw"], rows), {"reason": "x"}, follow=True
        )

        assert "Ana Almeida answered “Approved”" in text_of_messages(response)
        approval.refresh_from_db()
        assert approval.status == "approved"

    def test_somebody_else_is_asked_from_here(self, rows, olga, ben):
        approval = rows[Kind.NOBODY]
        url = reverse("approvals:reassign", args=[approval.pk, approval.approvers.get().pk])
        assert f'href="{url}"' in olga.get(QUEUE).content.decode()

        olga.post(url, {"to": ben.email, "reason": "Nobody there"})

        assert (Kind.NOBODY, str(approval.pk)) not in listed(olga.get(QUEUE))
        assert approval.title in text_of(as_person(ben).get("/"))

    def test_of_several_who_are_asked_one_is_chosen_on_the_page_of_the_approval(self, rows, olga):
        make_group("empty")
        approval = make_approval(title="Two", approvers=["group:nobody", "group:empty"])

        body = olga.get(f"{QUEUE}&kind=nobody").content.decode()

        assert f'<a class="button button-small" href="{approval.get_absolute_url()}">' in body

    def test_tell_again_sends_it_once_more(self, rows, olga):
        olga.post(address(DEEDS["notice", "again"], rows))

        notice = Notice.objects.get(pk=rows[Kind.NOTICE].pk)
        assert (notice.state, notice.reason) == (NoticeState.QUEUED, "Asked for by Olga.")
        assert Kind.NOTICE not in dict(listed(olga.get(QUEUE)))

    def test_a_notice_that_is_put_aside_is_in_the_record(self, rows, olga):
        notice = rows[Kind.NOTICE]

        olga.post(address(DEEDS["notice", "aside"], rows), {"reason": "He left"})

        page = text_of(olga.get(notice.approval.get_absolute_url()))
        assert "Olga gave up telling reader0@example.com" in page
        assert "He left" in page

    def test_a_notice_that_has_left_meanwhile_is_left_alone(self, rows, olga):
        Notice.objects.update(state=NoticeState.SENT, next_attempt_at=None)

        for verb in ("again", "aside"):
            deed = DEEDS["notice", verb]
            response = olga.post(address(deed, rows), {"reason": "x"}, follow=True)
            assert str(deed.late) in response.content.decode()

    def test_who_dismissed_an_orphan_and_why_is_in_the_admin(self, rows, olga):
        execution = rows[Kind.ORPHANED]

        olga.post(address(DEEDS["execution", "aside"], rows), {"reason": "The tests do this"})

        assert Kind.ORPHANED not in dict(listed(olga.get(QUEUE)))
        history = reverse("admin:approvals_execution_history", args=[execution.pk])
        assert "Not for this inbox: The tests do this" in text_of_body(olga.get(history))

    def test_no_wait_of_a_workflow_is_listed_once_an_operator_has_said_so(self, rows, olga):
        deed, execution = DEEDS["execution", "workflow"], rows[Kind.ORPHANED]
        make_orphan()
        other = make_orphan("projects/p/locations/l/workflows/other/executions/1")
        assert str(deed.label) in olga.get(QUEUE).content.decode()

        olga.post(address(deed, rows), {"reason": "It asks a chat"})
        again = olga.post(address(deed, rows), {"reason": "It asks a chat"}, follow=True)

        assert [key for kind, key in listed(olga.get(QUEUE)) if kind == Kind.ORPHANED] == [other.pk]
        assert str(deed.late) in again.content.decode()
        history = reverse("admin:approvals_execution_history", args=[execution.pk])
        assert "this inbox: It asks a chat" in text_of_body(olga.get(history))

    def test_each_deed_has_its_words_and_is_offered_somewhere(self):
        offered = {name for names in FOR.values() for name in names}

        assert offered == set(DEEDS) == set(TRIED)
        for deed in DEEDS.values():
            assert all((deed.label, deed.does, deed.done, deed.late))


def text_of_messages(response):
    return " ".join(re.findall(r'role="status">([^<]*)<', response.content.decode()))


def text_of_body(response):
    return re.sub(r"<[^>]+>", " ", response.content.decode())
