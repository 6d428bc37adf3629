"""Days and weeks in which something is counted."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from approvals.periods import beginnings, periods_of


class TestPeriods:
    def test_days_up_to_a_month_and_weeks_from_monday_beyond(self):
        assert len(beginnings(date(2026, 5, 1), date(2026, 5, 31))) == 31
        weeks = beginnings(date(2026, 5, 1), date(2026, 6, 1))
        assert weeks == [
            *(date(2026, 5, 1), date(2026, 5, 4), date(2026, 5, 11)),
            *(date(2026, 5, 18), date(2026, 5, 25), date(2026, 6, 1)),
        ]
        assert beginnings(date(2026, 5, 1), date(2026, 5, 1)) == [date(2026, 5, 1)]

    @given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(0, 732))
    def test_each_day_is_in_one_period(self, first, days):
        last = first + timedelta(days=days)

        periods = periods_of([], first, last)

        covered = [
            each.first + timedelta(days=n)
            for each in periods
            for n in range((each.last - each.first).days + 1)
        ]
        assert covered == [first + timedelta(days=n) for n in range(days + 1)]
