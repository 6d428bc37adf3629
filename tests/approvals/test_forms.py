"""The decision form takes what people send and says what is wrong with it."""

import pytest

from approvals.forms import DecisionForm


def form(**changes: str) -> DecisionForm:
    return DecisionForm({"outcome": "approved", "revision": "1", "comment": "", **changes})


class TestDecisionForm:
    def test_a_pressed_button_is_enough(self):
        decision = form()

        assert decision.is_valid()
        assert decision.cleaned_data == {"outcome": "approved", "revision": 1, "comment": ""}

    def test_the_comment_loses_blanks_around_it_and_carriage_returns(self):
        decision = form(comment="  one\r\ntwo \r\n")

        assert decision.is_valid()
        assert decision.cleaned_data["comment"] == "one\ntwo"

    def test_a_comment_may_have_5000_characters_however_lines_end(self):
        assert form(comment="x\r\n" * 2499 + "xx").is_valid()

    def test_a_longer_one_is_refused_with_its_length_and_kept(self):
        decision = form(comment="x" * 5001)

        assert decision.errors["comment"] == ["Please shorten it to 5,000 characters; it has 5001."]
        assert decision["comment"].value() == "x" * 5001

    def test_without_a_button_it_asks_for_an_answer(self):
        assert form(outcome="").errors["outcome"] == ["Please choose one of the answers."]

    @pytest.mark.parametrize("revision", ["", "x", "0", "-1", "1.5", str(10**30)])
    def test_a_revision_that_cannot_be_asks_to_open_the_page_again(self, revision):
        assert form(revision=revision).errors["revision"] == [
            "This page is out of date. Please open the request again."
        ]

    def test_a_nul_character_is_an_error_and_no_crash(self):
        assert not form(comment="a\x00b").is_valid()
