"""Guessing passwords ends after ten tries, for that address alone, and for a quarter of an hour."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.core.checks import run_checks
from django.db.models import F
from django.test import Client

from tests.approvals.reading import is_whole, text_of
from tests.factories import make_user

DOORS = ("/sign-in/", "/admin/login/")


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    """A hash that is not slow on purpose: these tests try hundreds of passwords."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ana(quick_passwords, db):
    return make_user("ana@example.com", password=make_password("demo"))


@pytest.fixture
def ben(quick_passwords, db):
    return make_user("ben@example.com", password=make_password("demo"))


@pytest.fixture
def olga(quick_passwords, db):
    password = make_password("demo")
    return make_user("olga@example.com", is_staff=True, is_superuser=True, password=password)


def tries():
    """What django-axes keeps."""
    return apps.get_model("axes", "AccessAttempt").objects


def try_out(email, password, *, door="/sign-in/", address="192.0.2.1", **headers):
    """One try of somebody at this address, without a session."""
    form = {"username": email, "password": password}
    return Client(headers=headers).post(door, form, REMOTE_ADDR=address)


def guess(times, email="ana@example.com", **options):
    """The statuses of so many wrong guesses."""
    return [try_out(email, f"guess {n}", **options).status_code for n in range(times)]


class TestGuess:
    @pytest.mark.parametrize("door", DOORS)
    def test_the_eleventh_try_is_refused_even_with_the_right_password(self, ana, door):
        assert guess(10, door=door)[:9] == [200] * 9

        response = try_out("ana@example.com", "demo", door=door)

        assert response.status_code == 429
        assert response["Retry-After"] == "900"
        assert "for 15 minutes" in text_of(response)
        assert is_whole(response)

    def test_nine_failures_are_forgiven(self, ana):
        guess(9)

        assert try_out("ana@example.com", "demo")["Location"] == "/"

    def test_both_doors_count_together(self, olga):
        guess(5, "olga@example.com", door="/sign-in/")
        guess(5, "olga@example.com", door="/admin/login/")

        for door in DOORS:
            assert try_out("olga@example.com", "demo", door=door).status_code == 429

    def test_another_spelling_or_browser_is_no_new_start(self, ana):
        guess(5, "ANA@example.com", user_agent="one")
        guess(5, " ana@Example.com ", user_agent="two")

        assert try_out("ana@example.com", "demo").status_code == 429

    def test_a_header_that_anybody_can_write_is_no_new_start(self, ana):
        for n in range(10):
            try_out("ana@example.com", "no", x_forwarded_for=f"198.51.100.{n}")

        spoofed = {"x_forwarded_for": "203.0.113.9", "x_real_ip": "203.0.113.9"}
        assert try_out("ana@example.com", "demo", **spoofed).status_code == 429

    def test_a_unix_socket_counts_as_one_address(self, ana):
        guess(10, address="")

        assert try_out("ana@example.com", "demo", address="").status_code == 429

    def test_an_address_that_nobody_has_is_refused_alike(self, db):
        guess(10, "nobody@example.com")

        assert try_out("nobody@example.com", "demo").status_code == 429


class TestOthers:
    def test_another_person_can_still_sign_in(self, ana, ben):
        guess(10)

        assert try_out("ben@example.com", "demo")["Location"] == "/"

    def test_the_same_person_can_still_sign_in_elsewhere(self, ana):
        guess(10)

        assert try_out("ana@example.com", "demo", address="192.0.2.2")["Location"] == "/"

    def test_who_is_signed_in_stays_so(self, client, ana):
        client.force_login(ana)
        guess(10)

        assert client.get("/").status_code == 200

    def test_programs_are_not_counted(self, client, db):
        headers = {"Authorization": "Bearer csk_" + "x" * 40}
        for _ in range(11):
            assert client.get("/api/v1/approvals", headers=headers).status_code == 401

        assert not tries().exists()


class TestEnd:
    def later(self, **time):
        """Let so much time pass."""
        tries().update(attempt_time=F("attempt_time") - timedelta(**time))

    def test_success_begins_anew(self, ana):
        guess(9)
        try_out("ANA@example.com", "demo")

        assert guess(9) == [200] * 9

    def test_after_a_quarter_of_an_hour_it_is_open_again(self, ana):
        guess(10)
        self.later(minutes=14)
        assert try_out("ana@example.com", "demo").status_code == 429

        self.later(minutes=1)

        assert try_out("ana@example.com", "demo")["Location"] == "/"

    def test_trying_on_does_not_make_it_longer(self, ana):
        guess(10)
        self.later(minutes=10)
        guess(3)
        self.later(minutes=5)

        assert try_out("ana@example.com", "demo")["Location"] == "/"

    def test_no_password_is_kept(self, ana):
        try_out("ana@example.com", "my other password")

        assert "my other password" not in str(tries().values().get())


class TestFit:
    def test_its_own_checks_find_nothing(self):
        assert [found for found in run_checks() if found.id.startswith("axes")] == []

    def test_the_admin_does_not_show_its_tables(self, client, olga):
        client.force_login(olga)

        assert "axes" not in client.get("/admin/").content.decode().lower()
