"""The page of one approval: who, why, the facts, the buttons, what happened."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.models import Approval, Delivery
from approvals.models.outbox import State
from tests.approvals.reading import as_person, decide, pages, send, text_of
from tests.factories import make_approval, make_group, make_staff, make_type, make_user


class TestDetail:
    def test_it_says_who_asks_why_me_and_through_which_workflow(self, approval, ana):
        said = text_of(as_person(ana).get(approval.get_absolute_url()))

        assert "Waiting for your answer" in said
        assert "Who asks Eva Lind, just now" in said
        assert "Who is asked managers (you are a member)" in said
        assert "Supplied by workflow@emulator.invalid Workflow expense" in said

    def test_someone_asked_by_name_reads_so(self, ana):
        approval = make_approval(approvers=["user:ana@example.com"])

        assert "(you by name)" in text_of(as_person(ana).get(approval.get_absolute_url()))

    def test_the_facts_are_a_table_of_any_kind_of_value(self, managers, ana):
        fields = {"Text": "a", "Invoice": 12400, "Yes": True, "No": False, "None": None}
        fields["List"] = ["one", 2]
        approval = make_approval(fields=fields)

        body = as_person(ana).get(approval.get_absolute_url()).content.decode()

        cells = re.findall(r"<td dir=\"auto\">(.*?)</td>", body, re.DOTALL)
        words = [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in cells]
        assert words == ["a", "12400", "Yes", "No", "not given", "one 2"]

    def test_each_answer_is_a_button_with_what_follows(self, managers, ana):
        options = [
            {"value": "approved", "label": "Pay", "consequence": "The money goes out"},
            {"value": "later", "label": "Next month", "consequence": ""},
        ]
        approval = make_approval(options=options, comment="always")

        response = as_person(ana).get(approval.get_absolute_url())

        buttons = re.findall(r'name="outcome" value="(\w+)"', response.content.decode())
        assert buttons == ["approved", "later"]
        assert "Pay The money goes out Next month" in text_of(response)
        assert "Comment (required)" in text_of(response)

    @pytest.mark.parametrize(
        ("values", "rule", "hint"),
        [
            (["approved", "rejected"], "on_reject", "required for “No rejected”"),
            (
                ["approved", "rejected", "changes_requested"],
                "on_reject",
                "required for “No rejected” or “No changes_requested”",
            ),
            (["approved", "changes_requested"], "on_reject", "required for “No changes_requested”"),
            (["approved", "later"], "on_reject", "optional"),
            (["approved", "rejected"], "optional", "optional"),
            (["approved"], "always", "required"),
        ],
    )
    def test_it_names_the_buttons_that_require_a_comment(self, managers, ana, values, rule, hint):
        options = [{"value": value, "label": f"No {value}"} for value in values]
        approval = make_approval(options=options, comment=rule)

        said = text_of(as_person(ana).get(approval.get_absolute_url()))

        assert f"Comment ({hint})" in said

    def test_the_requester_reads_why_there_are_no_buttons(self, approval, eva):
        response = as_person(eva).get(approval.get_absolute_url())

        assert "This is your request, so somebody else decides it." in text_of(response)
        assert 'name="outcome"' not in response.content.decode()

    def test_when_nobody_can_answer_the_requester_and_operators_read_so(self, eva, ana):
        make_group("empty")
        approval = make_approval(approvers=["group:empty"])

        for person in (eva, make_staff()):
            said = text_of(as_person(person).get(approval.get_absolute_url()))
            assert "Waiting, and nobody can answer Needs attention" in said
            assert f"Nobody can answer this now. {approval.trouble}" in said
            assert "somebody else decides it" not in said
        assert approval.title in text_of(
            as_person(make_staff("o@x.example")).get("/?tab=attention")
        )

    def test_a_failure_that_the_workflow_reported_is_no_matter_for_operators(self, approval, ana):
        decide(approval, by=ana)
        Delivery.confirm(approval.pk, actor="caller:x")
        approval.report("failed", "No budget", "https://x.example/", actor="caller:x")

        olga = as_person(make_staff())
        response = olga.get(approval.get_absolute_url())

        assert "Needs attention" not in text_of(response)
        assert "step-failed" in response.content.decode()
        assert "The workflow reported: it failed" in text_of(response)
        assert "What the workflow did (x.example)" in text_of(response)
        assert 'What the workflow did</a><span class="host"> (' in response.content.decode()
        assert approval.title not in text_of(olga.get("/?tab=attention"))

    @pytest.mark.parametrize("state", [s for s in State if s != State.CONFIRMED])
    @pytest.mark.parametrize("age", [timedelta(), timedelta(hours=1)])
    def test_its_chip_and_the_operators_tab_agree(self, approval, ana, state, age):
        decide(approval, by=ana)
        Delivery.objects.update(
            state=state,
            created_at=timezone.now() - age,
            stored_at=timezone.now() - age if state == State.STORED else None,
            next_attempt_at=None if state == State.MISSED else timezone.now(),
        )
        olga = as_person(make_staff())

        listed = approval.title in text_of(olga.get("/?tab=attention"))

        page = text_of(olga.get(approval.get_absolute_url())).partition("What happened")[0]
        assert ("Needs attention" in page) == listed

    def test_a_reader_who_was_not_asked_has_no_buttons(self, approval):
        response = as_person(make_staff()).get(approval.get_absolute_url())

        assert "Others were asked to decide it" in text_of(response)
        assert 'name="outcome"' not in response.content.decode()

    def test_withdrawn_the_headline_says_who_and_why(self, approval, ana, ben):
        approval.withdraw("The trip\nis off", actor=ben.actor)
        other = make_approval()
        other.withdraw("", actor="caller:x")

        client = as_person(ana)

        said = text_of(client.get(approval.get_absolute_url()))
        assert re.search(
            r"Withdrawn Ben Okafor withdrew this request on [^:]+:\d\d UTC\. "
            r"The reason: The trip is off",
            said,
        )
        said = text_of(client.get(other.get_absolute_url()))
        assert re.search(r"Withdrawn The workflow withdrew this request on [^:]+:\d\d UTC\.", said)

    def test_the_timeline_has_the_words_of_the_author_where_they_are_others(
        self, managers, ana, eva
    ):
        words = (("Agree", "answered “Agree”"), ("Approve", "approved it"))
        for label, did in words:
            options = [{"value": "approved", "label": label}]
            approval = make_approval(options=options)
            decide(approval, by=ana)

            page = text_of(as_person(eva).get(approval.get_absolute_url()))

            assert f"Ana Almeida {did}" in page

    @pytest.mark.parametrize("how", ["approved", "expired", "withdrawn", "time is up"])
    def test_what_is_closed_never_shows_buttons(self, approval, ana, ben, how):
        if how == "approved":
            decide(approval, by=ben)
        elif how == "withdrawn":
            approval.withdraw("not needed", actor="caller:x")
        else:
            Approval.objects.update(expires_at=timezone.now())
            if how == "expired":
                approval.expire()

        response = as_person(ana).get(approval.get_absolute_url())

        assert response.status_code == 200
        main = response.content.decode().partition("<main")[2].partition("</main>")[0]
        assert "<button" not in main

    def test_the_record_is_told_in_sentences(self, approval, ana):
        decide(approval, by=ana, outcome="rejected", comment="Take the train")
        Delivery.confirm(approval.pk, actor="caller:x")
        approval.report("failed", "No budget", "https://x.example/", actor="caller:x")

        said = text_of(as_person(ana).get(approval.get_absolute_url()))

        for sentence in (
            "Eva Lind asked, through workflow@emulator.invalid Asked: managers",
            "Ana Almeida rejected it Take the train",
            "The workflow has the answer",
            "The workflow reported: it failed No budget",
        ):
            assert sentence in said

    def test_hidden_characters_are_marked_everywhere(self, managers, ana):
        evil = "a\u202eb"
        approval = make_approval(
            title=evil,
            type=evil,
            summary=evil,
            fields={evil: evil},
            links=[{"label": evil, "url": "https://a.example/"}],
            options=[{"value": "approved", "label": evil, "consequence": evil}],
        )
        client = as_person(ana)

        for url in pages(approval).values():
            assert "\u202e" not in client.get(url).content.decode()
        assert text_of(client.get(approval.get_absolute_url())).count("⟨U+202E⟩") >= 8

    def test_markup_of_a_workflow_is_text(self, managers, ana):
        evil = "</title><script>alert(1)</script>"
        approval = make_approval(
            title=evil,
            type=evil,
            summary=evil,
            fields={evil: evil},
            links=[{"label": evil, "url": "https://a.example/"}],
            options=[
                {"value": "approved", "label": evil, "consequence": evil},
                {"value": "rejected", "label": "No"},
            ],
        )
        client = as_person(ana)
        bodies = [client.get(url).content.decode() for url in ("/", approval.get_absolute_url())]
        bodies.append(send(client, approval, "rejected", comment=evil).content.decode())
        bodies += [client.get(url).content.decode() for url in pages(approval).values()]

        assert not any("<script>alert" in body for body in bodies)

    def test_only_operators_see_the_tries(self, approval, ana):
        decide(approval, by=ana)
        approval.delivery.attempts.create(number=1, result="refused", status=403)

        assert "(operators only)" in text_of(
            as_person(make_staff()).get(approval.get_absolute_url())
        )
        assert "(operators only)" not in text_of(as_person(ana).get(approval.get_absolute_url()))

    def test_it_asks_the_database_few_things(self, approval, ana, django_assert_max_num_queries):
        client = as_person(ana)
        with django_assert_max_num_queries(16):
            client.get(approval.get_absolute_url())
        decide(approval, by=ana)
        with django_assert_max_num_queries(16):
            client.get(approval.get_absolute_url())

    @pytest.mark.parametrize("people", [3, 30])
    def test_and_the_same_for_any_number_of_people_answers_and_questions(
        self, ana, eva, people, django_assert_max_num_queries
    ):
        others = [make_user(f"p{n}@example.com") for n in range(people)]
        make_group("all", ana, *others)
        make_type("report", "group:all")
        old = make_approval(type="report", approvers=[])
        for _ in range(people):
            decide(make_approval(type="report", approvers=[]), by=ana)
        approval = make_approval(
            type="report",
            approvers=["group:all", *(f"user:{person.email}" for person in others[:20])],
            votes_needed="everyone",
            supersedes=str(old.pk),
        )
        for person in others[1:]:
            approval.say("Why?", by=person)
            decide(approval, by=person)
        client = as_person(ana)

        with django_assert_max_num_queries(22):
            assert client.get(approval.get_absolute_url()).status_code == 200
        decide(approval, by=ana)
        with django_assert_max_num_queries(20):
            assert client.get(pages(approval)["receipt"]).status_code == 200
