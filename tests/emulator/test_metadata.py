"""The metadata server, and the tokens and keys of the issuer."""

import json

import pytest
import requests
from google.auth import impersonated_credentials
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials

from emulator.identity import SCOPE
from tests.emulator.rest import error_of, workflows
from tests.emulators import APP, LOCATION, NUMBER, PROJECT, EmulatorProcess


class TestMetadata:
    def test_every_answer_has_the_flavor_and_every_request_needs_it(self, emulator):
        asked = {
            "project/project-id": PROJECT,
            "project/numeric-project-id": NUMBER,
            "instance/region": f"projects/{NUMBER}/regions/{LOCATION}",
            "instance/service-accounts/": f"default/\n{APP}/\n",
            "instance/service-accounts/default/email": APP,
            f"instance/service-accounts/{APP}/email": APP,
            "universe/universe-domain": "googleapis.com",
        }
        for path, text in asked.items():
            answer = self.ask(emulator, path)
            assert (answer.status_code, answer.text) == (200, text), path
            assert answer.headers["Metadata-Flavor"] == "Google"
            assert answer.headers["Content-Type"].startswith("application/text")
            assert requests.get(answer.url, timeout=10).status_code == 403
        forwarded = self.ask(emulator, "project/project-id", **{"X-Forwarded-For": "10.0.0.1"})
        assert forwarded.status_code == 403
        root = requests.get(emulator.url, timeout=10)
        assert (root.status_code, root.headers["Metadata-Flavor"]) == (200, "Google")

    def test_directories_can_be_read_as_trees(self, emulator):
        for account in ("default", APP):
            tree = self.ask(emulator, f"instance/service-accounts/{account}/?recursive=true").json()
            assert tree["email"] == APP
            assert tree["aliases"] == ["default"]
            assert tree["scopes"] == ["https://www.googleapis.com/auth/cloud-platform"]
        everything = self.ask(emulator, "?recursive=true").json()
        assert everything["project"] == {"projectId": PROJECT, "numericProjectId": NUMBER}
        assert "token" not in json.dumps(everything)
        moved = self.ask(emulator, "instance/service-accounts/default")
        assert moved.status_code == 301
        assert moved.headers["Location"].endswith("/default/")

    def test_unknown_paths_and_accounts_are_404(self, emulator):
        for path in ("nothing", "instance/service-accounts/eva@x/token", "project/project-id/x"):
            assert self.ask(emulator, path).status_code == 404, path
        assert self.ask(emulator, "instance/service-accounts/default/identity").status_code == 400

    def test_its_token_opens_the_api(self, emulator):
        issued = self.ask(emulator, "instance/service-accounts/default/token").json()

        answer = emulator.request("GET", workflows(emulator), token=issued["access_token"])

        assert answer.status_code == 200
        assert issued["token_type"] == "Bearer"
        assert 3000 < issued["expires_in"] <= 3600

    def ask(self, emulator: EmulatorProcess, path: str, **headers: str) -> requests.Response:
        return requests.get(
            f"{emulator.url}/computeMetadata/v1/{path}",
            headers={"Metadata-Flavor": "Google", **headers},
            allow_redirects=False,
            timeout=10,
        )


class TestOpenId:
    def test_certificates_keys_and_discovery_are_published_to_be_cached(self, emulator):
        certificates = requests.get(f"{emulator.url}/oauth2/v1/certs", timeout=10)
        keys = requests.get(f"{emulator.url}/oauth2/v3/certs", timeout=10).json()["keys"]
        about = requests.get(f"{emulator.url}/.well-known/openid-configuration", timeout=10).json()

        assert "max-age" in certificates.headers["Cache-Control"]
        assert [key["kid"] for key in keys] == list(certificates.json())
        assert about["issuer"] == "https://accounts.google.com"
        assert about["jwks_uri"] == f"{emulator.url}/oauth2/v3/certs"


class TestTokens:
    def test_a_token_tells_whose_it_is(self, emulator):
        params = {"access_token": emulator.token("eva@x.example", expires_in=60)}
        shown = requests.get(f"{emulator.url}/tokeninfo", params=params, timeout=10).json()

        assert (shown["email"], shown["scope"]) == ("eva@x.example", SCOPE)
        assert 0 < int(shown["expires_in"]) <= 60
        params = {"access_token": "junk"}
        answer = requests.get(f"{emulator.url}/tokeninfo", params=params, timeout=10)
        assert error_of(answer)["status"] == "INVALID_ARGUMENT"

    def test_an_account_can_be_impersonated_as_google_auth_does(self, emulator):
        url = f"{emulator.url}/v1/{self.path('eva@x.example')}"
        acting = impersonated_credentials.Credentials(
            source_credentials=Credentials(token=emulator.token()),
            target_principal="eva@x.example",
            target_scopes=[SCOPE],
            lifetime=600,
            iam_endpoint_override=url,
        )
        with requests.Session() as session:
            acting.refresh(Request(session))

        params = {"access_token": acting.token}
        shown = requests.get(f"{emulator.url}/tokeninfo", params=params, timeout=10).json()
        assert shown["email"] == "eva@x.example"
        assert 500 < int(shown["expires_in"]) <= 600

    @pytest.mark.parametrize(
        ("body", "token", "status"),
        [
            ({}, None, 400),
            ({"scope": []}, None, 400),
            ({"scope": [SCOPE], "lifetime": "1h"}, None, 400),
            ({"scope": [SCOPE], "lifetime": "43201s"}, None, 400),
            ({"scope": [SCOPE]}, "junk", 401),
        ],
    )
    def test_what_is_wrong_with_an_impersonation_is_said(self, emulator, body, token, status):
        answer = emulator.request("POST", self.path("eva@x.example"), json=body, token=token)

        assert answer.status_code == status
        error_of(answer)

    def test_with_permissions_an_account_of_no_rights_impersonates_nobody(self, start_emulator):
        emulator = start_emulator(auth="iam")
        stranger = emulator.token("stranger@x.example")

        answer = emulator.request("POST", self.path(APP), json={"scope": [SCOPE]}, token=stranger)

        assert error_of(answer)["status"] == "PERMISSION_DENIED"

    def path(self, account: str) -> str:
        return f"projects/-/serviceAccounts/{account}:generateAccessToken"
