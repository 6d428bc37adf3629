"""Questions between those who decide and the one who asked, while the request waits."""

from django.test import Client
from django.urls import reverse

from approvals.models import Approval, Event
from tests.approvals.reading import as_person, decide, text_of
from tests.approvals.test_voting import stand_in
from tests.factories import make_approval, make_staff, make_user


def say(client, approval, text="Why not the train?"):
    return client.post(reverse("approvals:say", args=[approval.pk]), {"text": text})


class TestSay:
    def test_a_question_and_its_answer_stand_in_the_record(self, approval, ana, ben, eva):
        response = say(as_person(ana), approval)

        assert response.status_code == 303
        assert response["Location"] == f"{approval.get_absolute_url()}#history"
        page = text_of(as_person(eva).get(approval.get_absolute_url()))
        assert "Ana Almeida asked Why not the train?" in page
        assert "A question is open" in page
        assert "Your answer to the question" in page

        say(as_person(eva), approval, "It is full.")

        page = text_of(as_person(ben).get(approval.get_absolute_url()))
        assert "Eva Lind answered It is full." in page
        assert "A question is open" not in page
        assert Approval.objects.get().status == "pending"

    def test_the_inbox_marks_an_open_question(self, approval, ana, ben, eva):
        say(as_person(ana), approval)

        assert "? Question open" in text_of(as_person(ben).get("/"))
        assert "? Question open" in text_of(as_person(eva).get("/"))
        assert approval.title not in text_of(as_person(eva).get("/?tab=waiting"))
        say(as_person(eva), approval, "It is full.")
        assert "? Question open" not in text_of(as_person(ben).get("/"))
        assert approval.title in text_of(as_person(eva).get("/?tab=waiting"))
        assert "Nothing is waiting for you" in text_of(as_person(eva).get("/"))

    def test_who_owes_an_answer_is_offered_it_neither_in_another_right_nor_with_others(
        self, managers, ana, eva
    ):
        stand_in(ana, eva)
        for n in range(2):
            say(as_person(ana), make_approval(title=f"Lunch {n}", type="lunch"))

        page = as_person(eva).get("/")

        assert "Lunch 0" in text_of(page)
        assert "for Ana Almeida" not in text_of(page)
        assert "together" not in text_of(page)

    def test_an_empty_or_overlong_text_is_not_saved_and_kept(self, approval, ana):
        for text, why in ((" \r\n", "Please write something"), ("x" * 5001, "Please shorten it")):
            response = say(as_person(ana), approval, text)

            assert response.status_code == 422
            assert why in text_of(response)
            assert text.strip() in response.content.decode()
        assert not Event.objects.filter(kind="question").exists()

    def test_when_it_is_settled_the_text_is_shown_and_who_decided(self, approval, ana, ben):
        decide(approval, by=ben)

        for text in ("Why?", ""):
            response = say(as_person(ana), approval, text)
            assert response.status_code == 409
            assert "Ben Okafor answered" in text_of(response)
        assert "Text Why?" in text_of(say(as_person(ana), approval, "Why?"))

    def test_readers_and_strangers_do_not_join_in(self, approval):
        reader = say(as_person(make_staff()), approval)
        stranger = say(as_person(make_user("sam@example.com")), approval)

        assert (reader.status_code, stranger.status_code) == (403, 404)
        assert "Only those who decide this request, and who asked" in text_of(reader)
        assert not Event.objects.filter(kind="question").exists()

    def test_signed_out_it_shows_what_was_typed(self, approval):
        response = say(Client(), approval, "My long question")

        assert response.status_code == 403
        assert "My long question" in text_of(response)

    def test_by_get_it_leads_to_the_page(self, approval, ana):
        response = as_person(ana).get(reverse("approvals:say", args=[approval.pk]))

        assert response["Location"] == approval.get_absolute_url()

    def test_where_nobody_is_named_there_is_nobody_to_ask(self, managers, ana):
        approval = make_approval(requested_by="")

        assert "Ask" not in text_of(as_person(ana).get(approval.get_absolute_url())).split()
