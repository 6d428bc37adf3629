"""What needs attention, in the admin: the lists narrowed to it, and putting many things aside."""

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import Delivery, Event, Execution, Worker, Workflow
from approvals.models.outbox import State, Trouble
from approvals.reasons import Kind
from tests.approvals.reading import as_person, decide
from tests.approvals.troubles import make_delivery, make_orphan, make_reader
from tests.factories import make_approval, make_staff

LISTS = {
    Kind.UNDELIVERABLE: "delivery",
    Kind.NOBODY: "approval",
    Kind.UNREAD: "delivery",
    Kind.ORPHANED: "execution",
    Kind.MISSED: "delivery",
    Kind.NOTICE: "notice",
}


def address(model, page="changelist", *args):
    return reverse(f"admin:approvals_{model}_{page}", args=args)


@pytest.fixture
def client(db):
    return as_person(make_staff())


def press(client, url, rows, **given):
    keys = [str(row.pk) for row in rows]
    data = {"action": "put_aside", "_selected_action": keys, **given}
    return client.post(url, data, follow=True)


class TestFilter:
    @pytest.mark.parametrize("kind", LISTS)
    def test_a_list_can_be_narrowed_to_a_kind_in_the_words_of_the_tab(
        self, client, rows, ana, kind
    ):
        decide(make_approval(title="Well"), by=ana)
        Execution.objects.create(name="projects/p/locations/l/workflows/w/executions/well")

        response = client.get(address(LISTS[kind]), {"attention": kind.value})

        assert list(response.context["cl"].queryset) == [rows[kind]]
        assert f">{kind.label}</a>" in response.content.decode()

    def test_a_kind_that_there_is_not_narrows_nothing(self, client, rows):
        response = client.get(address("delivery"), {"attention": "x"})

        assert response.context["cl"].queryset.count() == Delivery.objects.count()


class TestPutAside:
    def test_several_deliveries_are_put_aside_with_one_reason(self, client, managers, ana):
        made = [make_delivery(ana, State.BLOCKED, Trouble.ROLE) for _ in range(3)]
        well = make_delivery(ana, State.CONFIRMED)
        asked = press(client, address("delivery"), [*made, well])
        assert "It disappears from the list for all operators" in asked.content.decode()
        assert "Decided, blocked" in asked.content.decode()
        assert (
            press(client, address("delivery"), made, confirmed="yes", reason=" ").status_code == 422
        )
        assert not Event.objects.filter(kind="attended").exists()

        response = press(
            client, address("delivery"), [*made, well], confirmed="yes", reason="The role is back"
        )

        assert "Put aside: 3." in response.content.decode()
        assert "Skipped, as they no longer need attention: 1." in response.content.decode()
        lines = Event.objects.filter(kind="attended")
        assert [line.data["reason"] for line in lines] == ["The role is back"] * 3
        assert not Delivery.objects.needing_attention().exists()

    def test_all_that_the_filters_leave_is_put_aside_however_many(self, client, managers, ana):
        made = [make_delivery(ana, State.BLOCKED, Trouble.ROLE) for _ in range(25)]
        other = make_delivery(ana, State.BLOCKED, Trouble.FOREIGN)
        url = f"{address('delivery')}?trouble__exact=role"

        asked = press(client, url, made[:2], select_across="1").content.decode()
        assert "and 5 more" in asked
        assert asked.count('name="_selected_action"') == 1
        press(client, url, made[:1], select_across="1", confirmed="yes", reason="So")

        assert list(Delivery.objects.needing_attention()) == [other]

    def test_executions_that_wait_elsewhere_are_dismissed(self, client, db):
        made = [make_orphan() for _ in range(2)]
        page = client.get(address("execution")).content.decode()
        assert '<option value="put_aside">Not for this inbox</option>' in page

        response = press(client, address("execution"), made, confirmed="yes", reason="Of the tests")

        assert "Not for this inbox: 2." in response.content.decode()
        assert not Execution.objects.needing_attention().exists()
        history = client.get(address("execution", "history", made[0].pk)).content.decode()
        assert "Of the tests" in history

    @pytest.mark.parametrize("kind", [Kind.UNDELIVERABLE, Kind.ORPHANED, Kind.NOTICE])
    def test_it_takes_the_permission(self, rows, kind):
        model = LISTS[kind]
        reader = as_person(make_reader(f"view_{model}", "view_approval"))

        page = reader.get(address(model, "change", rows[kind].pk)).content.decode()
        press(reader, address(model), [rows[kind]], confirmed="yes", reason="x")

        assert "/aside/" not in page
        assert not Event.objects.filter(kind="attended").exists()
        assert Execution.objects.needing_attention().exists()

    @pytest.mark.parametrize("kind", [Kind.UNDELIVERABLE, Kind.ORPHANED, Kind.NOTICE])
    def test_the_page_of_each_leads_to_the_question(self, client, rows, kind):
        model, row = LISTS[kind], rows[kind]

        page = client.get(address(model, "change", row.pk)).content.decode()

        url = reverse("approvals:attend", args=[model, "aside", row.pk])
        assert f'href="{url}"' in page
        assert client.get(url).status_code == 200

    def test_what_is_well_has_no_such_button(self, client, managers, ana):
        well = make_delivery(ana, State.CONFIRMED)

        page = client.get(address("delivery", "change", well.pk)).content.decode()

        assert "/aside/" not in page


class TestWorkflows:
    @pytest.fixture
    def silenced(self, db):
        assert make_orphan().dismiss_workflow()
        return Workflow.objects.get()

    def test_waits_of_one_can_be_listed_again(self, client, silenced):
        Workflow.objects.create(name="projects/p/locations/l/workflows/well")

        response = press(
            client, address("workflow"), Workflow.objects.all(), action="listen", confirmed="yes"
        ).content.decode()

        assert "Listed again: 1." in response
        assert not Workflow.objects.filter(silenced_at__isnull=False).exists()
        history = client.get(address("workflow", "history", silenced.pk)).content.decode()
        assert "listed again" in history

    def test_it_takes_the_permission_that_silenced_it(self, silenced):
        reader = as_person(make_reader("view_workflow", "view_approval"))

        press(reader, address("workflow"), [silenced], action="listen", confirmed="yes")

        assert Workflow.objects.get().silenced_at is not None


class TestWorkers:
    def test_which_run_and_what_they_leave_alone_can_be_read(self, client):
        Worker.objects.create(name="host-1:17", paused=["slow.example"])

        page = client.get(address("worker")).content.decode()

        assert "host-1:17" in page
        assert "slow.example" in page

    def test_nobody_changes_them(self, client):
        worker = Worker.objects.create(name="host-1:17", seen_at=timezone.now())

        assert client.get(address("worker", "add")).status_code == 403
        change = client.post(address("worker", "change", worker.pk), {"name": "x"})
        assert change.status_code == 403
