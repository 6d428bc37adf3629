"""What is looked for in the inbox: filters, search and order in the address, and their words."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.models import Approval
from tests.approvals.reading import as_person, decide, text_of
from tests.factories import make_approval, make_group, make_type, make_user

PARAMETERS = (
    *("q", "type", "requester", "state", "outcome", "priority", "group"),
    *("due_from", "due_to", "asked_from", "asked_to", "sort", "pick"),
)


def titles(user, address):
    """The titles of the rows at an address, in order."""
    body = as_person(user).get(address).content.decode()
    return re.findall(r'class="row-title"[^>]*>([^<]+)<', body)


def chips(user, address):
    """What is looked for, in words -> the address without it."""
    body = as_person(user).get(address).content.decode()
    found = re.findall(r'class="off" href="(\?[^"]*)">(.*?)<span', body)
    return {re.sub("<[^>]+>", "", words).strip(): link for link, words in found}


@pytest.fixture
def asked(managers, eva):
    """Four requests that differ in everything."""
    make_user("sam@example.com", first="Sam", last="Ode")
    make_type("payment", "group:managers")
    make_type("travel", "group:managers")
    made = {
        "Invoice": make_approval(title="Invoice", type="payment", priority="urgent", fields={}),
        "Hotel": make_approval(
            title="Hotel",
            type="travel",
            requested_by="sam+x@example.com",
            expires_in=3600,
            fields={},
        ),
        "Train": make_approval(title="Train", type="travel", expires_in=86400 * 5, fields={}),
        "Other": make_approval(title="Other", priority="low", fields={"Note": "hotel bar"}),
    }
    for days, approval in enumerate(made.values()):
        Approval.objects.filter(pk=approval.pk).update(
            created_at=timezone.now() - timedelta(days=10 * days)
        )
    return made


def day(days):
    return (timezone.localdate() + timedelta(days=days)).isoformat()


class TestFilter:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("", {"Invoice", "Hotel", "Train", "Other"}),
            ("q=hotel", {"Hotel", "Other"}),
            ("q=hotel&type=travel", {"Hotel"}),
            ("type=payment", {"Invoice"}),
            ("requester=sam@example.com", {"Hotel"}),
            ("requester=Sam@example.com", {"Hotel"}),
            ("requester=ode", {"Hotel"}),
            ("requester=Eva Lind", {"Invoice", "Train", "Other"}),
            ("requester=nobody", set()),
            ("priority=urgent", {"Invoice"}),
            ("group=managers", {"Invoice", "Hotel", "Train", "Other"}),
            ("state=soon", {"Hotel"}),
            ("state=going", set()),
            (f"due_from={day(1)}", {"Train"}),
            (f"due_to={day(1)}", {"Hotel"}),
            (f"asked_from={day(-12)}", {"Invoice", "Hotel"}),
            (f"asked_to={day(-15)}", {"Train", "Other"}),
            (f"asked_from={day(-20)}&asked_to={day(-20)}", {"Train"}),
        ],
    )
    def test_each_narrows_and_all_of_them_together(self, asked, ana, query, expected):
        assert set(titles(ana, f"/?{query}")) == expected

    def test_an_open_question(self, asked, ana):
        asked["Train"].say("Why?", by=ana)

        assert titles(ana, "/?state=question") == ["Train"]

    def test_the_decided_by_outcome(self, asked, ana):
        decide(asked["Train"], by=ana, outcome="rejected")
        decide(asked["Hotel"], by=ana)

        assert titles(ana, "/?tab=decided&outcome=rejected") == ["Train"]
        assert titles(ana, "/?tab=decided&q=hotel") == ["Hotel"]

    def test_nobody_finds_what_they_may_not_see(self, asked, ana):
        stranger, reader = make_user("x@example.com"), make_user("rita@example.com")
        reader.user_permissions.add(Permission.objects.get(codename="view_approval"))
        decide(asked["Hotel"], by=ana)

        for person in (stranger, reader):
            for tab in ("needs-me", "waiting", "decided"):
                assert titles(person, f"/?tab={tab}&q=hotel") == []

    def test_groups_are_ones_own_and_of_readers_all(self, asked, ana):
        make_group("secret")
        assert "secret" not in text_of(as_person(ana).get("/"))
        assert "There is no such choice" in text_of(as_person(ana).get("/?group=secret"))

        ana.user_permissions.add(Permission.objects.get(codename="view_approval"))
        assert "secret" in text_of(as_person(ana).get("/"))


class TestSay:
    def test_each_is_removed_by_itself_and_the_rest_stays(self, asked, ana):
        address = "/?q=hotel&type=travel&sort=newest"
        found = chips(ana, address)

        assert set(found) == {"Search words: hotel", "Type: Travel", "Newest first"}
        assert found["Type: Travel"] == "?tab=needs-me&amp;q=hotel&amp;sort=newest"
        rest = found["Search words: hotel"].replace("&amp;", "&")
        assert set(chips(ana, f"/{rest}")) == {"Type: Travel", "Newest first"}

    def test_what_is_typed_is_text_alone(self, asked, ana):
        body = as_person(ana).get(f"/?q={quote('<script>x</script>')}").content.decode()

        assert "<script>x" not in body
        assert "&lt;script&gt;x" in body

    def test_the_form_has_what_is_looked_for(self, asked, ana):
        body = as_person(ana).get("/?q=hotel&type=travel&sort=oldest").content.decode()

        assert 'value="hotel"' in body
        assert '<option value="travel" selected>Travel</option>' in body
        assert '<option value="oldest" selected>' in body

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("priority=huge", "Priority “huge” was ignored. There is no such choice."),
            ("due_from=31-31", "Due from “31-31” was ignored. Enter a valid date."),
            ("asked_to=0001-01-01", "Asked until “0001-01-01” was ignored. Please check the year."),
            ("sort=colour", "Order “colour” was ignored. This list cannot be sorted that way."),
            (f"q={'x' * 300}", "was ignored."),
            ("q=%00", "was ignored."),
        ],
    )
    def test_what_is_wrong_is_left_out_and_it_says_so(self, asked, ana, query, words):
        response = as_person(ana).get(f"/?{query}&type=travel")

        assert response.status_code == 200
        assert words in text_of(response)
        assert set(titles(ana, f"/?{query}&type=travel")) == {"Hotel", "Train"}

    @settings(
        suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
    )
    @given(
        st.dictionaries(
            st.sampled_from(PARAMETERS),
            st.text(max_size=80),
        ),
        st.sampled_from(["needs-me", "waiting", "decided"]),
    )
    def test_no_address_breaks_it(self, asked, ana, params, tab):
        client = as_person(ana)

        assert client.get("/", {**params, "tab": tab}).status_code == 200


class TestSort:
    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            ("due", ["Hotel", "Train", "Invoice", "Other"]),
            ("newest", ["Invoice", "Hotel", "Train", "Other"]),
            ("oldest", ["Other", "Train", "Hotel", "Invoice"]),
            ("priority", ["Invoice", "Hotel", "Train", "Other"]),
        ],
    )
    def test_what_waits(self, asked, ana, sort, expected):
        assert titles(ana, f"/?sort={sort}") == expected

    def test_the_decided(self, asked, ana):
        for name in ("Train", "Invoice", "Other"):
            decide(asked[name], by=ana)

        assert titles(ana, "/?tab=decided") == ["Other", "Invoice", "Train"]
        assert titles(ana, "/?tab=decided&sort=newest") == ["Invoice", "Train", "Other"]
        assert titles(ana, "/?tab=decided&sort=oldest") == ["Other", "Train", "Invoice"]

    @pytest.mark.parametrize(
        ("tab", "sort"),
        [
            *(("needs-me", sort) for sort in ("due", "newest", "oldest", "priority")),
            *(("decided", sort) for sort in ("decided", "newest", "oldest")),
        ],
    )
    def test_pages_show_each_row_once_in_any_order(self, managers, ana, tab, sort, monkeypatch):
        made = [make_approval(priority=each) for each in ("low", "urgent", "normal") * 4]
        Approval.objects.update(created_at=timezone.now())
        if tab == "decided":
            for approval in made:
                decide(approval, by=ana)
        address = f"/?tab={tab}&sort={sort}&q=expense"
        whole = self.walk(ana, address)
        monkeypatch.setattr("approvals.inbox.PAGE", 5)

        assert len(set(whole)) == 12
        assert self.walk(ana, address) == whole

    @staticmethod
    def walk(user, url):
        client, seen = as_person(user), []
        while url:
            body = client.get(url).content.decode()
            seen += re.findall(r'id="a-([0-9a-f-]{36})"', body)
            more = re.search(r'href="(\?[^"]+)" rel="next"', body)
            url = "/" + more[1].replace("&amp;", "&") if more else ""
        return seen

    def test_many_and_few_decided_are_the_same_ones(self, asked, ana, eva, monkeypatch):
        for name in ("Train", "Invoice", "Other"):
            decide(asked[name], by=ana)
        few = titles(ana, "/?tab=decided"), titles(eva, "/?tab=decided")
        monkeypatch.setattr("approvals.inbox.FEW", 0)

        assert (titles(ana, "/?tab=decided"), titles(eva, "/?tab=decided")) == few
        assert few == (["Other", "Invoice", "Train"], ["Other", "Invoice", "Train"])


class TestCount:
    def test_a_badge_has_its_end(self, managers, ana, monkeypatch):
        for module in ("inbox", "templatetags.inbox"):
            monkeypatch.setattr(f"approvals.{module}.MANY", 3)
        for _ in range(2):
            make_approval()
        assert "(2) Needs me" in as_person(ana).get("/").content.decode()

        for _ in range(3):
            make_approval()
        assert "(2+) Needs me" in as_person(ana).get("/").content.decode()


class TestNothing:
    def test_it_says_what_to_leave_out(self, asked, ana):
        said = text_of(as_person(ana).get("/?q=hotel&type=payment"))

        assert "No requests match" in said
        assert "Remove Search words: hotel 1" in said
        assert "Remove Type: Payment 2" in said

    def test_and_where_else_to_look(self, asked, ana):
        response = as_person(ana).get("/?q=zeppelin&sort=newest")

        assert "Removing any one of them finds nothing either." not in text_of(response)
        assert "Remove Search words: zeppelin 4" in text_of(response)
        assert "?tab=decided&amp;q=zeppelin" in response.content.decode()
