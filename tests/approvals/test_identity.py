"""Who is calling: good tokens pass, every bad one is refused, and keys cost few requests."""

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from approvals import identity
from approvals.google.certificates import CannotFetch
from approvals.identity import Keys, KeysUnavailable, Rejected, service_account
from tests.approvals.tokens import ACCOUNT, AUDIENCE, certificates, elliptic, id_token, stranger

NOW = int(time.time())


def unsigned(**header):
    _, body, signature = id_token().split(".")
    raw = json.dumps({"typ": "JWT", **header}).encode()
    return ".".join([base64.urlsafe_b64encode(raw).decode().rstrip("="), body, signature])


BAD = {
    "empty": "",
    "one word": "abc",
    "three letters": "a.b.c",
    "not ASCII": "é.é.é" * 10,
    "too long": "a" * 3000 + "." + "b" * 3000 + ".c",
    "longer signature": id_token() + "x",
    "other signature": id_token()[:-4] + "AAAA",
    "junk in the signature": id_token()[:-9] + "[:," + id_token()[-9:],
    "signature removed": id_token().rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE",
    "no signature": id_token().rpartition(".")[0] + ".",
    "alg none": unsigned(alg="none", kid="rs-1"),
    "alg HS256": unsigned(alg="HS256", kid="rs-1"),
    "no key id": unsigned(alg="RS256"),
    "key id a list": unsigned(alg="RS256", kid=["rs-1"]),
    "unknown key": unsigned(alg="RS256", kid="rs-9"),
    "deep header": base64.urlsafe_b64encode(b"[" * 380).decode().rstrip("=") + ".e30.c2ln",
    "another's key": id_token(stranger()),
    "elliptic key": id_token(elliptic()),
    "wrong audience": id_token(aud="https://other.example"),
    "audience with slash": id_token(aud=AUDIENCE + "/"),
    "audience a list": id_token(aud=[AUDIENCE]),
    "no audience": id_token(aud=""),
    "wrong issuer": id_token(iss="https://evil.example"),
    "no issuer": id_token(iss=None),
    "e-mail not verified": id_token(email_verified=False),
    "verified as text": id_token(email_verified="true"),
    "no e-mail": id_token(email=None),
    "e-mail a list": id_token(email=[ACCOUNT]),
    "expired": id_token(iat=NOW - 4000, exp=NOW - 400),
    "issued ahead": id_token(iat=NOW + 3000),
    "not yet valid": id_token(nbf=NOW + 3000),
    "lives for ever": id_token(iat=1, exp=NOW + 10**9),
    "lives a day": id_token(exp=NOW + 86400),
    "expiry NaN": id_token(exp=float("nan")),
    "expiry infinite": id_token(exp=float("inf")),
    "expiry a word": id_token(exp="soon"),
    "expiry null": id_token(exp=None),
    "expiry true": id_token(exp=True),
}


class KeyServer:
    """Publishes `keys`, or fails while it is `down`; hangs until `answers` is set."""

    def __init__(self):
        self.keys, self.down = {"old": "first"}, False
        self.times, self.asked, self.answers = 0, threading.Event(), threading.Event()
        self.answers.set()

    def fetch(self):
        self.times += 1
        self.asked.set()
        assert self.answers.wait(30)
        if self.down:
            raise CannotFetch("down")
        return dict(self.keys)

    def hang(self):
        self.asked.clear()
        self.answers.clear()


@pytest.fixture
def now(monkeypatch):
    """The monotonic clock: a list of one number."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    return clock


@pytest.fixture
def threads():
    with ThreadPoolExecutor(60) as pool:
        yield pool


@pytest.fixture
def server(threads):
    it = KeyServer()
    yield it
    it.answers.set()


@pytest.fixture
def keys(now, server):
    """Keys that know `old`, for longer than an hour."""
    known = Keys(server.fetch)
    known.get("old")
    now[0] += 3601
    return known


@pytest.fixture
def first(keys, server, threads):
    """A request that fetches them anew, while the server hangs."""
    server.hang()
    asking = threads.submit(keys.get, "old")
    assert server.asked.wait(5)
    return asking


@pytest.fixture(autouse=True)
def google_keys(monkeypatch):
    monkeypatch.setattr(identity, "google_keys", Keys(certificates))


class TestServiceAccount:
    def test_a_good_token_gives_the_verified_address_in_lower_case(self):
        assert service_account(id_token(email=ACCOUNT.upper()), AUDIENCE) == ACCOUNT

    def test_clocks_may_differ_by_seconds(self):
        assert service_account(id_token(iat=time.time() + 5), AUDIENCE) == ACCOUNT

    @pytest.mark.parametrize("name", BAD)
    def test_a_bad_token_is_rejected(self, name):
        with pytest.raises(Rejected) as refusal:
            service_account(BAD[name], AUDIENCE)

        assert BAD[name] == "" or BAD[name] not in str(refusal.value)

    def test_the_same_bytes_in_other_letters_are_another_token(self):
        """The last letter of a part has bits that nobody reads."""
        good = id_token()
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        other = good[:-1] + letters[letters.index(good[-1]) ^ 1]
        same = [base64.urlsafe_b64decode(each.split(".")[2] + "==") for each in (good, other)]
        assert same[0] == same[1]

        with pytest.raises(Rejected):
            service_account(other, AUDIENCE)

    def test_without_an_audience_nothing_is_accepted(self):
        with pytest.raises(Rejected):
            service_account(id_token(aud=""), "")


class TestProxyUser:
    def test_the_assertion_of_the_proxy_names_the_person(self, monkeypatch):
        monkeypatch.setattr(identity, "iap_keys", Keys(certificates))
        audience = "/projects/1/locations/europe-west1/services/inbox"
        claims: dict[str, Any] = {
            "iss": "https://cloud.google.com/iap",
            "aud": audience,
            "exp": int(time.time()) + 600,
        }

        assertion = id_token(elliptic(), email="Ana@example.com", **claims)

        assert identity.proxy_user(assertion, audience) == "ana@example.com"
        with pytest.raises(Rejected):
            identity.proxy_user(id_token(email="ana@example.com", **claims), audience)
        with pytest.raises(Rejected):
            identity.proxy_user(
                id_token(elliptic(), aud=audience, exp=int(time.time()) + 600), audience
            )


class TestKeys:
    def test_fifty_good_tokens_cost_one_fetch(self, monkeypatch):
        fetched = []
        keys = Keys(lambda: fetched.append(1) or certificates())
        monkeypatch.setattr(identity, "google_keys", keys)

        for _ in range(50):
            service_account(id_token(), AUDIENCE)

        assert len(fetched) == 1

    def test_a_flood_of_unknown_keys_costs_one_fetch_a_minute(self):
        fetched = []
        keys = Keys(lambda: fetched.append(1) or certificates())

        for number in range(100):
            with pytest.raises(Rejected):
                keys.get(f"unknown-{number}")

        assert len(fetched) == 1

    def test_without_keys_nobody_is_rejected_and_nobody_accepted(self):
        def down():
            raise CannotFetch("down")

        with pytest.raises(KeysUnavailable):
            Keys(down).get("rs-1")

    def test_known_keys_are_used_while_the_key_server_is_down(self):
        answers = [certificates()]

        def once():
            if answers:
                return answers.pop()
            raise CannotFetch("down")

        keys = Keys(once, refetch=-1)
        keys.get("rs-1")

        assert keys.get("rs-1") == certificates()["rs-1"]
        with pytest.raises(KeysUnavailable):
            keys.get("rs-2")

    def test_keys_are_fetched_again_after_an_hour_and_not_used_beyond_a_day(self, now):
        fetched = []

        def fetch():
            fetched.append(now[0])
            if len(fetched) > 2:
                raise CannotFetch("down")
            return certificates()

        keys = Keys(fetch)
        keys.get("rs-1")
        now[0] += 3700
        keys.get("rs-1")
        assert fetched == [1000.0, 4700.0]

        now[0] += 23 * 3600
        keys.get("rs-1")  # the key server is down; yesterday's keys still serve
        now[0] += 2 * 3600
        with pytest.raises(KeysUnavailable):
            keys.get("rs-1")

    def test_those_with_a_known_key_wait_for_one_failing_fetch_a_minute(self, now):
        fetched = []

        def fetch():
            fetched.append(now[0])
            if len(fetched) > 1:
                now[0] += 8  # seconds until it is given up
                raise CannotFetch("swallowed")
            return certificates()

        keys = Keys(fetch)
        keys.get("rs-1")
        now[0] = 5000
        for _ in range(120):
            keys.get("rs-1")
            now[0] += 1

        assert fetched == [1000, 5000, 5069]

    def test_for_an_unknown_key_a_server_that_is_down_is_asked_again_soon(self, keys, server, now):
        server.down = True
        with pytest.raises(KeysUnavailable):
            keys.get("new")
        server.keys, server.down = {"new": "second"}, False
        with pytest.raises(KeysUnavailable):
            keys.get("new")
        now[0] += 1.1

        assert keys.get("new") == "second"

    def test_what_nobody_expects_of_a_fetch_is_met_once_a_minute_too(self, keys, server, now):
        server.keys = None
        with pytest.raises(TypeError):
            keys.get("old")

        assert keys.get("old") == "first"


class TestWhileKeysAreFetched:
    def test_whoever_has_a_known_one_does_not_wait(self, first, keys, server, threads):
        assert threads.submit(keys.get, "old").result(timeout=5) == "first"

        assert not first.done()
        assert server.times == 2  # the very first time, and now

    def test_whoever_has_none_of_them_is_told_to_come_again(
        self, first, keys, threads, monkeypatch
    ):
        monkeypatch.setattr(identity, "WAIT", 0.05)

        with pytest.raises(KeysUnavailable):
            threads.submit(keys.get, "new").result(timeout=5)

        assert not first.done()

    def test_a_new_one_is_had_when_they_come(self, first, keys, server, threads):
        server.keys = {"new": "second"}

        waiting = [threads.submit(keys.get, "new") for _ in range(50)]
        server.answers.set()

        assert {each.result(timeout=5) for each in waiting} == {"second"}
        assert server.times == 2

    def test_where_they_do_not_come_nobody_who_waited_is_rejected(
        self, first, keys, server, threads
    ):
        server.down = True

        waiting = threads.submit(keys.get, "new")
        server.answers.set()

        with pytest.raises(KeysUnavailable):
            waiting.result(timeout=5)
        assert first.result(timeout=5) == "first"

    def test_without_any_all_wait_for_one_fetch(self, server, threads):
        keys = Keys(server.fetch)
        server.hang()

        waiting = [threads.submit(keys.get, "old") for _ in range(50)]
        assert server.asked.wait(5)
        server.answers.set()

        assert {each.result(timeout=5) for each in waiting} == {"first"}
        assert server.times == 1

    def test_without_any_that_is_good_nobody_waits_for_ever(
        self, first, keys, now, threads, monkeypatch
    ):
        monkeypatch.setattr(identity, "WAIT_FOR_ANY", 0.05)
        now[0] += 24 * 3600

        with pytest.raises(KeysUnavailable):
            threads.submit(keys.get, "old").result(timeout=5)

        assert not first.done()
