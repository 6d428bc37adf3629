"""Lengths of time as people read them."""

from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.html import strip_tags

from approvals.templatetags.approvals import ago, due, span

MINUTE, HOUR, DAY = 60, 3600, 86400


class TestSpan:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (0, "less than a minute"),
            (59.9, "less than a minute"),
            (MINUTE, "1 min"),
            (98 * MINUTE, "1 h 38 min"),
            (HOUR + 59, "1 h"),
            (23 * HOUR + 59 * MINUTE, "23 h 59 min"),
            (DAY, "1 day"),
            (DAY + 59 * MINUTE, "1 day"),
            (2 * DAY + 22 * HOUR + 30 * MINUTE, "2 days 22 h"),
            (400 * DAY, "400 days"),
        ],
    )
    def test_it_is_told_in_its_two_largest_units(self, seconds, words):
        assert span(seconds) == words

    def test_a_deadline_and_an_age_are_told_in_it(self):
        now = timezone.now()

        assert strip_tags(due(now + timedelta(seconds=30))) == "due in less than a minute"
        assert strip_tags(due(now + timedelta(hours=70, minutes=1))) == "due in 2 days 22 h"
        assert strip_tags(due(now - timedelta(seconds=1))) == "time is up"
        assert strip_tags(ago(now - timedelta(minutes=98))) == "1 h 38 min ago"
        assert strip_tags(ago(now - timedelta(seconds=30))) == "just now"
