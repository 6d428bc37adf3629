"""Whatever is changed behind the record's back is found, and named."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from approvals import verification
from approvals.models import Approval, Delivery, Event, Policy, Vote
from approvals.models.content import canonical, digest
from approvals.models.record import REMOVED
from approvals.verification import check_all, verify
from tests.factories import make_approval, make_type, make_user
from tests.guards import unguarded

pytestmark = pytest.mark.django_db

FORM = {"type": "object", "properties": {"amount": {"type": "number"}}}
RICH: dict[str, Any] = {
    "type": "expense",
    "approvers": [],
    "summary": "Three nights.",
    "fields": {"Amount": 1240.0, "Rate": 0.1, "Ratio": 1e-7, "Zero": -0.0, "Nights": 3},
    "links": [{"label": "Invoice", "url": "https://example.com/4711"}],
    "options": [
        {"value": "approved", "label": "Pay", "consequence": "Paid at once"},
        {"value": "rejected", "label": "No", "consequence": ""},
    ],
    "prefill": {"amount": 1240.0},
    "expires_in": 3600,
}


@pytest.fixture
def approval(managers, ana, ben):
    """Everything that an approval can have: a form, two votes, one of them taken back."""
    make_type("expense", "group:managers", form=FORM, undo=60, votes_needed=2)
    approval = make_approval(**RICH)
    for person, amount in ((ana, 5.0), (ben, 6.5)):
        fresh(approval).decide("approved", by=person, revision=1, form={"amount": amount})
    fresh(approval).take_back(by=ana)
    fresh(approval).decide("approved", by=ana, revision=1, form={"amount": 7})
    fresh(approval).settle(timed_out=True, actor="caller:x")
    return fresh(approval)


def fresh(approval):
    return Approval.objects.get(pk=approval.pk)


def tampered(rows, **changes):
    """What verification says after these rows were changed past the triggers."""
    with unguarded():
        assert rows.update(**changes) >= 1
    return verify(Approval.objects.get())


class TestVerify:
    def test_what_nobody_touched_holds(self, approval):
        assert approval.status == "approved"
        assert verify(approval) == ""
        assert [(each.lines, each.broken) for each in check_all(Approval.objects.all())] == [
            (approval.record_length, "")
        ]

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"actor": "user:mallory@example.com"}, "Line 2 was changed."),
            ({"at": timezone.now() - timedelta(days=1)}, "Line 2 was changed."),
            ({"kind": "decided"}, "Line 2 was changed."),
            ({"client": "10.0.0.1"}, "Line 2 was changed."),
            ({"request": "other"}, "Line 2 was changed."),
            ({"new_status": "rejected"}, "Line 2 was changed."),
            ({"data": {"outcome": "rejected"}}, "The contents of line 2 were changed."),
            ({"data_sha256": "0" * 64}, "Line 2 was changed."),
            ({"sha256": "0" * 64}, "Line 2 was changed."),
            ({"previous_sha256": "0" * 64}, "Line 2 does not follow the line before it."),
            ({"number": 20}, "Line 2 is missing."),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_a_changed_line_is_named(self, approval, change, sentence):
        assert tampered(Event.objects.filter(number=2), **change) == sentence

    def test_a_line_in_the_middle_that_is_gone_is_named(self, approval):
        with unguarded():
            Event.objects.filter(number=3).delete()
        assert verify(approval) == "Line 3 is missing."

    def test_a_chain_that_was_worked_out_anew_ends_with_another_head(self, approval):
        with unguarded():
            head = "0" * 64
            for line in approval.events.order_by("number"):
                line.client, line.previous_sha256 = "10.0.0.1", head
                line.sha256 = head = line.computed()
                line.save()

        assert verify(approval).startswith("Lines after")

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"status": "rejected"}, "It is “rejected”, but its record ends with “approved”."),
            ({"title": "Other"}, "The content was changed after it was asked."),
            ({"fields": [["Amount", 9]]}, "The content was changed after it was asked."),
            ({"reject_settles": False}, "The content was changed after it was asked."),
            ({"content_sha256": "0" * 64}, "The digest of the content is not the one"),
            ({"removed_at": timezone.now()}, "Its contents were removed, but"),
            ({"expires_at": timezone.now()}, "The time limit or the execution was changed"),
            ({"execution": "other"}, "The time limit or the execution was changed"),
            ({"record_length": 99}, "Lines after 7 are missing."),
            ({"record_head": "0" * 64}, "Lines after 7 are missing."),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_a_changed_approval_is_named(self, approval, change, sentence):
        assert approval.record_length == 7
        assert tampered(Approval.objects.all(), **change).startswith(sentence)

    @pytest.mark.parametrize(
        "change",
        [
            {"outcome": "rejected"},
            {"comment": "Never said"},
            {"form": {"amount": 6000}},
            {"revision": 2},
            {"content_sha256": "0" * 64},
            {"stage": 3},
            {"at": F("at") + timedelta(seconds=1)},
            {"user": "eva"},
            {"principal": "eva"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_a_changed_vote_is_named(self, approval, eva, change):
        change = {name: eva if value == "eva" else value for name, value in change.items()}
        first = approval.votes.order_by("-at").first()

        assert "was changed" in tampered(Vote.objects.filter(pk=first.pk), **change)

    def test_a_vote_that_was_taken_back_is_so_when_the_record_says_so(self, approval):
        ben = approval.votes.standing().order_by("at").first()
        taken = approval.votes.get(taken_back_at__isnull=False)

        sentence = tampered(Vote.objects.filter(pk=ben.pk), taken_back_at=timezone.now())
        assert sentence == "The votes that were taken back are not those of the record."

        with unguarded():
            Vote.objects.filter(pk=taken.pk).update(taken_back_at=None, stage=9)
        assert verify(approval).startswith("Vote 1, of")

    def test_votes_that_were_added_or_lost_are_counted(self, approval, eva):
        vote = approval.votes.standing().first()
        with unguarded():
            Vote.objects.filter(pk=vote.pk).delete()
        assert verify(approval) == "The record has 3 answers, but 2 votes are stored."

    def test_a_changed_delivery_is_named(self, approval):
        body = Delivery.objects.get().payload | {"outcome": "rejected"}

        sentence = tampered(Delivery.objects.all(), body=json.dumps(body))

        assert sentence == "What is delivered is not what was decided."

    def test_a_delivery_that_is_gone_is_missed(self, approval):
        Delivery.objects.all().delete()

        assert verify(approval) == "It is closed, but what is delivered is missing."

    def test_contents_that_were_removed_without_a_line_are_named(self, approval):
        assert "digest of the content" in tampered(Event.objects.all(), data=REMOVED)

    def test_a_renamed_type_and_a_new_address_break_nothing(self, approval, ana):
        Policy.objects.update(name="other", title="Other")
        ana.email = "ana.almeida@example.com"
        ana.save()

        assert verify(approval) == ""

    def test_a_line_that_is_written_meanwhile_is_no_break(self, approval, monkeypatch):
        """The batch has read the approval; then comes a line, before the lines are read."""
        first = Event.objects.filter

        def slowly(*args, **kwargs):
            monkeypatch.setattr(Event.objects, "filter", first)
            Delivery.objects.get().requeue(actor="user:olga@example.com")
            Event.append(approval.pk, "outcome", "caller:x", data={"result": "succeeded"})
            return first(*args, **kwargs)

        monkeypatch.setattr(Event.objects, "filter", slowly)

        assert [each.broken for each in check_all(Approval.objects.all())] == [""]
        assert fresh(approval).record_length == 8


class TestCheckAll:
    def test_queries_grow_with_batches_and_not_with_approvals(
        self, managers, monkeypatch, django_assert_num_queries
    ):
        monkeypatch.setattr(verification, "BATCH", 5)
        for _ in range(10):
            make_approval()

        with django_assert_num_queries(3 + 2 * 3):
            assert [each.broken for each in check_all(Approval.objects.all())] == [""] * 10


class TestCanonical:
    def test_names_are_sorted_and_whole_numbers_have_no_point(self):
        one = {"b": [1.0, {"d": -0.0, "c": "é"}], "a": True}

        assert canonical(one) == '{"a":true,"b":[1,{"c":"é","d":0}]}'
        assert digest(canonical(one)) == digest(
            canonical({"a": True, "b": [1, {"c": "é", "d": 0}]})
        )


class TestCommand:
    def run(self, *arguments):
        out = StringIO()
        call_command("verify_record", *arguments, stdout=out, stderr=StringIO())
        return out.getvalue()

    def test_it_says_that_the_record_holds(self, approval):
        assert self.run() == "1 approvals, 7 lines: the record holds.\n"

    def test_every_broken_record_is_named_and_the_exit_code_is_1(self, approval):
        other = make_approval(**RICH)
        with unguarded():
            Event.objects.filter(approval=other).update(actor="system")
        out = StringIO()

        with pytest.raises(CommandError, match=r"1 of 2 records are broken\.") as error:
            call_command("verify_record", stdout=out, stderr=StringIO())

        assert error.value.returncode == 1
        assert out.getvalue() == f"{other.pk}: Line 1 was changed.\n"

    def test_one_approval_or_those_since_a_day_can_be_chosen(self, approval):
        other = make_approval(**RICH)
        with unguarded():
            Event.objects.filter(approval=other).update(actor="system")
        tomorrow = (timezone.now() + timedelta(days=1)).date().isoformat()

        assert self.run("--approval", str(approval.pk)).startswith("1 approvals")
        assert self.run("--since", tomorrow) == "0 approvals, 0 lines: the record holds.\n"
        with pytest.raises(CommandError, match="1 of 1 "):
            self.run("--approval", str(other.pk))
        with pytest.raises(CommandError, match="1 of 2 "):
            self.run("--since", "2026-01-31T12:00")
        with pytest.raises(CommandError, match="There is no approval"):
            self.run("--approval", "6f9619ff-8b86-d011-b42d-00c04fc964ff")
        with pytest.raises(CommandError, match="invalid moment value"):
            self.run("--since", "yesterday")

    def test_triggers_that_are_missing_are_named(self, approval):
        with unguarded(), pytest.raises(CommandError, match="took the triggers away"):
            self.run()

    def test_on_a_terminal_it_counts(self, approval, monkeypatch):
        err = StringIO()
        monkeypatch.setattr(err, "isatty", lambda: True)

        call_command("verify_record", stdout=StringIO(), stderr=err)

        assert "1 of 1 approvals" in err.getvalue()


class TestContentDigest:
    """Whatever people are shown is in the digest, which vote, record, receipt and callback have."""

    def test_vote_record_and_callback_have_it(self, approval):
        told = [e.data["content_sha256"] for e in approval.events.filter(kind="voted")]
        bodies = [approval.delivery.payload["content_sha256"]]
        votes = list(approval.votes.values_list("content_sha256", flat=True))

        assert {*told, *bodies, *votes} == {approval.content_sha256}

    @pytest.mark.parametrize(
        "change",
        [
            {"title": "Other"},
            {"summary": "Four nights."},
            {"fields": {**RICH["fields"], "Nights": 4}},
            {"fields": dict(reversed(RICH["fields"].items()))},
            {"fields": {**RICH["fields"], "Nights": "3"}},
            {"links": []},
            {"links": [{"label": "Invoice", "url": "https://example.com/4712"}]},
            {"links": [{"label": "Other", "url": "https://example.com/4711"}]},
            {"options": RICH["options"][:1]},
            {"options": [{**RICH["options"][0], "label": "OK"}, RICH["options"][1]]},
            {"options": [{**RICH["options"][0], "consequence": "Later"}, RICH["options"][1]]},
            {"options": RICH["options"][::-1]},
            {"requested_by": "cleo@example.com"},
            {"prefill": {"amount": 1241.0}},
            {"priority": "high"},
            {"comment": "always"},
            {"on_expiry": "rejected"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_whatever_is_shown_changes_it(self, managers, change):
        make_user("cleo@example.com")
        make_type("expense", "group:managers", form=FORM, comment_rule="optional")

        assert make_approval(**RICH | change).content_sha256 != make_approval(**RICH).content_sha256

    @pytest.mark.parametrize(
        "terms",
        [
            {"form": {**FORM, "required": ["amount"]}},
            {"undo": 1},
            {"reject_settles": False},
            {"stages": [{"approvers": ["group:managers"], "name": "Line"}]},
            {"remind_after": [60]},
        ],
        ids=lambda terms: next(iter(terms)),
    )
    def test_so_does_another_version_of_the_type(self, managers, terms):
        policy = make_type("expense", "group:managers", form=FORM)
        before = make_approval(**RICH).content_sha256
        last = policy.versions.first().as_data()

        policy.revise("user:olga@example.com", **last | terms)

        assert make_approval(**RICH).content_sha256 != before

    def test_the_same_content_has_the_same_digest(self, managers):
        make_type("expense", "group:managers", form=FORM)

        assert make_approval(**RICH).content_sha256 == make_approval(**RICH).content_sha256
