"""The inbox: what is where, how many, and at what cost."""

import re
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from approvals.models import Approval, Delivery
from approvals.models.delivery import State
from tests.approvals.reading import as_person, decide, text_of
from tests.factories import make_approval, make_group, make_staff, make_user


class TestInbox:
    def test_what_needs_me_is_there_with_its_key_fact(self, approval, ana):
        response = as_person(ana).get("/")

        assert approval.title in text_of(response)
        assert "1240 EUR" in text_of(response)
        assert "Eva Lind" in text_of(response)
        assert "<title>(1) Needs me" in response.content.decode()

    def test_my_own_request_waits_on_others(self, approval, eva):
        client = as_person(eva)

        assert approval.title not in text_of(client.get("/"))
        assert approval.title in text_of(client.get("/?tab=waiting"))

    def test_a_decided_one_moves_with_outcome_and_delivery(self, approval, ana, ben):
        decide(approval, by=ana)

        for person in (ana, ben):
            assert "Nothing waits for you" in text_of(as_person(person).get("/?tab=needs-me"))
            decided = text_of(as_person(person).get("/?tab=decided"))
            assert approval.title in decided
            assert "Approved" in decided
            assert "Sending" in decided

    def test_one_whose_time_is_up_needs_nobody(self, approval, ana):
        Approval.objects.update(expires_at=timezone.now())

        assert "Nothing waits for you" in text_of(as_person(ana).get("/"))

    def test_an_empty_inbox_says_what_waits_on_others_and_what_came_last(self, approval, ana):
        make_group("bosses", make_user("boss@example.com"))
        make_approval(requested_by="ana@example.com", approvers=["group:bosses"])
        decide(approval, by=ana)

        said = text_of(as_person(ana).get("/"))

        assert "Nothing waits for you" in said
        assert "1 of your own request waits on others" in said
        assert f"Your last answer: {approval.title}, approved just now" in said

    def test_only_operators_have_needs_attention(self, approval, ana):
        decide(approval, by=ana)
        Delivery.objects.update(state=State.BLOCKED, reason="Google said 403.")
        reader = make_user("rita@example.com", is_staff=True)
        reader.user_permissions.add(Permission.objects.get(codename="view_approval"))

        for person in (make_staff(), reader):
            said = text_of(as_person(person).get("/?tab=attention"))
            assert approval.title in said
            assert "Google said 403." in said
        assert "attention" not in as_person(ana).get("/").content.decode()
        for person in (ana, make_user(is_staff=True)):
            assert as_person(person).get("/?tab=attention").status_code == 404

    def test_an_unknown_tab_is_not_found(self, ana):
        assert as_person(ana).get("/?tab=everything").status_code == 404

    def test_older_pages_show_each_row_once(self, managers, ana):
        made = [make_approval(title=f"Number {n}") for n in range(120)]
        Approval.objects.update(created_at=timezone.now())  # equal times must not matter
        client, seen = as_person(ana), []
        url: str | None = "/"

        while url:
            body = client.get(url).content.decode()
            seen += re.findall(r'id="a-([0-9a-f-]{36})"', body)
            older = re.search(r'href="(\?[^"]+)" rel="next"', body)
            url = "/" + older[1].replace("&amp;", "&") if older else None

        assert len(seen) == 120
        assert set(seen) == {str(approval.pk) for approval in made}

    @pytest.mark.parametrize("older", ["x", str(uuid4())])
    def test_a_cursor_that_leads_nowhere_is_not_found(self, ana, older):
        assert as_person(ana).get(f"/?older={older}").status_code == 404

    @pytest.mark.parametrize("rows", [1, 60])
    def test_it_asks_the_database_the_same_few_things_for_any_number_of_rows(
        self, managers, ana, rows, django_assert_max_num_queries
    ):
        for n in range(rows):
            decide(make_approval(title=f"Decided {n}"), by=ana)
            make_approval(title=f"Waiting {n}", requested_by=f"person{n}@example.com")
        client = as_person(ana)

        for tab in ("needs-me", "decided"):
            with django_assert_max_num_queries(6):
                assert client.get(f"/?tab={tab}").status_code == 200
