"""What has happened to a list since it was opened: asked cheaply, told without moving a row."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from approvals.models import Approval, Delivery
from approvals.news import LETTERS, SLACK, pack, unpack
from tests.approvals.reading import as_person, decide, text_of
from tests.factories import make_approval, make_group, make_user


def opened(user, address="/"):
    """The address that a page asks for news, once what is there is older than any slack."""
    before = timezone.now() - 2 * SLACK
    Approval.objects.update(created_at=before, changed_at=before)
    Approval.objects.filter(decided_at__isnull=False).update(decided_at=before)
    body = as_person(user).get(address).content.decode()
    return re.search(r'id="ask" hx-get="([^"]+)"', body)[1].replace("&amp;", "&")


def news(user, address):
    """How many are new, and the rows that are told of, in words."""
    body = as_person(user).get(address).content.decode()
    bar = re.search(r'id="show-new"[^>]*>(\d+\+?) new', body)
    rows = re.findall(r'<li class="row.*?</li>', body, re.DOTALL)
    words = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
    return bar and bar[1], words


class TestNew:
    def test_nothing_is_told_while_nothing_happens(self, approval, ana):
        assert news(ana, opened(ana)) == (None, [])

    def test_what_came_since_is_counted_and_not_shown(self, approval, ana):
        address = opened(ana)
        for _ in range(2):
            make_approval(title="Train to Porto")

        assert news(ana, address) == ("2", [])
        body = as_person(ana).get(address).content.decode()
        assert "<title>(3) Needs me" in body
        assert "Train to Porto" not in body

    def test_only_what_fits_what_is_looked_for_counts(self, approval, ana):
        address = opened(ana, "/?q=train")
        make_approval(title="Hotel")
        assert news(ana, address) == (None, [])

        make_approval(title="Train")
        assert news(ana, address) == ("1", [])

    def test_what_is_handed_to_me_is_new_though_it_is_old(self, approval, ana):
        carl = make_user("carl@example.com")
        address = opened(carl)

        approval.hand_over(by=ana, to=carl, reason="Away")

        assert news(carl, address) == ("1", [])

    def test_behind_a_full_page_only_what_was_asked_since_counts(self, managers, ana, monkeypatch):
        monkeypatch.setattr("approvals.inbox.PAGE", 1)
        make_approval(title="First", expires_in=60)
        behind = make_approval(title="Behind")
        address = opened(ana)
        assert "more=1" in address

        behind.say("Why?", by=ana)
        assert news(ana, address) == (None, [])
        make_approval(title="New")
        assert news(ana, address) == ("1", [])

    def test_the_decided_are_new_when_they_are_decided(self, approval, ana, ben):
        address = opened(ana, "/?tab=decided")

        decide(approval, by=ben)

        assert news(ana, address) == ("1", [])


class TestChanged:
    def test_what_a_colleague_has_decided_is_marked_in_place(self, approval, ana, ben):
        address = opened(ana)

        decide(approval, by=ben)

        number, (row,) = news(ana, address)
        assert number is None
        assert approval.title in row
        assert "decided by Ben Okafor" in row
        assert "Approved" in row

    def test_what_waits_for_others_now_is_marked_too(self, managers, ana, ben):
        approval = make_approval(votes_needed="everyone")
        address = opened(ana)
        decide(approval, by=ben)
        assert "1 of 2" in news(ana, address)[1][0]

        decide(approval, by=ana)
        _, (row,) = news(ana, address)
        assert "row-gone" in as_person(ana).get(address).content.decode()
        assert "decided by Ana Almeida" in row

    def test_a_row_keeps_its_box_while_it_can_be_chosen(self, managers, ana):
        made = [make_approval(type="lunch") for _ in range(2)]
        address = opened(ana)
        assert "fit=lunch" in address

        made[0].say("Why?", by=ana)

        body = as_person(ana).get(address).content.decode()
        assert f'id="pick-{made[0].pk}"' in body
        assert "Question open" in body

    def test_the_way_of_an_answer_is_followed(self, approval, ana):
        decide(approval, by=ana)
        address = opened(ana, "/?tab=decided")
        assert "Sending" in news(ana, address)[1][0]

        Delivery.confirm(approval.pk, actor="system")
        assert "The workflow has it" in news(ana, address)[1][0]

    def test_rows_that_one_may_not_see_are_not_told_of(self, approval, ana):
        stranger = make_user("sam@example.com")
        address = opened(stranger) + pack([approval.pk])
        decide(approval, by=ana)

        assert news(stranger, address) == (None, [])


class TestAsk:
    @pytest.mark.parametrize("rows", [1, 40])
    def test_it_costs_few_queries_for_any_number_of_rows(
        self, managers, ana, ben, rows, django_assert_max_num_queries
    ):
        made = [make_approval(title=f"Waiting {n}") for n in range(rows)]
        address, client = opened(ana), as_person(ana)
        client.get(address)

        with django_assert_max_num_queries(11):
            client.get(address)
        for approval in made:
            decide(approval, by=ben)
        with django_assert_max_num_queries(17):
            client.get(address)

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "since=x",
            "since=9999999999999999999",
            "since=-62135596800",
            "since=1&shown=xyz",
            "since=1&shown=ü",
            "since=1&tab=nowhere",
            "since=1&tab=attention",
        ],
    )
    def test_what_no_page_of_ours_asks_is_not_found(self, ana, query):
        assert as_person(ana).get(f"/news/?{query}").status_code == 404

    def test_a_page_of_many_rows_asks_by_a_short_address(self, managers, ana):
        make_group("x" * 60, ana)
        for _ in range(50):
            make_approval(type="t" * 100)
        query = f"q={'%C3%BC' * 100}&requester=a&group={'x' * 60}&sort=newest"
        as_person(ana).get(f"/?{query}")

        assert len(opened(ana)) < 2000

    def test_ids_come_back(self):
        ids = [uuid4() for _ in range(3)]

        assert unpack(pack(ids)) == ids
        assert len(pack(ids)) == 3 * LETTERS
        assert unpack("") == []

    def test_it_is_for_those_who_have_signed_in(self, client):
        assert client.get("/news/?since=1")["Location"].startswith("/sign-in/")

    def test_what_was_written_a_moment_before_counts(self, approval, ana):
        address = opened(ana)
        late = make_approval(title="Late")
        moment = timezone.now() - SLACK + timedelta(seconds=5)
        Approval.objects.filter(pk=late.pk).update(changed_at=moment)

        assert news(ana, address) == ("1", [])
        assert "Late" in text_of(as_person(ana).get("/"))
