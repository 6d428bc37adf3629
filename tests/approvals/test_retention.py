"""Contents are removed when they were kept long enough; what was decided can still be proved."""

import os
import signal
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from approvals import retention
from approvals.management.commands import remove_payloads
from approvals.models import Approval, Delivery, Event, Vote
from approvals.models.attending import put_delivery_aside
from approvals.models.record import REMOVED
from approvals.receipts import make_receipt
from approvals.retention import Broken, removable, remove_contents
from approvals.verification import check_all, verify
from tests.approvals.racing import queued
from tests.approvals.reading import as_person, pages, text_of
from tests.factories import make_approval
from tests.guards import unguarded

pytestmark = pytest.mark.django_db

SECRETS = (
    "twelve forty",
    "Lisbon nights",
    "ledger-page",
    "too dear",
    "Paid from",
    "gross",
    "why so much",
)
FORM = {"type": "object", "properties": {"note": {"type": "string"}}}


@pytest.fixture
def closed(managers, ana):
    """One with everything that could be removed, delivered."""
    approval = make_approval(
        title="Hotel",
        summary="Lisbon nights",
        fields={"Amount": "twelve forty"},
        links=[{"label": "Invoice", "url": "https://example.com/ledger-page"}],
        form=FORM,
        prefill={"note": "gross"},
    )
    approval.say("why so much?", by=ana)
    approval.decide("approved", by=ana, revision=1, comment="too dear", form={"note": "gross"})
    approval.settle(timed_out=False, actor="caller:x")
    approval.report("succeeded", "Paid from ledger-page", "", actor="caller:x")
    return fresh(approval)


def fresh(approval):
    return Approval.objects.get(pk=approval.pk)


def stored():
    """All that the tables of the record have in them, as one text."""
    models = (Approval, Event, Delivery, Vote)
    return " ".join(str(list(model.objects.values_list())) for model in models)


def run(**options):
    out = StringIO()
    call_command("remove_payloads", **{"older_than": 0, "stdout": out, **options})
    return out.getvalue()


class TestRemove:
    def test_nothing_that_was_written_is_left(self, closed):
        assert all(secret in stored() for secret in SECRETS)

        assert remove_contents(closed)

        assert [secret for secret in SECRETS if secret in stored()] == []

    def test_what_was_decided_is_left_and_the_record_holds(self, closed, ana):
        digest, head = closed.content_sha256, closed.record_head

        remove_contents(closed)

        assert (closed.status, closed.decided_by, closed.title) == ("approved", ana, "Hotel")
        vote = closed.votes.get()
        assert (vote.user, vote.outcome, vote.content_sha256) == (ana, "approved", digest)
        last = closed.events.last()
        assert (last.kind, last.previous_sha256) == ("removed", head)
        assert verify(closed) == ""
        assert [each.broken for each in check_all(Approval.objects.all())] == [""]

    def test_a_workflow_that_asks_again_is_still_told(self, closed):
        remove_contents(closed)

        answer = closed.settle(timed_out=True, actor="caller:x")

        assert (answer["outcome"], answer["comment"], answer["form"]) == ("approved", "", {})
        assert answer["decided_by"]["email"] == "ana@example.com"

    def test_it_is_done_once(self, closed):
        stale = fresh(closed)
        assert remove_contents(closed)

        assert not remove_contents(stale)
        assert closed.events.filter(kind="removed").count() == 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda: Approval.objects.first().votes.update(outcome="rejected"),
            lambda: Delivery.objects.update(body='{"outcome": "rejected", "decision_id": ""}'),
            lambda: Approval.objects.update(content_sha256="0" * 64),
            lambda: Approval.objects.update(removed_at=None),
            lambda: Event.objects.filter(kind="removed").update(data=REMOVED),
            lambda: Event.objects.filter(kind="decided").update(new_status="rejected"),
        ],
        ids=("vote", "delivery", "digest", "removed_at", "the line", "a line"),
    )
    def test_what_is_changed_afterwards_is_still_found(self, closed, change):
        remove_contents(closed)
        with unguarded():
            assert change() == 1

        assert verify(closed)

    def test_a_broken_record_is_evidence_and_stays(self, closed):
        with unguarded():
            Event.objects.filter(number=1).update(actor="system")

        with pytest.raises(Broken, match=r"Line 1 was changed\."):
            remove_contents(closed)
        assert "Lisbon nights" in stored()

    def test_a_failure_in_the_middle_leaves_all_as_it_was(self, closed, monkeypatch):
        monkeypatch.setattr(retention, "votes_digest", lambda votes: 1 / 0)

        with pytest.raises(ZeroDivisionError):
            remove_contents(closed)

        assert fresh(closed).removed_at is None
        assert verify(closed) == ""

    def test_receipts_and_pages_still_open(self, closed, ana):
        remove_contents(closed)

        assert make_receipt(closed)["votes"][0]["comment"] == ""
        for name, url in pages(closed).items():
            response = as_person(ana).get(url)
            assert response.status_code == 200, name
        assert "The contents were removed on" in text_of(
            as_person(ana).get(pages(closed)["detail"])
        )


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """What an operator does to a delivery at that moment waits its turn, or comes first."""

    @pytest.fixture
    def missed(self, closed):
        Delivery.objects.update(state="missed", trouble="missed")
        return closed

    @pytest.mark.parametrize("removing_first", [True, False])
    def test_delivering_again_and_removing_end_both(self, missed, removing_first):
        delivery = Delivery.objects.get()
        acts = [lambda: remove_contents(missed), lambda: delivery.requeue(actor="user:o@x.y")]

        outcomes = queued(missed, *(acts if removing_first else acts[::-1]))

        removed, again = outcomes if removing_first else outcomes[::-1]
        assert again is True
        assert removed is (Event.objects.filter(kind="removed").count() == 1)
        assert verify(fresh(missed)) == ""

    @pytest.mark.parametrize("removing_first", [True, False])
    def test_putting_aside_and_removing_end_both(self, missed, removing_first):
        delivery = Delivery.objects.get()
        acts = [
            lambda: remove_contents(missed),
            lambda: put_delivery_aside(delivery, "Told them", actor="user:o@x.y"),
        ]

        outcomes = queued(missed, *(acts if removing_first else acts[::-1]))

        assert outcomes == [True, True]
        assert verify(fresh(missed)) == ""

    def test_what_is_delivered_again_meanwhile_stays_as_it_is(self, missed):
        Delivery.objects.get().requeue(actor="user:o@x.y")

        assert not remove_contents(missed)
        assert all(secret in stored() for secret in SECRETS)


class TestRemovable:
    def test_only_what_is_closed_delivered_and_old_enough(self, closed, managers, ana):
        make_approval()
        waiting = make_approval()
        waiting.decide("approved", by=ana, revision=1)  # its delivery is still to come
        now = timezone.now()

        assert list(removable(now)) == [closed]
        assert list(removable(now - timedelta(days=1))) == []


class TestCommand:
    def test_a_dry_run_removes_nothing(self, closed):
        assert run(dry_run=True) == "Contents of 1 approvals would be removed.\n"
        assert fresh(closed).removed_at is None

    def test_younger_ones_stay(self, closed):
        assert run(older_than=30) == "Contents of 0 approvals removed.\n"

    def test_all_that_are_due_are_emptied_in_batches(self, managers, ana, monkeypatch):
        monkeypatch.setattr(remove_payloads, "BATCH", 2)
        for _ in range(5):
            self.settled(ana)

        assert run() == "Contents of 5 approvals removed.\n"
        assert [each.broken for each in check_all(Approval.objects.all())] == [""] * 5

    def test_broken_ones_are_named_and_the_others_are_done(self, managers, ana):
        broken, _ = self.settled(ana), self.settled(ana)
        with unguarded():
            Event.objects.filter(approval=broken, number=1).update(actor="system")
        out = StringIO()

        with pytest.raises(CommandError, match="1 were left as they are"):
            run(stdout=out)

        assert f"{broken.pk}: Line 1 was changed." in out.getvalue()
        assert Approval.objects.filter(removed_at__isnull=False).count() == 1

    def test_it_ends_after_the_one_in_hand_when_it_is_told_to(self, managers, ana, monkeypatch):
        for _ in range(3):
            self.settled(ana)
        real = remove_contents

        def interrupted(approval):
            os.kill(os.getpid(), signal.SIGTERM)
            return real(approval)

        monkeypatch.setattr(remove_payloads, "remove_contents", interrupted)

        assert run() == "Stopped: contents of 1 approvals removed.\n"
        assert Approval.objects.filter(removed_at__isnull=True).count() == 2

    def test_days_are_not_negative(self, db):
        with pytest.raises(CommandError, match="0 or more"):
            run(older_than=-1)

    def settled(self, ana):
        approval = make_approval()
        approval.decide("approved", by=ana, revision=1)
        approval.settle(timed_out=False, actor="caller:x")
        return approval
