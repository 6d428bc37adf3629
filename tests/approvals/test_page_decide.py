"""What a click does, what is said when it does nothing, and the receipt."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.models import Approval, Delivery, Vote
from approvals.models.outbox import State
from tests.approvals.reading import as_person, counts, decide, pages, send, text_of
from tests.factories import make_approval, make_staff


class TestDecide:
    def test_approving_records_the_vote_and_leads_to_the_receipt(self, approval, ana):
        response = send(as_person(ana), approval)

        assert (response.status_code, response["Location"]) == (303, pages(approval)["receipt"])
        vote = Vote.objects.get()
        assert (vote.user, vote.outcome, vote.revision) == (ana, "approved", 1)
        assert Delivery.objects.get().payload["outcome"] == "approved"

    def test_it_is_delivered_at_once(self, approval, ana, monkeypatch):
        sent: list[Delivery] = []
        monkeypatch.setattr("approvals.views.decision.deliver_now", sent.append)

        send(as_person(ana), approval)

        assert sent == [Delivery.objects.get()]

    def test_the_same_click_again_leads_to_the_receipt_and_does_nothing(self, approval, ana):
        client = as_person(ana)
        send(client, approval)
        before = counts()
        Delivery.confirm(approval.pk, actor="caller:x")

        response = send(client, approval)

        assert response.status_code == 303
        assert counts() == (before[0], before[1], before[2] + 1)  # the confirmation

    def test_rejecting_without_a_reason_asks_for_it_and_puts_the_cursor_there(self, approval, ana):
        response = send(as_person(ana), approval, "rejected", comment="  ")

        assert response.status_code == 422
        assert "Please say why" in text_of(response)
        field = re.findall(r'<textarea[^>]*id="comment"[^>]*>', response.content.decode())[0]
        assert "autofocus" in field
        assert 'aria-invalid="true"' in field
        assert 'aria-describedby="comment-error"' in field
        assert Vote.objects.count() == 0

    def test_what_was_typed_is_kept(self, approval, ana):
        typed = "<b>" + "long " * 1001

        response = send(as_person(ana), approval, comment=typed)

        assert response.status_code == 422
        assert typed.replace("<b>", "&lt;b&gt;") in response.content.decode()

    @pytest.mark.parametrize("fields", [{"outcome": "maybe"}, {"outcome": ""}, {"revision": ""}])
    def test_what_no_button_sends_is_explained(self, approval, ana, fields):
        response = send(as_person(ana), approval, **{"comment": "kept", **fields})

        assert response.status_code == 422
        assert 'role="alert"' in response.content.decode()
        assert "kept" in response.content.decode()

    def test_who_comes_second_reads_who_decided_and_when(self, approval, ana, ben):
        decide(approval, by=ben)

        response = send(as_person(ana), approval, "rejected", comment="Too expensive")

        assert response.status_code == 409
        said = text_of(response)
        assert "This is settled already" in said
        assert re.search(r"Ben Okafor answered “Approved” on \d+ \w+ \d{4}, \d\d:\d\d UTC", said)
        assert "Too expensive" in said
        assert f'href="{approval.get_absolute_url()}"' in response.content.decode()

    def test_the_answer_that_was_not_needed_is_named_as_on_its_button(self, managers, ana, ben):
        options = [
            {"value": "approved", "label": "Deploy"},
            {"value": "rejected", "label": "Stop this release"},
        ]
        approval = decide(make_approval(options=options), by=ben)

        said = text_of(send(as_person(ana), approval, "rejected", comment="Too early"))

        assert "Answer Stop this release" in said
        assert "rejected" not in said

    def test_an_incomplete_answer_to_a_settled_request_reads_the_same(self, approval, ana, ben):
        decide(approval, by=ben)

        response = send(as_person(ana), approval, "rejected", comment="")

        assert response.status_code == 409
        assert "Ben Okafor answered" in text_of(response)

    def test_after_the_deadline_nothing_is_saved_and_it_says_so(self, approval, ana):
        Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

        response = send(as_person(ana), approval)

        assert response.status_code == 409
        assert "The time to answer has passed" in text_of(response)
        assert Vote.objects.count() == 0

    def test_a_request_that_changed_must_be_read_again(self, approval, ana):
        Approval.objects.update(revision=2)

        response = send(as_person(ana), approval, comment="fine")

        assert response.status_code == 409
        assert "The request has changed" in text_of(response)
        assert "Read it again" in text_of(response)

    def test_the_requester_and_readers_may_not(self, approval, eva):
        for person in (eva, make_staff()):
            response = send(as_person(person), approval)

            assert response.status_code == 403
            assert "Others decide this" in text_of(response)
        assert Vote.objects.count() == 0

    def test_signed_out_meanwhile_shows_what_was_typed_and_nothing_else(self, client, approval):
        response = send(client, approval, comment="my long reasons")

        assert response.status_code == 403
        assert "You were signed out" in text_of(response)
        assert "my long reasons" in text_of(response)
        assert f"/sign-in/?next={approval.get_absolute_url()}" in response.content.decode()
        assert approval.title not in response.content.decode()


class TestReceipt:
    def test_it_says_what_i_decided_on_which_text_and_where_it_is(self, approval, ana):
        decide(approval, by=ana, comment="Enjoy")

        said = text_of(as_person(ana).get(pages(approval)["receipt"]))

        assert "Approved Your answer is recorded" in said
        assert "Sending" in said
        assert "Ana Almeida (ana@example.com)" in said
        assert "Comment Enjoy" in said
        assert approval.content_sha256[:12] in said
        assert approval.content_sha256 in said

    @pytest.mark.parametrize(
        ("state", "words"),
        [
            (State.QUEUED, "Sending"),
            (State.SENDING, "Sending"),
            (State.UNKNOWN, "Sending"),
            (State.STORED, "Google has it"),
            (State.CONFIRMED, "The workflow has it"),
            (State.MISSED, "Needs attention"),
        ],
    )
    def test_the_delivery_in_words_with_its_reason(self, approval, ana, state, words):
        decide(approval, by=ana)
        final = state in {State.CONFIRMED, State.MISSED}
        Delivery.objects.update(
            state=state,
            reason="Because of this.",
            next_attempt_at=None if final else timezone.now(),
            confirmed_at=timezone.now() if state == State.CONFIRMED else None,
        )

        said = text_of(as_person(ana).get(pages(approval)["receipt"]))

        assert f"{words}. Because of this." in said

    def test_what_the_workflow_reported_is_there(self, approval, ana):
        decide(approval, by=ana)
        Delivery.confirm(approval.pk, actor="caller:x")
        approval.report("succeeded", "Paid.", "https://pay.example/1", actor="caller:x")

        said = text_of(as_person(ana).get(pages(approval)["receipt"]))

        assert "The workflow reported: done Paid." in said
        assert "What the workflow did (pay.example)" in said

    def test_the_next_one_is_a_click_away(self, approval, ana):
        waiting = make_approval(title="Train to Porto")
        decide(approval, by=ana)

        response = as_person(ana).get(pages(approval)["receipt"])

        assert "Next: Train to Porto" in text_of(response)
        assert waiting.get_absolute_url() in response.content.decode()

    def test_the_next_one_is_the_first_of_the_inbox(self, approval, ana):
        make_approval(title="Newer")
        make_approval(title="Due soon", expires_in=3600)
        make_approval(title="Newest")
        decide(approval, by=ana)

        assert "Next: Due soon" in text_of(as_person(ana).get(pages(approval)["receipt"]))

    def test_with_nothing_left_it_leads_to_the_inbox(self, approval, ana):
        decide(approval, by=ana)

        said = text_of(as_person(ana).get(pages(approval)["receipt"]))

        assert "Back to the inbox Nothing else is waiting for you" in said

    def test_who_did_not_decide_is_shown_the_request(self, approval, ana, ben):
        assert (
            as_person(ana).get(pages(approval)["receipt"])["Location"]
            == approval.get_absolute_url()
        )
        decide(approval, by=ana)

        assert (
            as_person(ben).get(pages(approval)["receipt"])["Location"]
            == approval.get_absolute_url()
        )


class TestLive:
    """Pages look again while something is to come, and only then."""

    def look(self, client, url):
        found = re.search(r'hx-trigger="every (\d+)s', client.get(url).content.decode())
        return found and int(found[1])

    def test_the_inbox_and_a_waiting_request_look_now_and_then(self, approval, ana):
        client = as_person(ana)

        assert self.look(client, "/") == 5
        assert self.look(client, approval.get_absolute_url()) == 10

    def test_a_receipt_looks_often_until_the_workflow_has_reported(self, approval, ana):
        client, url = as_person(ana), pages(approval)["receipt"]
        decide(approval, by=ana)

        assert self.look(client, url) == 2
        Delivery.objects.update(created_at=timezone.now() - timedelta(hours=1))
        assert self.look(client, url) == 15
        Delivery.confirm(approval.pk, actor="caller:x")
        assert self.look(client, url) == 2
        approval.report("succeeded", "", "", actor="caller:x")
        assert self.look(client, url) is None

    def test_it_gives_up_on_a_report_that_does_not_come(self, approval, ana):
        client, url = as_person(ana), pages(approval)["receipt"]
        decide(approval, by=ana)
        Delivery.confirm(approval.pk, actor="caller:x")

        Delivery.objects.update(confirmed_at=timezone.now() - timedelta(minutes=1))
        assert self.look(client, url) == 10
        Delivery.objects.update(confirmed_at=timezone.now() - timedelta(minutes=11))
        assert self.look(client, url) is None

    def test_a_missed_delivery_is_final(self, approval, ana):
        decide(approval, by=ana)
        Delivery.objects.update(state=State.MISSED, next_attempt_at=None)

        assert self.look(as_person(ana), pages(approval)["receipt"]) is None
