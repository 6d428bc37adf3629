"""The operators' tab: what it says, who may do what about it, what comes of it. Without script."""

import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals import attention, reasons
from approvals.attending import DEEDS, FOR
from approvals.google.console import execution_page
from approvals.models import Approval, Delivery, Event, Execution, Notice, Worker
from approvals.models.notice import NoticeState
from approvals.models.outbox import State, Trouble
from approvals.reasons import Kind
from tests.approvals.reading import as_person, decide, is_whole, text_of
from tests.approvals.troubles import (
    last_line,
    make_delivery,
    make_orphan,
    make_reader,
    one_of_each,
)
from tests.factories import make_approval, make_group, make_staff, make_user

QUEUE = "/?tab=attention"
OLGA = "user:olga@example.com"
# Where each deed is tried: the kind of the row that it is done to.
TRIED = {
    ("delivery", "again"): Kind.UNDELIVERABLE,
    ("delivery", "aside"): Kind.UNDELIVERABLE,
    ("approval", "withdraw"): Kind.NOBODY,
    ("execution", "aside"): Kind.ORPHANED,
    ("execution", "workflow"): Kind.ORPHANED,
    ("notice", "again"): Kind.NOTICE,
    ("notice", "aside"): Kind.NOTICE,
}
every_deed = pytest.mark.parametrize("deed", DEEDS.values(), ids=lambda d: f"{d.noun}-{d.verb}")


@pytest.fixture
def rows(managers, ana):
    make_group("nobody")
    return one_of_each(ana)


@pytest.fixture
def olga(db):
    return as_person(make_staff())


def address(deed, rows):
    return reverse("approvals:attend", args=[deed.noun, deed.verb, key_of(deed, rows)])


def key_of(deed, rows):
    return str(rows[TRIED[deed.noun, deed.verb]].pk)


def listed(response):
    """The items on a page, as kind and id."""
    found = re.findall(r'data-item="([a-z]+):([^"]+)"', response.content.decode())
    return [(Kind(kind), key) for kind, key in found]


def walk(client, url=QUEUE):
    """The items of all pages."""
    seen = []
    while url:
        response = client.get(url)
        assert response.status_code == 200
        seen += listed(response)
        more = re.search(r'href="(\?[^"]+)" rel="next"', response.content.decode())
        url = "/" + more[1].replace("&amp;", "&") if more else ""
    return seen


def everything():
    """All that a deed could change."""
    return [
        sorted(map(str, model.objects.values_list()))
        for model in (Approval, Delivery, Event, Execution, Notice)
    ]


class TestPage:
    def test_it_says_what_is_wrong_since_when_and_what_helps(self, rows, olga):
        response = olga.get(QUEUE)
        said = unescape(text_of(response))

        assert is_whole(response)
        for kind in rows:
            assert f"{kind.label} 1 {reasons.SAYS[kind]} {reasons.DO[kind]}" in said
        assert "It is blocked." in said
        assert str(reasons.ADVICE[Trouble.ROLE]) in said
        assert "decided by Ana Almeida 1 h ago" in said
        assert "taken by Google 1 h ago" in said
        assert "Nobody active who was asked may answer it. Asked: nobody." in said
        assert "pay, execution 0a1b2c3d" in said
        assert "reader0@example.com was not told: 550 No such user" in said

    def test_its_ids_are_those_of_the_queue_page_by_page(self, rows, olga, ana, monkeypatch):
        monkeypatch.setattr("approvals.attention.PAGE", 3)
        for _ in range(7):
            make_orphan()
            make_delivery(ana, State.BLOCKED, Trouble.REFUSED)

        seen = walk(olga)

        assert seen == [(item.kind, item.key) for item in attention.page_of(size=100).items]
        assert len(seen) == len(set(seen)) == 20

    def test_one_kind_can_be_looked_at_alone(self, rows, olga, ana, monkeypatch):
        monkeypatch.setattr("approvals.attention.PAGE", 3)
        for _ in range(7):
            make_delivery(ana, State.MISSED, Trouble.MISSED)
        assert "?tab=attention&amp;kind=missed" in olga.get(QUEUE).content.decode()

        seen = walk(olga, f"{QUEUE}&kind=missed")

        assert len(seen) == 8
        assert {kind for kind, _ in seen} == {Kind.MISSED}

    def test_its_number_is_the_number_of_the_tab(self, rows, olga):
        Worker.objects.create(name="w", paused=["slow.example"])

        for url in (QUEUE, "/"):
            assert f"Needs attention {len(rows) + 1}" in text_of(olga.get(url))

    def test_what_is_wrong_with_the_whole_stands_above_all(self, rows, olga):
        Delivery.objects.filter(pk=rows[Kind.UNDELIVERABLE].pk).update(
            next_attempt_at=timezone.now() - timedelta(minutes=12)
        )

        response = olga.get(QUEUE)

        assert listed(response)[0] == (Kind.WORKER, "none")
        said = text_of(response)
        assert f"{reasons.NO_WORKER} (the first thing was due 12 min ago" in said
        assert str(reasons.DO[Kind.WORKER]) in said

    def test_where_all_is_well_it_says_so(self, olga):
        assert "Nothing needs attention" in text_of(olga.get(QUEUE))

    def test_after_the_last_of_a_kind_the_way_to_the_others_is_there(self, rows, olga):
        olga.post(address(DEEDS["execution", "aside"], rows), {"reason": "So"})

        body = olga.get(f"{QUEUE}&kind=orphaned").content.decode()

        assert "Nothing more of this kind" in body
        assert "Nothing needs attention" not in body
        assert '<a href="?tab=attention">All that needs attention</a>' in body

    def test_texts_of_strangers_are_harmless(self, managers, ana, olga):
        make_group("nobody")
        make_approval(title="<b>Pay\u202e", approvers=["group:nobody"])
        make_delivery(ana, State.BLOCKED, reason="<script>x\u202e")
        make_orphan("projects/p/locations/l/workflows/<i>/executions/x")

        body = olga.get(QUEUE).content.decode()

        for said in ("&lt;b&gt;Pay⟨U+202E⟩", "&lt;script&gt;x⟨U+202E⟩", "&lt;i&gt;"):
            assert said in body
        for raw in ("<b>Pay", "<script>x", "<i>"):
            assert raw not in body

    def test_ten_thousand_take_as_many_queries_as_one(
        self, rows, olga, django_assert_max_num_queries
    ):
        now = timezone.now()
        Execution.objects.bulk_create(
            Execution(
                name=f"projects/p/locations/l/workflows/w/executions/{n}",
                unregistered_since=now - timedelta(seconds=n),
            )
            for n in range(10_000)
        )

        for url in (QUEUE, f"{QUEUE}&kind=orphaned"):
            with django_assert_max_num_queries(17):
                response = olga.get(url)
            assert 'rel="next"' in response.content.decode()

    @pytest.mark.parametrize("query", ["kind=x", "after=x", "after=unread~1~x", "after=a~b~c"])
    def test_what_leads_nowhere_is_not_found(self, olga, query):
        assert olga.get(f"{QUEUE}&{query}").status_code == 404


class TestReading:
    EXECUTION = "projects/p/locations/us-central1/workflows/pay/executions/0a1b2c3d-0000"

    def test_it_is_in_the_console_of_google(self, settings):
        settings.WORKFLOWS_EMULATOR_HOST = ""

        assert execution_page(self.EXECUTION) == (
            "https://console.cloud.google.com/workflows/workflow/us-central1/pay/execution/"
            "0a1b2c3d-0000/summary?project=p"
        )

    def test_of_the_emulator_it_is_its_own_page(self, settings):
        settings.WORKFLOWS_EMULATOR_HOST = "http://127.0.0.1:8787"

        page = execution_page(self.EXECUTION)

        assert page == "http://127.0.0.1:8787/ui/executions/0a1b2c3d-0000"

    @pytest.mark.parametrize("name", ["", "x", f"{EXECUTION}/y", "javascript:alert(1)"])
    def test_what_is_no_execution_has_no_page(self, name):
        assert execution_page(name) == ""

    def test_where_reading_it_helps_there_is_a_link(self, rows, olga):
        reads = {Kind.UNDELIVERABLE, Kind.UNREAD, Kind.ORPHANED, Kind.MISSED}

        for kind, row in rows.items():
            body = olga.get(f"{QUEUE}&kind={kind}").content.decode()
            name = row.name if kind == Kind.ORPHANED else getattr(row, "approval", row).execution
            link = f'href="{execution_page(name)}"'
            assert (link in body) == ("Read the execution<" in body) == (kind in reads)

    def test_the_page_of_an_approval_has_one_for_operators_alone(self, rows, olga, ana):
        approval = rows[Kind.MISSED].approval

        link = f'href="{execution_page(approval.execution)}"'
        for client, has_it in ((olga, True), (as_person(ana), False)):
            body = client.get(approval.get_absolute_url()).content.decode()
            assert (link in body) is has_it


class TestOnTheApproval:
    def test_trouble_of_the_delivery_has_the_same_deeds_there(self, rows, olga, ana):
        for kind in (Kind.UNDELIVERABLE, Kind.UNREAD, Kind.MISSED):
            body = olga.get(rows[kind].approval.get_absolute_url()).content.decode()
            assert str(kind.label) in body
            found = set(re.findall(r'"/attention/(\w+)/(\w+)/[^"]+to=approval"', body))
            assert found == set(FOR[kind])
            said = as_person(ana).get(rows[kind].approval.get_absolute_url()).content.decode()
            assert "/attention/" not in said

    def test_a_reader_sees_what_is_wrong_and_no_buttons(self, rows):
        url = rows[Kind.UNDELIVERABLE].approval.get_absolute_url()

        body = as_person(make_reader("view_approval")).get(url).content.decode()

        assert str(reasons.ADVICE[Trouble.ROLE]).split(".")[0] in unescape(body)
        assert "/attention/" not in body

    def test_what_is_done_there_comes_back_there(self, rows):
        url = rows[Kind.UNDELIVERABLE].approval.get_absolute_url()
        olga = Client(enforce_csrf_checks=True)
        olga.force_login(make_staff())
        body = olga.get(url).content.decode()
        token = re.search(r'id="attend-here".*?value="([^"]+)"', body)[1]
        again = re.search(r'formaction="([^"]+)"', body)[1]
        aside = re.search(r'href="(/attention/delivery/aside/[^"]+)"', body)[1]

        done = olga.post(again, {"csrfmiddlewaretoken": token})

        assert (done.status_code, done["Location"]) == (303, f"{url}?tab=attention")
        assert "It is delivered again." in olga.get(done["Location"]).content.decode()
        assert f'href="{url}?tab=attention">← The approval' in olga.get(aside).content.decode()
        sent = {"csrfmiddlewaretoken": token, "reason": "Paid by hand"}
        assert olga.post(aside, sent)["Location"] == f"{url}?tab=attention"
        assert "/attention/" not in olga.get(url).content.decode()

    def test_the_way_back_is_the_list_one_came_from(self, rows, olga, ana):
        url = rows[Kind.MISSED].approval.get_absolute_url()
        for query in ("tab=attention", "tab=attention&kind=missed"):
            listing = olga.get(f"/?{query}").content.decode()
            came = f"{url}?{query}"
            assert f'href="{came.replace("&", "&amp;")}"' in listing
            back = f'class="back" href="/?{query.replace("&", "&amp;")}">← Needs attention'
            assert back in olga.get(came).content.decode()
        for client, asked in ((olga, ""), (olga, "?tab=x"), (as_person(ana), "?tab=attention")):
            assert '<a class="back" href="/">← Inbox' in client.get(url + asked).content.decode()
        assert olga.get(f"{url}?tab=attention&kind=x").status_code == 200


class TestWhoSees:
    def test_operators_and_readers_on_the_staff(self, rows, olga, ana):
        for client in (olga, as_person(make_reader("view_approval"))):
            assert {kind for kind, _ in listed(client.get(QUEUE))} == set(rows)
        for person in (ana, make_user(is_staff=True), make_reader("change_delivery")):
            assert as_person(person).get(QUEUE).status_code == 404
            assert "Needs attention" not in text_of(as_person(person).get("/"))

    def test_a_reader_has_no_buttons(self, rows):
        body = as_person(make_reader("view_approval")).get(QUEUE).content.decode()

        assert "/attention/" not in body
        assert "/reassign/" not in body

    @every_deed
    def test_who_may_do_one_thing_has_its_button_alone(self, rows, deed):
        codename = deed.permission.partition(".")[2]

        body = as_person(make_reader("view_approval", codename)).get(QUEUE).content.decode()

        found = set(re.findall(r'"/attention/(\w+)/(\w+)/', body))
        assert found == {
            name for name, other in DEEDS.items() if other.permission == deed.permission
        }
        assert ("/reassign/" in body) == (codename == "change_approval")


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
        assert "It is not through yet. Delivering again." in text_of(olga.get(QUEUE))

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
        assert "Olga put the trouble of the delivery aside" in page
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
            approval.approvers.get(), to=ana, actor="user:x@example.com", reason="Left"
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
