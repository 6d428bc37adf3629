"""A form to fill in, from the page to the record; what was typed is never lost."""

import re

import pytest
from django.test import Client

from approvals.models import Approval, Vote
from tests.approvals.reading import as_person, decide, pages, send, text_of
from tests.approvals.telling import stand_in
from tests.factories import make_approval, make_type, make_user

FORM = {
    "type": "object",
    "title": "The translation",
    "properties": {
        "text": {"type": "string", "format": "textarea", "title": "Text"},
        "score": {"type": "integer", "title": "Quality", "minimum": 1, "maximum": 10},
        "tone": {"type": "string", "title": "Tone", "enum": ["Formal", "Friendly"]},
        "again": {"type": "boolean", "title": "Use again"},
    },
    "required": ["text", "score"],
}
DAYS = {
    "type": "object",
    "properties": {
        "days": {"type": "integer", "title": "Days to pay"},
        "note": {"type": "string", "title": "Note", "default": "none"},
    },
    "required": ["days"],
}
OPTIONS = [
    {"value": "approved", "label": "Publish"},
    {"value": "changes_requested", "label": "Send back"},
]


@pytest.fixture
def review(managers, eva):
    return make_approval(form=FORM, options=OPTIONS, prefill={"text": "Alt", "score": 7})


def fill(**values):
    return {f"form.{name}": value for name, value in values.items()}


class TestFillIn:
    def test_it_begins_with_what_the_workflow_sent(self, review, ana):
        response = as_person(ana).get(review.get_absolute_url())

        assert "The translation Text (required) Alt Quality (required) From 1 to 10." in text_of(
            response
        )
        assert 'value="7"' in response.content.decode()
        assert 'href="#fill-in">Skip to your answer' in response.content.decode()

    def test_values_arrive_with_their_types(self, review, ana):
        values = fill(text="Neu", score="9", tone="Friendly", again="on")

        assert send(as_person(ana), review, **values).status_code == 303

        form = {"text": "Neu", "score": 9, "tone": "Friendly", "again": True}
        assert Vote.objects.get().form == form
        assert Approval.objects.get().delivery.payload["form"] == form

    def test_receipt_and_record_show_what_was_changed(self, review, ana, ben):
        send(as_person(ana), review, **fill(text="Neu", score="7"))

        for client, name in ((as_person(ana), "receipt"), (as_person(ben), "detail")):
            said = text_of(client.get(pages(review)[name]))
            assert "Text changed before: Alt now: Neu" in said
            assert "Quality 7" in said

    @pytest.mark.parametrize("number", ["9" * 400, "1e300", str(2**53 + 1), "inf", "nan"])
    def test_a_number_beyond_what_programs_agree_on_is_asked_for_again(self, managers, ana, number):
        kind = {"type": "number", "multipleOf": 0.5}
        approval = make_approval(form={"type": "object", "properties": {"sum": kind}})

        response = send(as_person(ana), approval, **fill(sum=number))

        assert response.status_code == 422
        assert "Please give a number." in text_of(response)

    def test_an_amount_in_cents_is_taken(self, managers, ana):
        kind = {"type": "number", "multipleOf": 0.01}
        form = {"type": "object", "properties": {"sum": kind}}
        approval = make_approval(form=form, prefill={"sum": 4.35})

        refused = send(as_person(ana), approval, **fill(sum="19.995"))
        assert "In steps of 0.01." in text_of(refused)
        assert send(as_person(ana), approval, **fill(sum="19.99")).status_code == 303

        assert Vote.objects.get().form == {"sum": 19.99}

    def test_what_is_wrong_is_said_at_its_field_and_all_is_kept(self, review, ana):
        values = fill(text="", score="eleven", tone="Friendly", again="on")

        response = send(as_person(ana), review, comment="my comment", **values)

        body = response.content.decode()
        assert response.status_code == 422
        assert "Please fill this in." in text_of(response)
        assert "Please give a whole number." in text_of(response)
        assert 'value="eleven"' in body
        assert "my comment" in body
        assert re.search(r'value="Friendly" checked', body)
        assert re.search(r'name="form.again" checked', body)
        assert re.search(r'aria-describedby="field-2-error[^"]*" aria-invalid="true"', body)
        assert '<a href="#field-1">Text</a>' in body
        assert not Vote.objects.exists()

    def test_sending_back_needs_no_form_but_its_comment(self, review, ana):
        response = send(as_person(ana), review, "changes_requested", **fill(text="Neu", score=""))

        assert response.status_code == 422
        assert "Please say why" in text_of(response)
        assert ">\nNeu</textarea>" in response.content.decode()
        values = fill(text="Alt", score="7")
        assert send(as_person(ana), review, "changes_requested", comment="No", **values)
        assert Vote.objects.get().form == {}

    def test_who_comes_second_reads_what_they_filled_in_by_its_labels(self, review, ana, ben):
        send(as_person(ben), review, **fill(text="Neu", score="9"))

        response = send(as_person(ana), review, **fill(text="Besser", score="8"))

        assert response.status_code == 409
        said = text_of(response)
        assert "Answer Publish" in said
        assert "Text Besser" in said
        assert "Quality 8" in said

    def test_who_comes_second_reads_all_of_it_whatever_its_fields_are_called(
        self, managers, ana, ben
    ):
        titles = {
            "why": "Reason for the revision",
            "review": "Date of next review",
            "reset": "Why a new password",
            "said": "comment",
            "token": "Token",
            **dict.fromkeys(("revision", "next", "once", "password")),
        }
        fields = {
            name: {"type": "string", **({"title": title} if title else {})}
            for name, title in titles.items()
        }
        approval = make_approval(form={"type": "object", "properties": fields})
        decide(approval, ben)

        typed = fill(**{name: f"typed into {name}" for name in fields})
        response = send(as_person(ana), approval, comment="my comment", **typed)

        assert response.status_code == 409
        said = text_of(response)
        assert [name for name in fields if f"typed into {name}" not in said] == []
        assert "my comment" in said
        assert "Revision typed into revision" in said

    def test_signed_out_or_without_a_token_the_page_shows_what_was_typed(self, review, ana):
        out = send(Client(), review, **fill(text="Besser", score="8"))
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(ana)
        forged = send(strict, review, **fill(text="Besser", score="8"))

        for response in (out, forged):
            assert response.status_code == 403
            assert "Text Besser" in text_of(response)

    def test_labels_and_values_of_a_workflow_are_text(self, managers, ana):
        evil = "</textarea><script>alert(1)</script>\u202e"
        form = {
            "type": "object",
            "title": evil,
            "description": evil,
            "properties": {
                "a": {"type": "string", "title": evil, "description": evil},
                "b": {"type": "string", "format": "textarea"},
                "c": {"type": "string", "enum": [evil, "x"], "title": evil},
                "d": {"type": "boolean", "title": evil, "description": evil},
            },
        }
        approval = make_approval(form=form, prefill={"a": evil, "b": evil})

        body = as_person(ana).get(approval.get_absolute_url()).content.decode()

        assert "<script>alert" not in body
        assert 'value="&lt;/textarea&gt;' in body


class TestLaterAnswers:
    """The form goes on from answer to answer, over the stages."""

    @pytest.fixture
    def staged(self, ana, ben, eva):
        stages = [{"approvers": [f"user:{each.email}"]} for each in (ana, ben)]
        return make_approval(approvers=[], stages=stages, form=DAYS, prefill={"days": 30})

    def test_a_later_stage_begins_with_what_was_filled_in_and_reads_who_changed_it(
        self, staged, ana, ben
    ):
        send(as_person(ana), staged, **fill(days="60"))

        response = as_person(ben).get(staged.get_absolute_url())

        assert 'value="60"' in response.content.decode()
        assert 'value="none"' not in response.content.decode()
        said = text_of(response)
        assert "Ana Almeida changed Days to pay from 30 to 60" in said
        assert "Ana Almeida emptied Note, which was none" in said

    @pytest.mark.parametrize(
        ("language", "sentence"),
        [
            ("en", "Cleo Dias, for Ana Almeida, changed Days to pay from 30 to 60"),
            ("de", "Cleo Dias, für Ana Almeida, hat Days to pay von 30 auf 60 geändert"),
        ],
    )
    def test_for_whom_it_was_changed_is_said_in_the_readers_language(
        self, staged, ana, ben, language, sentence
    ):
        cleo = make_user("cleo@example.com", first="Cleo", last="Dias")
        stand_in(ana, cleo)
        send(as_person(cleo), staged, **fill(days="60"))

        page = as_person(ben).get(staged.get_absolute_url(), headers={"Accept-Language": language})

        assert sentence in text_of(page)

    @pytest.mark.parametrize("days", ["60", "45"])
    def test_the_callback_has_what_was_filled_in_last(self, staged, ana, ben, days):
        send(as_person(ana), staged, **fill(days="60"))

        send(as_person(ben), staged, revision=2, **fill(days=days))

        assert Approval.objects.get().delivery.payload["form"] == {"days": int(days)}

    def test_receipt_and_record_compare_with_the_answer_before(self, staged, ana, ben):
        send(as_person(ana), staged, **fill(days="60"))
        send(as_person(ben), staged, revision=2, **fill(days="45"))

        for person, name in ((ben, "receipt"), (ana, "detail")):
            said = text_of(as_person(person).get(pages(staged)[name]))
            assert "Days to pay changed before: 60 now: 45" in said
        assert "Days to pay changed before: 30 now: 60" in said

    def test_an_answer_that_was_taken_back_leaves_nothing_behind(self, ana, ben, eva):
        approval = make_approval(
            type=make_type("terms", "user:ana@example.com", "user:ben@example.com", undo=60).name,
            approvers=[],
            form=DAYS,
            prefill={"days": 30},
        )
        send(as_person(ana), approval, **fill(days="60"))
        Approval.objects.get().take_back(by=ana)

        response = as_person(ben).get(approval.get_absolute_url())

        assert 'value="30"' in response.content.decode()
        assert "Ana Almeida changed" not in text_of(response)


class TestOptions:
    def test_more_than_three_answers_are_a_choice_with_one_button(self, managers, ana):
        options = [
            {"value": f"venue_{n}", "label": f"Venue {n}", "consequence": f"For {n}0 people"}
            for n in range(1, 5)
        ]
        approval = make_approval(options=options)
        client = as_person(ana)

        response = client.get(approval.get_absolute_url())
        body = response.content.decode()

        assert re.findall(r'type="radio" name="outcome" value="(\w+)"', body) == [
            f"venue_{n}" for n in range(1, 5)
        ]
        main = body.partition("<main")[2].partition("</main>")[0]
        assert main.count('type="submit"') == 2  # this one, and “Ask”
        assert "Venue 4 For 40 people" in text_of(response)
        wrong = client.post(
            f"{approval.get_absolute_url()}decide/", {"revision": 1, "comment": "kept"}
        )
        assert wrong.status_code == 422
        assert "Please choose one of the answers" in text_of(wrong)
        assert send(client, approval, "venue_3").status_code == 303
        assert "You: Venue 3" not in text_of(client.get("/"))
        assert "Venue 3" in text_of(client.get(pages(approval)["receipt"]))
