"""Every way that a translation can take through `workflows/translation-review.yaml`."""

import pytest

from emulator.testing import AnswerRefused

REVIEW = {
    "document": "Terms of sale",
    "language": "Portuguese",
    "requester": "eva@example.com",
    "original": "Goods remain ours until paid.",
    "translation": "Os bens são nossos até pagos.",
}
BETTER = "Os bens permanecem nossos até serem pagos."


@pytest.fixture
def run(workflows):
    workflows.deploy("workflows/translation-review.yaml")
    return workflows.start("translation-review", REVIEW)


class TestAsk:
    def test_the_editors_read_the_original_and_begin_with_the_translation(self, run):
        approval = run.approval()

        assert approval.title == "Terms of sale in Portuguese"
        assert approval.approvers == ["group:editors"]
        assert REVIEW["original"] in approval.summary
        assert approval.prefill == {"text": REVIEW["translation"]}


class TestDecide:
    def test_what_the_editor_wrote_is_published(self, run):
        approval = run.approval()
        approval.approve(by="ana@example.com", form={"text": BETTER})

        assert run.result() == {
            "status": "published",
            "text": BETTER,
            "edited": True,
            "editor": "ana@example.com",
        }
        assert [line.text for line in run.log] == [f"Published Terms of sale, {BETTER}"]
        assert approval.reported.message == "Published Terms of sale"

    def test_a_translation_that_was_left_as_it_is_is_published(self, run):
        run.approval().approve()

        result = run.result()
        assert (result["text"], result["edited"]) == (REVIEW["translation"], False)

    @pytest.mark.parametrize("form", [{}, {"text": ""}, {"text": "x" * 10_001}, {"texts": "x"}])
    def test_a_text_that_is_none_is_refused(self, run, form):
        with pytest.raises(AnswerRefused):
            run.approval().approve(form=form)

    def test_sent_back_it_goes_to_the_translator_with_the_reason(self, run):
        run.approval().choose("changes_requested", "Too literal.")

        assert run.result() == {"status": "sent back", "reason": "Too literal."}
        assert [line.text for line in run.log] == [
            "To the translator of Terms of sale, Too literal."
        ]

    def test_rejected_it_is_not_published(self, run):
        approval = run.approval()
        approval.reject("We do not sell there.")

        assert run.result() == {"status": "rejected", "reason": "We do not sell there."}
        assert run.log == []
        assert approval.reported.message == "Nothing was published"


class TestNobodyDecides:
    def test_after_five_days_nothing_is_published(self, workflows, run):
        workflows.advance(days=5)

        assert run.result() == {"status": "expired", "reason": ""}

    def test_withdrawn_it_is_not_published(self, run):
        run.approval().withdraw()

        assert run.result()["status"] == "withdrawn"

    def test_one_that_is_superseded_ends_and_the_new_one_is_published(self, workflows, run):
        given = REVIEW | {"translation": BETTER, "supersedes": run.approval().id}
        again = workflows.start("translation-review", given)

        assert run.result()["status"] == "withdrawn"
        again.approval().approve()
        assert again.result()["text"] == BETTER
        assert run.log == []
