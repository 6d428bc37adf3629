"""The inbox: what is where, how many, and at what cost."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from approvals.models import Approval, Delivery, StandIn
from approvals.models.outbox import State
from tests.approvals.reading import as_person, decide, text_of
from tests.factories import make_approval, make_group, make_staff, make_user


class TestInbox:
    def test_what_needs_me_is_there_with_its_key_fact(self, approval, ana):
        response = as_person(ana).get("/")

        assert approval.title in text_of(response)
        assert "Amount 1,240 EUR" in text_of(response)
        assert "Eva Lind" in text_of(response)
        assert "<title>(1) Needs me" in response.content.decode()

    def test_my_own_request_waits_on_others(self, approval, eva):
        client = as_person(eva)

        assert approval.title not in text_of(client.get("/"))
        assert approval.title in text_of(client.get("/?tab=waiting"))

    def test_a_decided_one_moves_with_outcome_and_delivery(self, approval, ana, ben):
        decide(approval, by=ana)

        for person in (ana, ben):
            assert "Nothing is waiting for you" in text_of(as_person(person).get("/?tab=needs-me"))
            decided = text_of(as_person(person).get("/?tab=decided"))
            assert approval.title in decided
            assert "Approved" in decided
            assert "Sending" in decided

    def test_one_whose_time_is_up_needs_nobody(self, approval, ana):
        Approval.objects.update(expires_at=timezone.now())

        assert "Nothing is waiting for you" in text_of(as_person(ana).get("/"))

    def test_an_empty_inbox_says_what_waits_on_others_and_what_came_last(self, approval, ana):
        make_group("bosses", make_user("boss@example.com"))
        make_approval(requested_by="ana@example.com", approvers=["group:bosses"])
        decide(approval, by=ana)

        said = text_of(as_person(ana).get("/"))

        assert "Nothing is waiting for you" in said
        assert "1 of your requests is waiting on others" in said
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

    @pytest.mark.parametrize("tab", ["needs-me", "waiting", "decided"])
    def test_pages_show_each_row_once_in_one_order(self, managers, ana, tab, monkeypatch):
        monkeypatch.setattr("approvals.inbox.PAGE", 4)
        make_group("bosses", make_user("boss@example.com"))
        asked = {"needs-me": "managers", "waiting": "bosses"}
        asker = "ana@example.com" if tab == "waiting" else "eva@example.com"
        made = [
            make_approval(
                priority=priority,
                requested_by=asker,
                approvers=[f"group:{asked.get(tab, 'managers')}"],
            )
            for priority in ("low", "urgent", "normal")
            for _ in range(7)
        ]
        # Equal times, and deadlines of some, must not matter.
        Approval.objects.update(created_at=timezone.now())
        some = [approval.pk for approval in made[::2]]
        Approval.objects.filter(pk__in=some).update(expires_at=timezone.now() + timedelta(days=1))
        if tab == "decided":
            for approval in made:
                decide(approval, by=ana)
            Approval.objects.filter(pk__in=some).update(decided_at=timezone.now())

        seen, whole = self.walk(ana, tab), Approval.objects.count()

        assert len(seen) == len(set(seen)) == whole == 21
        monkeypatch.setattr("approvals.inbox.PAGE", 50)
        assert seen == self.walk(ana, tab)

    def walk(self, user, tab):
        """The ids of all rows of a tab, page by page."""
        client, seen, url = as_person(user), [], f"/?tab={tab}"
        while url:
            body = client.get(url).content.decode()
            seen += re.findall(r'id="a-([0-9a-f-]{36})"', body)
            more = re.search(r'href="(\?[^"]+)" rel="next"', body)
            url = "/" + more[1].replace("&amp;", "&") if more else ""
        return seen

    def test_what_is_due_first_stands_first_then_the_urgent_then_the_oldest(self, managers, ana):
        for title, priority, expires_in in (
            ("Old", "normal", None),
            ("Young", "normal", None),
            ("Low", "low", None),
            ("High", "high", None),
            ("Urgent", "urgent", None),
            ("Tomorrow", "urgent", 86400),
            ("Soon", "low", 3600),
        ):
            make_approval(title=title, priority=priority, expires_in=expires_in)

        order = ["Soon", "Tomorrow", "Urgent", "High", "Old", "Young", "Low"]
        assert self.titles(ana, "needs-me") == order
        Approval.objects.update(requester_mailbox="ana@example.com")
        assert self.titles(ana, "waiting") == order

    def test_the_last_decided_stands_first(self, managers, ana):
        made = [make_approval(title=f"Number {n}") for n in range(3)]
        for n in (1, 2, 0):
            decide(made[n], by=ana)

        assert self.titles(ana, "decided") == ["Number 0", "Number 2", "Number 1"]

    def titles(self, user, tab):
        body = as_person(user).get(f"/?tab={tab}").content.decode()
        return re.findall(r'class="row-title"[^>]*>([^<]+)<', body)

    @pytest.mark.parametrize("after", ["x", str(uuid4())])
    def test_a_cursor_that_leads_nowhere_is_not_found(self, ana, after):
        assert as_person(ana).get(f"/?after={after}").status_code == 404

    def test_going_on_behind_a_row_that_has_left_the_tab_is_fine(self, managers, ana):
        first = make_approval(title="First", expires_in=3600)
        make_approval(title="Second")
        client = as_person(ana)

        assert client.get(f"/?tab=decided&after={first.pk}").status_code == 200
        decide(first, by=ana)

        said = text_of(client.get(f"/?tab=needs-me&after={first.pk}"))
        assert "Second" in said
        assert "First" not in said

    @pytest.mark.parametrize("rows", [1, 60])
    def test_it_asks_the_database_the_same_few_things_for_any_number_of_rows(
        self, managers, ana, ben, rows, django_assert_max_num_queries
    ):
        make_group("empty")
        StandIn.objects.create(
            user=make_user("dan@example.com"),
            colleague=ana,
            starts_at=timezone.now(),
            ends_at=timezone.now() + timedelta(days=1),
            created_by="user:dan@example.com",
        )
        for n in range(rows):
            decide(make_approval(title=f"Decided {n}"), by=ana)
            make_approval(title=f"Waiting {n}", requested_by=f"person{n}@example.com").say(
                "Why?", by=ana
            )
            both = make_approval(title=f"Both {n}", votes_needed="everyone")
            decide(both, by=ana)
            make_approval(approvers=["user:dan@example.com"], title=f"Dan's {n}")
            make_approval(approvers=["group:empty"], title=f"Nobody's {n}")
        ana.is_staff = ana.is_superuser = True
        ana.save()
        client = as_person(ana)

        for tab in ("needs-me", "waiting", "decided"):
            with django_assert_max_num_queries(19):
                assert client.get(f"/?tab={tab}").status_code == 200
