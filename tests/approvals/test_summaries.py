"""Summaries of what waits and what is new, at the hour that a person chose."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from approvals.models import Notice, Preference
from approvals.models.notice import NoticeState, reschedule
from approvals.notices import send_due
from tests.approvals.mailbox import text_in
from tests.approvals.reading import decide
from tests.approvals.telling import later, send_all
from tests.factories import make_approval, make_group

ANA = "ana@example.com"


class TestSummary:
    NOON = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)

    def test_the_next_one_is_at_the_full_hour_or_at_the_hour_of_the_day(self, ana):
        hourly = Preference(user=ana, pace="hourly")
        daily = Preference(user=ana, pace="daily", hour=8)
        lisbon = Preference(user=ana, pace="daily", hour=14, time_zone="Europe/Lisbon")

        assert hourly.next_digest(self.NOON) == datetime(2026, 5, 4, 13, tzinfo=UTC)
        assert daily.next_digest(self.NOON) == datetime(2026, 5, 5, 8, tzinfo=UTC)
        assert lisbon.next_digest(self.NOON) == datetime(2026, 5, 4, 13, tzinfo=UTC)

    def test_the_hour_stays_when_the_clocks_are_changed(self, ana):
        daily = Preference(user=ana, pace="daily", hour=8, time_zone="Europe/Lisbon")
        before = datetime(2026, 3, 28, 9, tzinfo=UTC)

        following = daily.next_digest(before)

        assert following.astimezone(ZoneInfo("Europe/Lisbon")).hour == 8
        assert following == datetime(2026, 3, 29, 7, tzinfo=UTC)

    @pytest.fixture
    def daily(self, post, ana, ben):
        Preference.objects.create(user=ana, pace="daily")
        make_group("managers", ana, ben)
        return ana

    def test_all_that_waits_comes_in_one_mail(self, post, daily):
        for title in ("First", "Second", "Third"):
            make_approval(title=title)
        send_all()
        assert post.to(ANA) == []

        later(days=1)
        send_all()

        (mail,) = post.to(ANA)
        assert mail["Subject"] == "3 requests are waiting for you"
        for title in ("First", "Second", "Third"):
            assert title in text_in(mail)
            assert title in text_in(mail, "html")
        assert set(Notice.objects.values_list("state", flat=True)) == {"sent"}

    def test_news_are_in_it_and_what_was_answered_is_not(self, post, daily, ben):
        first, second = make_approval(title="First"), make_approval(title="Second")
        decide(first, ben)
        decide(second, daily, outcome="rejected", comment="Too dear")
        later(days=1)
        send_all()

        (mail,) = post.to(ANA)
        text = text_in(mail)
        assert "Nothing is waiting for your answer." in text
        assert "Receipt: Second" in text
        assert "Too dear" in text
        assert "First" not in text

    def test_nothing_to_tell_is_no_mail(self, post, daily, ben):
        decide(make_approval(), ben)
        later(days=1)
        send_all()

        assert post.to(ANA) == []

    def test_what_cannot_wait_for_it_is_told_at_once(self, post, daily):
        # Half a day away, whatever the clock says now.
        Preference.objects.update(hour=(timezone.localtime().hour + 12) % 24)
        make_approval(title="Soon", expires_in=3000)
        make_approval(title="Urgent", priority="urgent")
        make_approval(title="Later", expires_in=400_000)
        send_all()

        subjects = [each["Subject"] for each in post.to(ANA)]
        assert len(subjects) == 2
        assert all("Later" not in subject for subject in subjects)

    def test_a_repetition_has_the_same_name_and_the_next_summary_another(self, post, daily):
        make_approval(title="First")
        later(days=1)
        Notice.objects.update(digest_at=self.NOON)
        send_all()
        Notice.objects.filter(user=daily).update(
            state="queued", next_attempt_at=timezone.now(), lease=None
        )
        send_all()
        make_approval(title="Second")
        later(days=1)
        send_all()

        names = [each["Message-ID"] for each in post.to(ANA)]
        assert names[0] == names[1] != names[2]

    def test_another_choice_moves_what_waits(self, post, daily):
        make_approval()
        preference = daily.preference
        preference.pace = "each"
        preference.save()
        reschedule(preference)
        send_all()

        assert len(post.to(ANA)) == 1

    def test_what_another_choice_has_moved_is_tried_for_a_whole_day(self, post, daily, settings):
        settings.EMAIL_PORT = 1
        make_approval()
        Notice.objects.exclude(user=daily).delete()
        for days in (1, 0.9):
            later(days=days)
            send_due()

        reschedule(daily.preference)
        later(days=1)
        send_due()

        notice = Notice.objects.get()
        assert (notice.state, notice.tries) == (NoticeState.QUEUED, 3)

    def test_to_choose_nothing_drops_what_waits(self, post, daily):
        make_approval()
        preference = daily.preference
        preference.pace = "none"
        preference.save()
        reschedule(preference)
        later(days=2)
        send_all()

        assert post.to(ANA) == []
        assert Notice.objects.get(user=daily).state == NoticeState.DROPPED

    def test_a_summary_of_many_asks_few_things_of_the_database(
        self, post, daily, django_assert_max_num_queries
    ):
        for number in range(30):
            make_approval(title=f"Request {number}")
        Notice.objects.exclude(user=daily).delete()
        later(days=1)

        with django_assert_max_num_queries(200):
            send_due()

        assert len(post.to(ANA)) == 1
