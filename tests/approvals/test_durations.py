"""Lengths of time in words: what people write is understood, and said back the same."""

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from approvals.durations import LONGEST, in_words, seconds_of


class TestSecondsOf:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("3 days", 259_200),
            ("1 day 12 hours", 129_600),
            ("1 day, 12 hours", 129_600),
            ("1 hour and 30 minutes", 5400),
            ("90 minutes", 5400),
            ("1h30min", 5400),
            (" 2 Weeks ", 1_209_600),
            ("20 s", 20),
        ],
    )
    def test_what_people_write_is_understood(self, text, seconds):
        assert seconds_of(text) == seconds

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "3",
            "three days",
            "3 days ago",
            "-1 day",
            "1.5 days",
            "0 days",
            "2 moons",
            "9999 weeks",
        ],
    )
    def test_what_is_no_length_of_time_is_refused_with_a_sentence(self, text):
        with pytest.raises(ValueError, match=r"\.$"):
            seconds_of(text)

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("3 Tage", 259_200),
            ("1 Tag 12 Stunden", 129_600),
            ("1 Stunde und 30 Minuten", 5400),
            ("2 Wochen", 1_209_600),
            ("3 days and 1 h", 262_800),
        ],
    )
    def test_it_is_understood_in_the_language_of_the_page_and_in_english(self, text, seconds):
        with translation.override("de"):
            assert seconds_of(text) == seconds


class TestInWords:
    def test_units_are_those_that_read_best(self):
        assert in_words(10 * 24 * 3600) == "10 days"
        assert in_words(14 * 24 * 3600) == "2 weeks"
        assert in_words(90_061) == "1 day 1 hour 1 minute 1 second"

    @pytest.mark.parametrize("language", ["en", "de"])
    @given(seconds=st.integers(1, LONGEST))
    def test_what_is_said_is_understood_again(self, language, seconds):
        with translation.override(language):
            assert seconds_of(in_words(seconds)) == seconds

    def test_it_is_said_in_the_language_of_the_page(self):
        with translation.override("de"):
            assert in_words(90_000) == "1 Tag 1 Stunde"
            assert in_words(1_209_600) == "2 Wochen"
