"""The operators' tab: what it says, and who may do what about it. Without script."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.utils import timezone

from approvals import attention, reasons
from approvals.attending import DEEDS, FOR
from approvals.google.console import execution_page
from approvals.models import Delivery, Execution, Worker
from approvals.models.outbox import State, Trouble
from approvals.reasons import Kind
from tests.approvals.attending import QUEUE, address, every_deed, listed
from tests.approvals.reading import as_person, is_whole, text_of
from tests.approvals.troubles import make_delivery, make_orphan, make_reader
from tests.factories import make_approval, make_group, make_staff, make_user


@pytest.fixture
def olga(db):
    return as_person(make_staff())


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
