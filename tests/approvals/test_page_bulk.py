"""Several requests answered at once: which can be, a summary first, then each by itself."""

import re
from typing import Any

import pytest

from approvals.bulk import differences
from approvals.models import Approval, Delivery, Event, Vote
from approvals.verification import verify
from tests.approvals.reading import as_person, decide, text_of
from tests.factories import make_approval, make_staff, make_user

LUNCH: dict[str, Any] = {"type": "lunch", "fields": {"Amount": 20, "Currency": "EUR"}}


@pytest.fixture
def lunches(managers, eva):
    return [make_approval(title=f"Lunch {n}", **LUNCH) for n in range(3)]


def chosen(approvals, outcome="approved"):
    rows = [f"{approval.pk}:{approval.revision}" for approval in approvals]
    return {"row": rows, "outcome": outcome}


def summary(user, approvals, outcome="approved"):
    return as_person(user).post("/bulk/", chosen(approvals, outcome))


def confirm(user, approvals, outcome="approved"):
    return as_person(user).post("/bulk/confirm/", chosen(approvals, outcome))


class TestSelect:
    def picks(self, user, tab="needs-me"):
        body = as_person(user).get(f"/?tab={tab}").content.decode()
        return len(re.findall(r'id="pick-', body)), re.findall(r'id="bulk-(\w+)"', body)

    def test_rows_of_one_type_have_a_box_and_the_answers_that_need_no_comment(self, lunches, ana):
        assert self.picks(ana) == (3, ["approved"])

    def test_why_rejecting_is_not_offered_is_said(self, lunches, ana):
        why = "“Reject” needs a comment: open each request to give that answer."

        assert why in text_of(as_person(ana).get("/"))
        assert why in text_of(summary(ana, lunches))

    def test_where_no_comment_is_asked_they_can_be_rejected_together(self, managers, eva, ana):
        for n in range(2):
            make_approval(title=f"Lunch {n}", comment="optional", **LUNCH)

        assert self.picks(ana) == (2, ["approved", "rejected"])

    def test_a_single_one_a_form_a_comment_rule_or_no_type_have_none(self, managers, eva, ana):
        form = {"type": "object", "properties": {"a": {"type": "string"}}}
        make_approval(type="alone")
        for n in range(2):
            make_approval(title=f"Form {n}", type="forms", form=form)
            make_approval(title=f"Comment {n}", type="comments", comment="always")
            make_approval(title=f"Plain {n}")

        assert self.picks(ana) == (0, [])

    def test_all_of_one_type_are_selected_by_a_link(self, lunches, ana):
        for n in range(2):
            make_approval(title=f"Trip {n}", type="travel")
        client = as_person(ana)
        link = re.search(
            r'class="pick-all" href="([^"#]*pick=lunch)', client.get("/").content.decode()
        )

        body = client.get(f"/{link[1].replace('&amp;', '&')}").content.decode()

        assert len(re.findall(r'id="pick-[^>]* checked>', body)) == 3
        assert len(re.findall('id="pick-', body)) == 5

    def test_only_what_needs_me_has_boxes(self, lunches, ana, eva):
        assert self.picks(eva, "waiting") == (0, [])
        for lunch in lunches:
            decide(lunch, by=ana)
        assert self.picks(ana, "decided") == (0, [])


class TestSummary:
    def test_it_says_how_many_which_and_their_total_and_saves_nothing(self, lunches, ana):
        response = summary(ana, lunches)

        said = text_of(response)
        assert "Approve 3 requests?" in said
        assert "Amount in total 60 EUR" in said
        for lunch in lunches:
            assert lunch.title in said
        assert not Vote.objects.exists()

    def test_what_does_not_fit_is_left_out_and_it_says_why(self, lunches, ana, ben):
        form = {"type": "object", "properties": {"a": {"type": "string"}}}
        others = [
            make_approval(title="With form", type="lunch", form=form),
            make_approval(title="With comment", type="lunch", comment="always"),
            make_approval(title="Other type", type="travel"),
            make_approval(
                title="Other answers", type="lunch", options=[{"value": "later", "label": "Later"}]
            ),
        ]
        decide(lunches[0], by=ben)
        Approval.objects.filter(pk=lunches[1].pk).update(revision=2)

        said = text_of(summary(ana, [*lunches, *others]))

        assert "Approve 1 request?" in said
        for words in (
            "Lunch 0 Ben Okafor answered “Approved”",
            "Lunch 1 It has changed in the meantime",
            "With form It has a form to fill in",
            "With comment This answer needs a comment",
            "Other type Its type differs from most of the others",
            "Other answers It does not offer this answer",
        ):
            assert words in said

    def test_rejecting_where_a_comment_is_needed_leaves_nothing(self, lunches, ana):
        said = text_of(summary(ana, lunches, "rejected"))

        assert "Nothing to answer together" in said
        assert said.count("This answer needs a comment") == 3

    def test_without_a_choice_it_says_what_to_do(self, lunches, ana):
        client = as_person(ana)

        response = client.post("/bulk/", {"outcome": "approved", "row": ["x", "y:1"]})

        assert response.status_code == 303
        assert "Select the requests" in client.get("/").content.decode()

    def test_requests_of_others_are_not_shown(self, lunches, eva):
        stranger = text_of(summary(make_user("sam@example.com"), lunches))
        assert "Lunch" not in stranger
        for person in (eva, make_staff()):
            said = text_of(summary(person, lunches))
            assert "Nothing to answer together" in said
            assert said.count("It is no longer waiting for your answer") == 3

    def test_by_get_it_leads_to_the_inbox(self, ana, client):
        for path in ("/bulk/", "/bulk/confirm/"):
            assert as_person(ana).get(path)["Location"] == "/"
            assert client.post(path)["Location"].startswith("/sign-in/")

    @pytest.mark.parametrize("rows", [2, 12])
    def test_the_summary_asks_the_database_few_things(
        self, managers, ana, rows, django_assert_max_num_queries
    ):
        made = [make_approval(title=f"Lunch {n}", **LUNCH) for n in range(rows)]

        client = as_person(ana)
        with django_assert_max_num_queries(8):
            client.post("/bulk/", chosen(made))


class TestConfirm:
    def test_each_has_its_own_vote_record_and_delivery(self, lunches, ana):
        response = confirm(ana, lunches)

        assert "3 answered" in text_of(response)
        assert Vote.objects.count() == Delivery.objects.count() == 3
        for approval in Approval.objects.all():
            assert approval.status == "approved"
            assert verify(approval) == ""
            assert f"{approval.get_absolute_url()}receipt/" in response.content.decode()

    def test_failures_are_listed_one_by_one_and_the_others_count(self, lunches, ana, ben):
        decide(lunches[1], by=ben)

        said = text_of(confirm(ana, lunches))

        assert "2 answered, 1 not" in said
        assert "Lunch 1 Ben Okafor answered" in said
        assert Vote.objects.filter(user=ana).count() == 2

    def test_one_that_is_decided_in_between_is_a_failure_of_its_own(
        self, lunches, ana, ben, monkeypatch
    ):
        first = Approval.decide

        def slow(self, *args, **kwargs):
            if kwargs["by"] == ana and self.title == "Lunch 2":
                first(Approval.objects.get(pk=self.pk), "rejected", by=ben, revision=1, comment="!")
            first(self, *args, **kwargs)

        monkeypatch.setattr(Approval, "decide", slow)

        said = text_of(confirm(ana, lunches))

        assert "2 answered, 1 not" in said
        assert "Lunch 2 Ben Okafor answered “Rejected”" in said

    def test_sending_it_again_changes_nothing(self, lunches, ana):
        confirm(ana, lunches)
        before = Event.objects.count()

        said = text_of(confirm(ana, lunches))

        assert Event.objects.count() == before
        assert "0 answered, 3 not" in said
        assert "Ana Almeida answered “Approved”" in said

    def test_nobody_answers_what_is_not_theirs(self, lunches, eva):
        for person in (eva, make_staff(), make_user("sam@example.com")):
            confirm(person, lunches)
        assert not Vote.objects.exists()


class TestDifferences:
    def found(self, *facts):
        rows = [Approval(title=f"{n}", fields=list(each.items())) for n, each in enumerate(facts)]
        return [
            (each.label, each.usual, [row.title for row in each.others])
            for each in differences(rows)
        ]

    def test_few_that_are_unlike_most_are_named(self):
        facts = [{"Payee": "ACME"}, {"Payee": "ACME"}, {"Payee": "New Ltd"}, {"Payee": "ACME"}]

        assert self.found(*facts) == [("Payee", "ACME", ["2"])]

    def test_a_fact_that_is_missing_differs_too(self):
        assert self.found({"Of": "x"}, {"Of": "x"}, {}) == [("Of", "x", ["2"])]
        assert self.found({}, {"Of": "x"}, {}) == [("Of", None, ["1"])]

    def test_where_no_value_is_usual_nothing_differs(self):
        assert self.found({"Of": "x"}, {"Of": "y"}) == []
        assert self.found({"Of": "x"}, {"Of": "y"}, {"Of": "z"}) == []
        assert self.found({"Of": "x"}, {"Of": "x"}) == []

    def test_amounts_are_expected_to_vary(self):
        assert self.found({"Amount": 1}, {"Amount": 1}, {"Amount": 2.5}) == []

    def test_the_summary_says_which(self, managers, eva, ana):
        made = [
            make_approval(title=f"Lunch {n}", type="lunch", fields={"Place": place})
            for n, place in enumerate(["Berlin", "Berlin", "Rome"])
        ]

        said = text_of(summary(ana, made))

        assert "1 differs : Place (most have Berlin)" in said
        assert "Lunch 2 differs: Place" in said
        assert "Lunch 1 differs" not in said
