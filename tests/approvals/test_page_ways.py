"""The ways from and to the page of an approval: back to the search, on to the next, its parts."""

import re
from urllib.parse import quote, urlencode

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import Approval, Preference, Vote
from tests.approvals.reading import as_person, decide, pages, send, text_of
from tests.factories import make_approval, make_staff, make_type

SEARCH = "tab=waiting&q=hotel"
CARRIED = f"?{urlencode({'from': SEARCH})}"


def back(response):
    """Where the way back to the inbox leads."""
    return re.search(r'class="back" href="([^"]*)"', response.content.decode())[1].replace(
        "&amp;", "&"
    )


class TestBack:
    def test_it_leads_to_the_search_one_came_from(self, approval, ana):
        client = as_person(ana)
        before = f"http://testserver/?{SEARCH}"

        response = client.get(approval.get_absolute_url(), headers={"referer": before})

        assert back(response) == f"/?{SEARCH}"
        assert f'action="{reverse("approvals:decide", args=[approval.pk])}{CARRIED}"' in (
            response.content.decode()
        )

    @pytest.mark.parametrize(
        "before",
        [
            "",
            "http://[",
            "https://evil.example/?tab=waiting",
            "http://testserver/profile/?tab=waiting",
            "http://testserver.evil.example/?tab=waiting",
            "not an address at all",
        ],
    )
    def test_from_anywhere_else_it_leads_to_the_beginning(self, approval, ana, before):
        response = as_person(ana).get(approval.get_absolute_url(), headers={"referer": before})

        assert back(response) == "/"

    @pytest.mark.parametrize(
        "said", ["https://evil.example/", "//evil.example", "/admin/", "javascript:alert(1)", '">x']
    )
    def test_whatever_an_address_says_it_leads_to_the_inbox(self, approval, ana, said):
        client = as_person(ana)

        response = client.get(f"{approval.get_absolute_url()}?{urlencode({'from': said})}")

        assert back(response).startswith("/?")
        assert '">x' not in response.content.decode()
        answered = client.post(
            f"{reverse('approvals:decide', args=[approval.pk])}?{urlencode({'from': said})}",
            {"outcome": "approved", "revision": 1},
        )
        assert answered["Location"].startswith(pages(approval)["receipt"])

    def test_it_is_kept_over_the_answer_and_in_the_next_one(self, approval, ana):
        waiting = make_approval(title="Train to Porto")
        client = as_person(ana)
        url = reverse("approvals:decide", args=[approval.pk]) + CARRIED

        answered = client.post(url, {"outcome": "approved", "revision": 1})
        receipt = client.get(answered["Location"])

        assert answered["Location"] == pages(approval)["receipt"] + CARRIED
        assert back(receipt) == f"/?{SEARCH}"
        assert f'href="{waiting.get_absolute_url()}{CARRIED}"' in receipt.content.decode()

    def test_it_is_kept_when_something_is_wrong_and_when_somebody_was_faster(
        self, approval, ana, ben
    ):
        client = as_person(ana)
        url = reverse("approvals:decide", args=[approval.pk]) + CARRIED

        wrong = client.post(url, {"outcome": "rejected", "revision": 1})
        decide(approval, by=ben)
        late = client.post(url, {"outcome": "approved", "revision": 1})

        assert back(wrong) == f"/?{SEARCH}"
        assert wrong.status_code == 422
        assert f'href="/?{SEARCH.replace("&", "&amp;")}"' in late.content.decode()


class TestGoOn:
    @pytest.fixture
    def hasty(self, ana):
        Preference.objects.create(user=ana, goes_on=True)
        return as_person(ana)

    def test_who_wants_so_reads_the_next_one_at_once_with_the_receipt_line(
        self, approval, hasty, ana
    ):
        following = make_approval(title="Train to Porto")

        answered = send(hasty, approval, comment="Fine")
        response = hasty.get(answered["Location"])

        assert answered.status_code == 303
        assert answered["Location"].startswith(following.get_absolute_url())
        said = text_of(response)
        assert said.startswith(f"Approved {approval.title} Your answer is recorded.")
        assert "Train to Porto" in said
        assert pages(approval)["receipt"] in response.content.decode()

    def test_and_can_still_take_the_answer_back(self, managers, eva, hasty, ana):
        make_type("payment", "group:managers", undo=30)
        first, second = (
            make_approval(title=f"Pay {n}", type="payment", approvers=[]) for n in (1, 2)
        )

        response = hasty.get(send(hasty, first)["Location"])

        assert "Pay 2" in text_of(response)
        assert re.search(r"Goes out in (30|29|28) s\. Take back", text_of(response))
        undo = reverse("approvals:take_back", args=[first.pk])
        assert f'action="{undo}"' in response.content.decode()
        assert second.pk != first.pk
        assert hasty.post(undo)["Location"] == first.get_absolute_url()

    def test_with_nothing_left_it_is_the_receipt(self, approval, hasty):
        assert send(hasty, approval)["Location"] == pages(approval)["receipt"]

    def test_who_has_not_chosen_it_reads_the_receipt(self, approval, ana):
        make_approval()
        Preference.objects.create(user=ana)

        assert send(as_person(ana), approval)["Location"] == pages(approval)["receipt"]

    @pytest.mark.parametrize("said", ["", "nothing", "00000000-0000-0000-0000-000000000000"])
    def test_an_address_alone_makes_no_receipt_line(self, approval, ana, said):
        page = as_person(ana).get(f"{approval.get_absolute_url()}?answered={quote(said)}")

        assert "Your answer is recorded" not in text_of(page)

    def test_nor_does_the_answer_of_somebody_else(self, approval, ana, ben):
        other = make_approval(title="Theirs")
        decide(other, by=ben)

        page = as_person(ana).get(f"{approval.get_absolute_url()}?answered={other.pk}")

        assert "Theirs" not in text_of(page)

    def test_it_is_chosen_in_the_profile(self, ana):
        client = as_person(ana)
        data = {"pace": "each", "hour": 8, "time_zone": ""}

        client.post(reverse("approvals:telling"), {**data, "goes_on": "on"})
        assert Preference.objects.get().goes_on
        assert 'name="goes_on" checked' in client.get("/profile/").content.decode()
        client.post(reverse("approvals:telling"), data)
        assert not Preference.objects.get().goes_on


class TestHistory:
    def test_people_alone_are_a_link_that_stays_in_the_address(self, approval, ana, ben):
        approval.say("Why not the train?", by=ben)
        decide(approval, by=ben)
        approval.outgoing.confirm(approval.pk, actor="caller:x")
        client, page = as_person(ana), approval.get_absolute_url()

        everything = text_of(client.get(page)).partition("What happened")[2]
        people = client.get(f"{page}?people=1")

        assert "The workflow has the answer" in everything
        said = text_of(people).partition("What happened")[2]
        assert "The workflow has the answer" not in said
        assert "Ben Okafor asked" in said
        assert "Ben Okafor approved it" in said
        assert "Decided: Approved" in said
        assert f'hx-get="{page}?people=1"' in people.content.decode()
        assert f'href="{page}?#history"' in people.content.decode()

    def test_operators_read_in_it_who_was_told(self, settings, managers, ana, eva):
        settings.TELL_BY_MAIL = True
        approval = make_approval()
        sent = {"state": "sent", "sent_at": timezone.now(), "next_attempt_at": None}
        approval.notices.update(**sent)
        approval.notices.filter(user=ana).update(state="failed", reason="No such mailbox.")

        olga = text_of(as_person(make_staff()).get(approval.get_absolute_url()))
        told = olga.partition("What happened")[2].partition("(operators only)")[0]

        assert "Told: Ben Okafor Asked" in told
        assert "Could not be told: Ana Almeida Asked: No such mailbox." in told
        assert "Could not be told" not in text_of(as_person(ana).get(approval.get_absolute_url()))


class TestNumber:
    def test_a_request_has_a_short_number(self, approval, ana):
        number = str(approval.pk)[:8]
        client = as_person(ana)

        assert f"Request {number}" in text_of(client.get(approval.get_absolute_url()))
        decide(approval, by=ana)
        assert f"Request {number}" in text_of(client.get(pages(approval)["receipt"]))


class TestRaw:
    def test_operators_unfold_what_was_sent(self, approval, ana):
        olga = as_person(make_staff()).get(approval.get_absolute_url())

        assert "As it was sent (operators only)" in text_of(olga)
        assert "&quot;fields&quot;: [" in olga.content.decode()
        assert "As it was sent" not in text_of(as_person(ana).get(approval.get_absolute_url()))

    def test_but_not_where_it_is_too_much(self, managers, eva):
        approval = make_approval(summary="word " * 3999)

        olga = as_person(make_staff()).get(approval.get_absolute_url())

        assert "As it was sent" not in text_of(olga)


class TestCheck:
    def test_what_the_browser_checks_before_anything_is_sent(self, managers, ana):
        kinds = {
            "score": {"type": "integer", "minimum": 1, "exclusiveMaximum": 10},
            "why": {"type": "string", "minLength": 3, "maxLength": 50},
        }
        approval = make_approval(form={"type": "object", "properties": kinds})

        body = as_person(ana).get(approval.get_absolute_url()).content.decode()

        score = re.search(r'<input[^>]*name="form\.score"[^>]*>', body)[0]
        assert 'data-least="1"' in score
        assert 'data-below="10"' in score
        assert re.fullmatch(re.search(r'pattern="([^"]*)"', score)[1], " 12 ")
        why = re.search(r'<input[^>]*name="form\.why"[^>]*>', body)[0]
        assert 'minlength="3"' in why
        assert 'data-longest="50"' in why
        assert "maxlength" not in why
        assert re.search(r'<button[^>]*value="rejected"[^>]*data-needs-comment', body)

    def test_all_that_is_wrong_is_said_at_once_with_a_way_to_each(self, managers, ana):
        kinds = {"score": {"type": "integer"}, "day": {"type": "string", "format": "date"}}
        form = {"type": "object", "properties": kinds, "required": ["score", "day"]}
        approval = make_approval(form=form)

        response = send(
            as_person(ana), approval, **{"form.score": "x", "form.day": "y", "comment": "kept"}
        )

        body = response.content.decode()
        assert "Nothing was saved yet. Please check:" in text_of(response)
        assert 'href="#field-1">score</a>' in body
        assert 'href="#field-2">day</a>' in body
        assert body.count("autofocus") == 1
        assert "<title>Please check: " in body
        assert not Vote.objects.exists()
        assert Approval.objects.get().status == "pending"
