"""The certificates that Google's (or the emulator's) ID tokens are signed with."""

import json

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

GOOGLE_CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
IAP_CERTIFICATES = "https://www.gstatic.com/iap/verify/public_key"


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
            response = session.get(url, timeout=(3, 5), allow_redirects=False, stream=True)
            found = json.loads(response.raw.read(100_000, decode_content=True))
        except (requests.RequestException, HTTPError, ValueError) as error:
            raise CannotFetch(type(error).__name__) from None
    if response.status_code != 200 or not isinstance(found, dict) or not found:
        raise CannotFetch(f"HTTP {response.status_code}")
    return {str(key): str(pem) for key, pem in found.items()}
