"""What every test is watched for is noticed."""

import asyncio
import logging
import socket

import pytest
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client

from tests import watch

PAGE = "<!DOCTYPE html><html><body>{}</body></html>"


@pytest.fixture
def noticed():
    """What was, so far; it is no fault of the test."""
    yield lambda: list(watch.FOUND)
    watch.FOUND.clear()


@pytest.fixture
def answer(client, db):
    """An answer of the inbox's own, with which nothing is amiss."""
    found = client.get("/sign-in/")
    assert watch.amiss(found) == []
    return found


class TestAnswers:
    @pytest.mark.parametrize(
        "header", [*watch.HEADERS, "Content-Security-Policy", "Permissions-Policy", "Cache-Control"]
    )
    def test_a_header_that_is_missing(self, answer, header):
        del answer.headers[header]

        assert [each for each in watch.amiss(answer) if header in each]

    def test_a_policy_that_allows_scripts_in_the_page(self, answer):
        answer["Content-Security-Policy"] += "; script-src 'unsafe-inline'"

        assert watch.amiss(answer)

    @pytest.mark.parametrize(
        "inline",
        ["<script>alert(1)</script>", "<p onclick='x'>", '<b style="x">', "<style>p {}</style>"],
    )
    def test_scripts_and_styles_in_the_page(self, answer, inline):
        answer.content = PAGE.format(inline).encode()

        assert len(watch.amiss(answer)) == 1

    def test_words_that_only_look_so_are_none(self, answer):
        answer.content = PAGE.format("<p>once = one, style=x, on = 1</p>").encode()

        assert watch.amiss(answer) == []

    @pytest.mark.parametrize(
        "flags",
        [
            {"samesite": "None", "httponly": True},
            {"httponly": True},
            {"samesite": "Lax"},
            {"samesite": "Lax", "httponly": True, "secure": True},
            {"samesite": "Lax", "httponly": True, "domain": "example.com"},
        ],
    )
    def test_a_cookie_without_its_flags(self, answer, flags):
        answer.set_cookie(settings.SESSION_COOKIE_NAME, "x", **flags)

        assert watch.amiss(answer)

    def test_a_stream_is_not_read(self):
        assert "inline" not in str(watch.amiss(StreamingHttpResponse(iter([b"<script>"]))))

    def test_every_answer_of_every_client_is_looked_at(self, monkeypatch, db, noticed):
        monkeypatch.setattr("approvals.health.HttpResponse", lambda *_, **__: HttpResponse("ok"))
        monkeypatch.setitem(watch.HEADERS, "X-Frame-Options", "SAMEORIGIN")

        Client().get("/healthz")

        assert noticed() == ["/healthz (200): X-Frame-Options: DENY"]


class TestLines:
    @pytest.mark.parametrize("name", ["approvals.delivery", "django.request", "urllib3", "google"])
    def test_a_secret_in_a_line(self, noticed, name):
        logging.getLogger(name).error("sent", extra={"header": "Bearer eyJhbGciOiJ"})

        assert noticed() == [f"a secret in the log of {name}: Bearer ey"]


class TestTheWayOut:
    @pytest.mark.parametrize("host", ["example.com", "10.1.2.3", "169.254.169.254"])
    def test_it_is_shut(self, noticed, host):
        with pytest.raises(OSError, match="tests"):
            socket.create_connection((host, 443), timeout=1)

        assert noticed() == [f"a way out to {host}"]

    def test_it_is_shut_for_tasks_too(self, noticed):
        async def leave():
            await asyncio.open_connection("iamcredentials.googleapis.com", 443)

        with pytest.raises(OSError, match="tests"):
            asyncio.run(leave())

        assert noticed() == ["a way out to iamcredentials.googleapis.com"]

    def test_sockets_that_are_made_by_hand_are_shut(self, noticed):
        with socket.socket() as by_hand:
            for leave in (by_hand.connect, by_hand.connect_ex):
                with pytest.raises(OSError, match="tests"):
                    leave(("192.0.2.1", 9))

        assert len(noticed()) == 2

    def test_names_that_nobody_can_have_lead_nowhere(self, noticed):
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("no-such-host.invalid", 80)

        assert noticed() == []

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1", None, ""])
    def test_this_machine_is_not_away(self, host):
        assert watch.is_here(host)
