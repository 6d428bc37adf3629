"""The page that starts workflows, with a real emulator in Google's place."""

import re
import uuid

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from google.auth.compute_engine import _metadata
from google.auth.credentials import AnonymousCredentials

from approvals.catalog import startable_by
from approvals.google import wire
from approvals.google.addresses import CallbackAddress
from approvals.models import Started
from approvals.starting import start
from tests.approvals.reading import as_person, is_whole, text_of
from tests.emulators import EmulatorProcess, Execution
from tests.factories import make_approval, make_group, make_staff

HEAD = "# countersign:\n#   title: {title}\n"
FORM = """\
#   form:
#     type: object
#     required: [amount]
#     properties:
#       amount: {type: number, title: Amount, minimum: 1}
#       urgent: {type: boolean, title: Urgent}
#       note: {type: string, title: Note, default: none}
"""
STEPS = """
main:
  params: [argument]
  steps:
    - give:
        return: ${argument}
"""
PAY = HEAD.format(title="Pay a bill") + FORM + STEPS
CLOSED = HEAD.format(title="Closed to most") + "#   groups: [payers]\n" + FORM + STEPS
BROKEN = HEAD.format(title="Broken") + STEPS


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    """An emulator with gRPC, a token for each call, and four workflows."""
    data = tmp_path_factory.mktemp("emulator") / "data.sqlite3"
    with EmulatorProcess(data, grpc=True) as process:
        for name, source in {
            "pay": PAY,
            "closed": CLOSED,
            "broken": BROKEN,
            "plain": STEPS,
        }.items():
            process.deploy(name, source)
        yield process


def use(process, settings, monkeypatch, *, grpc):
    settings.GOOGLE_CLOUD_PROJECT = "countersign-demo"
    settings.WORKFLOWS_EMULATOR_HOST = process.url
    settings.WORKFLOWS_EMULATOR_GRPC_HOST = grpc
    for name, value in process.environment.items():
        monkeypatch.setenv(name, value)
    # google-auth reads its variables when it is imported.
    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", f"127.0.0.1:{process.port}")
    monkeypatch.setattr(wire, "_credentials", None)
    wire._local.__dict__.pop("session", None)


@pytest.fixture(params=["gRPC", "REST"])
def google(request, emulator, settings, monkeypatch):
    """The emulator in Google's place, started over each of its two ways."""
    grpc = f"127.0.0.1:{emulator.grpc_port}" if request.param == "gRPC" else ""
    use(emulator, settings, monkeypatch, grpc=grpc)
    yield emulator
    wire._local.__dict__.pop("session", None)


@pytest.fixture
def once_google(emulator, settings, monkeypatch):
    """The emulator in Google's place, over gRPC."""
    use(emulator, settings, monkeypatch, grpc=f"127.0.0.1:{emulator.grpc_port}")
    yield emulator
    wire._local.__dict__.pop("session", None)


def form_of(client: Client, workflow: str = "pay") -> dict[str, str]:
    """The hidden fields of the form, as a browser sends them."""
    page = client.get(reverse("approvals:start", args=[workflow])).content.decode()
    found = re.search(r'name="once" value="([^"]+)"', page)
    assert found
    return {"once": found[1]}


def send(client: Client, workflow: str = "pay", **fields: str):
    sent = {name.replace("form_", "form."): value for name, value in fields.items()}
    return client.post(reverse("approvals:start", args=[workflow]), sent)


class TestList:
    def test_workflows_with_a_form_are_listed_and_no_others(self, once_google, ana):
        response = as_person(ana).get("/start/")

        assert is_whole(response)
        shown = text_of(response)
        assert "Pay a bill" in shown
        for other in ("plain", "Closed to most", "broken"):
            assert other not in shown

    def test_a_group_of_the_declaration_may_start_it(self, once_google, ana):
        make_group("payers", ana)

        assert "Closed to most" in text_of(as_person(ana).get("/start/"))

    def test_a_permission_opens_every_form(self, once_google, ana):
        ana.user_permissions.add(Permission.objects.get(codename="add_started"))

        assert as_person(ana).get("/start/closed/").status_code == 200

    def test_an_operator_sees_what_is_wrong_with_a_block(self, once_google, db):
        assert "broken form: a JSON Schema" in text_of(as_person(make_staff()).get("/start/"))

    def test_google_that_does_not_answer_is_a_sentence(self, settings, monkeypatch, ana):
        settings.GOOGLE_CLOUD_PROJECT = "countersign-demo"
        settings.WORKFLOWS_EMULATOR_HOST = "http://127.0.0.1:9"
        monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:9")
        monkeypatch.setattr(wire, "_credentials", AnonymousCredentials())

        listed = as_person(ana).get("/start/")

        assert listed.status_code == 200
        assert "cannot tell what you can start at the moment" in text_of(listed)
        assert as_person(ana).get("/start/pay/").status_code == 503

    def test_nobody_else_gets_in(self, client, db):
        for url in ("/start/", "/start/pay/", f"/start/started/{uuid.uuid4()}/"):
            assert client.get(url).status_code == 302
        assert client.post("/start/pay/", {}).status_code == 403

    def test_its_queries_are_few_and_google_is_asked_once_for_a_while(
        self, once_google, ana, monkeypatch
    ):
        client = as_person(ana)
        client.get("/start/")
        monkeypatch.setattr("approvals.catalog.workflows_client", None)
        with CaptureQueriesContext(
            connection,
        ) as few:
            client.get("/start/")
        for number in range(15):
            Started.objects.create(user=ana, workflow="pay", title=f"Bill {number}")
        with CaptureQueriesContext(connection) as many:
            assert "Bill 14" in text_of(client.get("/start/"))

        assert len(many) == len(few) <= 6


class TestForm:
    def test_it_shows_the_fields_with_their_defaults(self, once_google, ana):
        response = as_person(ana).get("/start/pay/")

        assert is_whole(response)
        page = response.content.decode()
        assert 'value="none"' in page
        assert 'form="decision"' not in page
        assert "Amount (required)" in text_of(response)
        assert not Started.objects.exists()

    @pytest.mark.parametrize("name", ["closed", "plain", "broken", "unknown"])
    def test_what_this_person_cannot_start_is_not_found(self, name, once_google, ana):
        client = as_person(ana)

        assert client.get(f"/start/{name}/").status_code == 404
        assert send(client, name, once=str(uuid.uuid4()), form_amount="5").status_code == 404

    @pytest.mark.parametrize("amount", ["", "0", "many", "nan", "inf"])
    def test_what_does_not_fit_is_shown_again_and_nothing_starts(self, amount, once_google, ana):
        client = as_person(ana)

        response = send(client, **form_of(client), form_amount=amount, form_note="keep me")

        assert response.status_code == 422
        assert "keep me" in response.content.decode()
        assert not Started.objects.exists()


class TestStart:
    def test_the_workflow_gets_the_values_with_their_types_and_who_asks(self, google, ana):
        client = as_person(ana)

        response = send(
            client,
            **form_of(client),
            form_amount="12.5",
            form_urgent="on",
            form_note="Olá",
            form_requester="eva@example.com",
        )

        assert response.status_code == 303
        started = Started.objects.get()
        assert response["Location"] == started.get_absolute_url()
        argument = {"amount": 12.5, "urgent": True, "note": "Olá", "requester": ana.email}
        assert Execution(google, started.execution).result() == argument
        assert len(started.argument_sha256) == 64
        page = client.get(started.get_absolute_url())
        assert is_whole(page)
        assert "Finished" in text_of(page)
        assert "Pay a bill" in text_of(client.get("/start/")).partition("Started by you")[2]

    def test_a_form_that_is_sent_twice_starts_one_execution(self, google, ana):
        client = as_person(ana)
        form = form_of(client) | {"form_amount": "3"}

        first, second = send(client, **form), send(client, **form)

        assert first["Location"] == second["Location"]
        assert Started.objects.count() == 1

    def test_of_two_at_the_same_moment_the_second_finds_the_first(self, once_google, ana):
        once = uuid.uuid4()
        flow = next(each for each in startable_by(ana) if each.name == "pay")
        first, began = start(flow, {"amount": 1}, ana, once)
        second, again = start(flow, {"amount": 1}, ana, once)

        assert (first.pk, began, again) == (second.pk, True, False)
        assert first.execution == second.execution != ""

    def test_what_google_refuses_is_said_and_can_be_sent_again(self, google, ana):
        client = as_person(ana)
        form = form_of(client) | {"form_amount": "3"}
        google.ask("DELETE", f"{google.parent}/workflows/pay")
        try:
            response = send(client, **form)
        finally:
            google.deploy("pay", PAY)

        assert response.status_code == 422
        assert "It was not started" in text_of(response)
        assert not Started.objects.exists()

    def test_a_lost_answer_is_said_and_nothing_starts_again(
        self, once_google, ana, settings, monkeypatch
    ):
        client = as_person(ana)
        form = form_of(client) | {"form_amount": "3"}
        settings.WORKFLOWS_EMULATOR_GRPC_HOST = "127.0.0.1:9"

        response = send(client, **form)
        settings.WORKFLOWS_EMULATOR_GRPC_HOST = f"127.0.0.1:{once_google.grpc_port}"
        again = send(client, **form)

        started = Started.objects.get()
        assert started.execution == ""
        assert response["Location"] == again["Location"] == started.get_absolute_url()
        assert "It is not certain that it was started" in text_of(
            client.get(started.get_absolute_url())
        )

    def test_a_form_of_somebody_else_starts_nothing(self, once_google, ana, ben):
        mine = Started.objects.create(user=ana, workflow="pay", title="Mine")

        assert send(as_person(ben), once=str(mine.pk), form_amount="3").status_code == 404
        assert as_person(ben).get(mine.get_absolute_url()).status_code == 404
        assert send(as_person(ben), form_amount="3").status_code == 404

    def test_without_the_token_of_the_session_nothing_starts(self, once_google, ana):
        client = Client(enforce_csrf_checks=True)
        client.force_login(ana)

        assert send(client, **form_of(client), form_amount="3").status_code == 403
        assert not Started.objects.exists()


class TestStarted:
    def test_the_approvals_of_the_execution_are_linked(self, once_google, managers, eva):
        client = as_person(eva)
        send(client, **form_of(client), form_amount="3")
        started = Started.objects.get()
        url = f"{once_google.url}/v1/{started.execution}/callbacks/{uuid.uuid4()}"
        approval = make_approval(callback_url=url, requested_by=eva.email)
        hidden = make_approval(
            callback_url=f"{url}2", requested_by="x@example.com", title="Not hers"
        )

        assert CallbackAddress.parse(url).execution_name == started.execution
        page = client.get(started.get_absolute_url())

        assert approval.get_absolute_url() in page.content.decode()
        assert hidden.get_absolute_url() not in page.content.decode()

    def test_google_that_does_not_answer_is_a_sentence(self, once_google, ana, monkeypatch):
        started = Started.objects.create(user=ana, workflow="pay", title="Bill", execution="x")

        page = text_of(as_person(ana).get(started.get_absolute_url()))

        assert "Google could not be asked" in page
