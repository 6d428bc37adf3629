"""The certificates that Google's (or the emulator's) ID tokens are signed with."""

import json

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from approvals.google.wire import CannotLook, body_of

GOOGLE_CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
IAP_CERTIFICATES = "https://www.gstatic.com/iap/verify/public_key"
MAX_ANSWER = 100_000  # bytes
MAX_SECONDS = 2.0  # for the body of an answer, which is a few thousand bytes
TIMEOUT = (3.0, 5.0)  # seconds to connect, and between two reads


class CannotFetch(Exception):
    """Certificates could not be read."""


def certificates_url() -> str:
    """Where the certificates are that Google's (or the emulator's) ID tokens are signed with."""
    if settings.WORKFLOWS_EMULATOR_HOST:
        return f"{settings.WORKFLOWS_EMULATOR_HOST}/oauth2/v1/certs"
    return GOOGLE_CERTIFICATES


def fetch_certificates(url: str) -> dict[str, str]:
    """Key id -> PEM, from a configured address. Sends no credentials. Raises `CannotFetch`."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            with session.get(
                url,
                headers={"Accept-Encoding": "identity"},
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                found = json.loads(body_of(response, MAX_ANSWER, MAX_SECONDS))
        except (requests.RequestException, HTTPError, CannotLook, ValueError) as error:
            raise CannotFetch(type(error).__name__) from None
    if response.status_code != 200 or not isinstance(found, dict) or not found:
        raise CannotFetch(f"HTTP {response.status_code}")
    return {str(key): str(pem) for key, pem in found.items()}
