"""Tokens: issued by this emulator, known again by it and by nobody else; grants."""

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from emulator.database import Database
from emulator.identity import Grants, InvalidToken, Issuer, SigningKey, account_number

EVA = "eva@example.com"


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "data.sqlite3")
    yield opened
    opened.close()


class TestAccessTokens:
    def test_an_access_token_names_its_account(self, database):
        issuer = Issuer(database)

        assert issuer.account_of(issuer.access_token(EVA)) == EVA

    def test_an_access_token_looks_like_googles(self, database):
        assert Issuer(database).access_token(EVA).startswith("ya29.")

    def test_an_access_token_survives_a_restart(self, database):
        token = Issuer(database).access_token(EVA)

        assert Issuer(database).account_of(token) == EVA

    def test_an_expired_token_is_refused(self, database):
        clock = Clock(1_000_000.0)
        issuer = Issuer(database, clock)
        token = issuer.access_token(EVA, life=60)

        clock.now += 59
        assert issuer.account_of(token) == EVA
        clock.now += 1
        with pytest.raises(InvalidToken, match="expired"):
            issuer.account_of(token)

    def test_a_token_with_another_account_written_in_is_refused(self, database):
        issuer = Issuer(database)
        text, _, seal = issuer.access_token(EVA).removeprefix("ya29.emulator.").partition(".")
        record = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        record["email"] = "boss@example.com"
        forged = base64.urlsafe_b64encode(json.dumps(record).encode()).decode().rstrip("=")

        with pytest.raises(InvalidToken, match="not issued"):
            issuer.account_of(f"ya29.emulator.{forged}.{seal}")

    def test_a_token_of_another_emulator_is_refused(self, database, tmp_path):
        other = Database(tmp_path / "other.sqlite3")
        token = Issuer(other).access_token(EVA)
        other.close()

        with pytest.raises(InvalidToken):
            Issuer(database).account_of(token)

    @pytest.mark.parametrize("token", ["", "abc", "ya29.emulator.", "ya29.emulator.a.b", "é.é"])
    def test_junk_is_refused(self, database, token):
        with pytest.raises(InvalidToken):
            Issuer(database).account_of(token)


class TestIdTokens:
    def test_googles_own_library_verifies_an_id_token(self, database):
        issuer = Issuer(database)

        claims = jwt.decode(
            issuer.id_token(EVA, "https://inbox.example"),
            certs=issuer.certificates(),
            audience="https://inbox.example",
        )

        assert claims["iss"] == "https://accounts.google.com"
        assert (claims["email"], claims["email_verified"]) == (EVA, True)
        assert claims["sub"] == claims["azp"] == account_number(EVA)
        assert claims["exp"] - claims["iat"] == 3600

    def test_the_certificate_survives_a_restart(self, database):
        assert Issuer(database).certificates() == Issuer(database).certificates()

    def test_the_published_key_is_the_certificates(self, database):
        key = SigningKey.kept_in(database).jwk()
        modulus = int.from_bytes(base64.urlsafe_b64decode(key["n"] + "=="), "big")
        exponent = int.from_bytes(base64.urlsafe_b64decode(key["e"]), "big")
        pem = Issuer(database).certificates()[key["kid"]]

        public = rsa.RSAPublicNumbers(exponent, modulus).public_key()

        assert x509.load_pem_x509_certificate(pem.encode()).public_key() == public

    def test_the_file_with_the_key_is_for_its_owner_alone(self, database, tmp_path):
        Issuer(database)

        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


class TestGrants:
    def test_a_trusted_account_may_do_everything_until_something_is_said_about_it(self):
        grants = Grants(lambda email: email == "app@x", {})
        limited = Grants(lambda email: email == "app@x", {"app@x": ["viewer"]})

        assert grants.allow("app@x", "workflows.callbacks.send")
        assert not limited.allow("app@x", "workflows.callbacks.send")
        assert limited.allow("app@x", "workflows.executions.get")

    def test_a_stranger_may_do_nothing(self):
        assert not Grants(lambda _: False, {}).allow(EVA, "workflows.workflows.list")

    def test_an_invoker_may_send_callbacks_and_not_deploy(self):
        grants = Grants(lambda _: False, {EVA: ["roles/workflows.invoker"]})

        assert grants.allow(EVA, "workflows.callbacks.send")
        assert not grants.allow(EVA, "workflows.workflows.create")

    def test_an_unknown_role_is_an_error(self):
        with pytest.raises(ValueError, match=r"roles/workflows\.admin"):
            Grants(lambda _: False, {EVA: ["owner"]})
