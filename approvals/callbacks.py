"""The only module that opens a socket: everything that is said to Google, or to its emulator.

Google's access token is attached here and nowhere else, and only after the address was taken
apart, matched whole, and put together again. Redirects are never followed, and neither
`.netrc` nor proxy variables are read: each of them could replace or carry off the token.
"""

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

import google.auth
import requests
from django.conf import settings
from google.auth import compute_engine
from google.auth.credentials import Credentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.transport.requests import AuthorizedSession, Request
from urllib3.exceptions import HTTPError, NewConnectionError

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GOOGLE_CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
IAP_CERTIFICATES = "https://www.gstatic.com/iap/verify/public_key"
MAX_URL = 700
MAX_ANSWER = 1_000_000  # bytes read of any answer
MAX_SECONDS = 10.0  # for the body of an answer
MAX_PAGES = 20
TIMEOUT = (5.0, 10.0)  # seconds to connect, and between two reads

_GOOGLE = r"https://workflowexecutions\.(?:[a-z0-9-]{1,40}\.rep\.)?googleapis\.com"
_NAME = (
    r"/v1/(?P<execution_name>projects/(?P<project>[a-z0-9][a-z0-9:.\-]{0,62})"
    r"/locations/(?P<location>[a-z0-9\-]{1,40})"
    r"/workflows/(?P<workflow>[A-Za-z][A-Za-z0-9_\-]{0,127})"
    r"/executions/(?P<execution>[A-Za-z0-9\-]{1,64}))"
    r"/callbacks/(?P<callback>[A-Za-z0-9_\-]{1,128})"
)


class BadCallbackUrl(ValueError):
    """Not an address that a decision, and Google's token with it, may be sent to."""


@dataclass(frozen=True, slots=True)
class CallbackAddress:
    """A callback URL taken apart. Requests go to what is put together from these parts."""

    origin: str
    execution_name: str
    project: str
    location: str
    workflow: str
    execution: str
    callback: str

    @classmethod
    def parse(cls, text: str) -> "CallbackAddress":
        """Accept Google's hosts, and the emulator's origin when it is set; else `BadCallbackUrl`.

        The whole text is matched against explicit ASCII classes: every check of a parsed
        URL tried before let some spelling through (`https://evil\\@host`, `host%2eevil`).
        """
        origins = [_GOOGLE]
        if settings.WORKFLOWS_EMULATOR_HOST:
            origins.append(re.escape(settings.WORKFLOWS_EMULATOR_HOST))
        pattern = f"(?P<origin>{'|'.join(origins)}){_NAME}"
        match = re.fullmatch(pattern, text, re.ASCII) if len(text) <= MAX_URL else None
        if not match:
            raise BadCallbackUrl(
                "This is not a callback URL of Google Cloud Workflows. Send the `url` that"
                " events.create_callback_endpoint returned, unchanged."
            )
        return cls(**match.groupdict())

    @property
    def execution_url(self) -> str:
        return f"{self.origin}/v1/{self.execution_name}"

    @property
    def url(self) -> str:
        return f"{self.execution_url}/callbacks/{self.callback}"


class Answer(StrEnum):
    """What a POST to the callback endpoint came to, as far as its answer tells."""

    STORED = "stored"  # 2xx: Google keeps it
    RETRY = "retry"  # certainly not accepted; try again
    UNKNOWN = "unknown"  # may have been accepted: look before sending again
    FULL = "full"  # 429: an unread payload is there, perhaps our own
    DENIED = "denied"  # 401, 403
    GONE = "gone"  # 404
    REFUSED = "refused"  # 3xx and other 4xx


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer, its HTTP status if there was one, and what it asked us to wait, in seconds."""

    answer: Answer
    status: int | None = None
    detail: str = ""
    retry_after: float | None = None


ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "GONE"})
GOING_ON = frozenset({"ACTIVE", "QUEUED"})


@dataclass(frozen=True, slots=True)
class Sight:
    """What Google says of an execution and of one of its callback endpoints."""

    state: str  # one of ENDED or GOING_ON; GONE is ours: Google does not know the execution
    waiters: int = 0
    payloads: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class CannotLook(Exception):
    """Google's state could not be read. Nothing is known; the message has no secrets."""


class CannotFetch(Exception):
    """Certificates could not be read."""


_lock = threading.Lock()
_local = threading.local()
_credentials: Credentials | None = None


def credentials() -> Credentials:
    """The credentials of this process, made once.

    On Google the application default ones. With the emulator only its own metadata server's:
    a key file or login that lies about must not be sent there. Raises `GoogleAuthError`.
    """
    global _credentials  # noqa: PLW0603 - one token for all threads is the purpose
    emulator = urlsplit(settings.WORKFLOWS_EMULATOR_HOST).netloc
    if emulator and os.environ.get("GCE_METADATA_HOST") != emulator:
        raise DefaultCredentialsError("WORKFLOWS_EMULATOR_HOST and GCE_METADATA_HOST differ")
    with _lock:
        if _credentials is None and emulator:
            _credentials = compute_engine.Credentials(scopes=[SCOPE])
        elif _credentials is None:
            _credentials = google.auth.default(scopes=[SCOPE], request=_token_request())[0]
        return _credentials


def _token_request() -> Request:
    """What google-auth fetches tokens through; without proxies, which would see them."""
    session = requests.Session()
    session.trust_env = False
    return Request(session)


def _session() -> AuthorizedSession:
    """This thread's pooled session. A 401 is tried once more with a fresh token."""
    session: AuthorizedSession | None = getattr(_local, "session", None)
    if session is None:
        session = AuthorizedSession(
            credentials(), max_refresh_attempts=1, auth_request=_token_request()
        )
        session.trust_env = False
        _local.session = session
    return session


def post(url: str, body: str) -> Reply:
    """POST one decision. Never raises for trouble with the network or with Google."""
    try:
        address = CallbackAddress.parse(url)
    except BadCallbackUrl as error:
        return Reply(Answer.REFUSED, detail=str(error))
    try:
        response = _session().post(
            address.url,
            data=body.encode(),
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
            timeout=TIMEOUT,
            allow_redirects=False,
            stream=True,
        )
    except GoogleAuthError as error:
        # Failed before the POST, or after a 401: nothing was accepted. The text may hold tokens.
        return Reply(Answer.RETRY, detail=f"No access token ({type(error).__name__}).")
    except requests.exceptions.ConnectTimeout:
        return Reply(Answer.RETRY, detail="No connection in time.")
    except requests.RequestException as error:
        if isinstance(getattr(_first(error.args), "reason", None), NewConnectionError):
            return Reply(Answer.RETRY, detail="No connection.")
        return Reply(Answer.UNKNOWN, detail=f"The answer was lost ({type(error).__name__}).")
    # The status line has told all. A body is not waited for: it may drip for ever.
    response.close()
    return classify(response.status_code, response.headers.get("Retry-After"))


def _first(args: tuple[Any, ...]) -> Any:
    return args[0] if args else None


def classify(status: int, retry_after: str | None = None) -> Reply:
    """What a status of the callback endpoint means (pure)."""
    wait = (
        float(retry_after)
        if retry_after and retry_after.isascii() and retry_after.isdigit()
        else None
    )
    match status:
        case _ if 200 <= status < 300:
            answer = Answer.STORED
        case 429:
            answer = Answer.FULL
        case 404:
            answer = Answer.GONE
        case 401 | 403:
            answer = Answer.DENIED
        case 503:
            answer = Answer.RETRY
        case _ if status == 408 or status >= 500:
            answer = Answer.UNKNOWN
        case _:
            answer = Answer.REFUSED
    return Reply(answer, status, f"HTTP {status}", wait)


def look(url: str) -> Sight:
    """Read the execution's state and the endpoint's waiters and unread payloads.

    Raises `CannotLook` when Google cannot be asked or the answer is not understood.
    """
    try:
        address = CallbackAddress.parse(url)
        execution = _get(address.execution_url, view="BASIC")
        if execution is None:
            return Sight("GONE")
        state = str(execution["state"])
        if state in ENDED:
            return Sight(state)
        if state not in GOING_ON:
            raise CannotLook(f"The execution is {state}.")
        for callback in _callbacks(f"{address.execution_url}/callbacks"):
            if callback["name"].rpartition("/")[2] == address.callback:
                payloads = tuple(str(text) for text in callback.get("availablePayloads", ()))
                return Sight(state, int(callback.get("waiters", 0)), payloads)
    except (BadCallbackUrl, GoogleAuthError, requests.RequestException, HTTPError) as error:
        raise CannotLook(type(error).__name__) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CannotLook("The answer was not understood.") from None
    return Sight(state)


def _callbacks(url: str) -> Iterator[dict[str, Any]]:
    """The endpoints of an execution, page by page. Raises `CannotLook`."""
    token = ""
    for _ in range(MAX_PAGES):
        page = _get(url, pageToken=token)
        if page is None:
            raise CannotLook("The callbacks are not listed.")
        yield from page.get("callbacks", ())
        token = page.get("nextPageToken", "")
        if not token:
            return
    raise CannotLook("There are too many callbacks.")


def _get(url: str, **query: str) -> dict[str, Any] | None:
    """One JSON object of Google's; None for a 404. Raises `CannotLook` for other statuses."""
    response = _session().get(
        url,
        params={name: value for name, value in query.items() if value},
        headers={"Accept-Encoding": "identity"},
        timeout=TIMEOUT,
        allow_redirects=False,
        stream=True,
    )
    with contextlib.closing(response):
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise CannotLook(f"HTTP {response.status_code}")
        decoded: dict[str, Any] = json.loads(_read(response))
        return decoded


def _read(response: requests.Response) -> bytes:
    """The body, up to `MAX_ANSWER` bytes and `MAX_SECONDS`. Raises `CannotLook` beyond."""
    body, deadline = b"", time.monotonic() + MAX_SECONDS
    for chunk in response.iter_content(chunk_size=None):
        body += chunk
        if len(body) > MAX_ANSWER or time.monotonic() > deadline:
            raise CannotLook("The answer is too long.")
    return body


class NotStarted(CannotLook):
    """An execution was certainly not started; the message is a sentence without secrets."""


def execution_state(name: str) -> str:
    """The state of an execution by its resource name; GONE if Google does not know it.

    Raises `CannotLook` when Google cannot be asked or the answer is not understood.
    """
    if not re.fullmatch(_NAME.partition("/callbacks/")[0], f"/v1/{name}", re.ASCII):
        raise CannotLook("This is not the name of an execution.")
    try:
        execution = _get(f"{_executions_origin()}/v1/{name}", view="BASIC")
        return "GONE" if execution is None else str(execution["state"])
    except (GoogleAuthError, requests.RequestException, HTTPError) as error:
        raise CannotLook(type(error).__name__) from None
    except (ValueError, KeyError, TypeError):
        raise CannotLook("The answer was not understood.") from None


def start_execution(workflow: str, argument: Any) -> str:
    """Start a deployed workflow over REST; the name of the execution.

    Raises `NotStarted`, or `CannotLook` where it may have been started.
    """
    try:
        response = _session().post(
            f"{_executions_origin()}/v1/{_parent()}/workflows/{workflow}/executions",
            json={"argument": json.dumps(argument)},
            timeout=TIMEOUT,
            allow_redirects=False,
        )
        if response.status_code != 200:
            failure = NotStarted if 300 <= response.status_code < 500 else CannotLook
            raise failure(f"{workflow} could not be started: HTTP {response.status_code}")
        return str(response.json()["name"])
    except (GoogleAuthError, requests.exceptions.ConnectTimeout) as error:
        raise NotStarted(f"{workflow} could not be started: {type(error).__name__}") from None
    except (requests.RequestException, ValueError, KeyError) as error:
        raise CannotLook(f"{workflow} could not be started: {type(error).__name__}") from None


def _parent() -> str:
    """Where workflows are deployed to."""
    return f"projects/{settings.GOOGLE_CLOUD_PROJECT}/locations/{settings.WORKFLOWS_LOCATION}"


def _executions_origin() -> str:
    return settings.WORKFLOWS_EMULATOR_HOST or "https://workflowexecutions.googleapis.com"


def workflows_client() -> Any:
    """Google's client for workflow definitions, pointed at Google or at the emulator."""
    from google.cloud import workflows_v1  # noqa: PLC0415 - heavy, and most processes need none

    options = {}
    if settings.WORKFLOWS_EMULATOR_HOST:
        options["api_endpoint"] = settings.WORKFLOWS_EMULATOR_HOST
    client = workflows_v1.WorkflowsClient(
        transport="rest", credentials=credentials(), client_options=options
    )
    transport: Any = client.transport
    transport._session.trust_env = False  # no proxies: they could carry off the token
    return client


def executions_client() -> Any:
    """Google's client for executions over gRPC, pointed at Google or at the emulator.

    A channel of its own for each: it must not be shared with a process that was forked. To the
    emulator it needs no TLS and reaches this machine alone, which gRPC itself makes sure of.
    """
    import grpc  # noqa: PLC0415 - heavy, as the next two
    from google.cloud.workflows import executions_v1  # noqa: PLC0415
    from google.cloud.workflows.executions_v1.services.executions import (  # noqa: PLC0415
        transports,
    )

    class Transport(transports.ExecutionsGrpcTransport):
        """Through no proxy, which could carry off the token."""

        @classmethod
        def create_channel(cls, *args: Any, options: Any = (), **kwargs: Any) -> Any:
            direct = [*options, ("grpc.enable_http_proxy", 0)]
            return super().create_channel(*args, options=direct, **kwargs)

    told: dict[str, Any] = {}
    if settings.WORKFLOWS_EMULATOR_HOST:
        told["host"] = settings.WORKFLOWS_EMULATOR_GRPC_HOST
        told["ssl_channel_credentials"] = grpc.local_channel_credentials()
    transport = Transport(credentials=credentials(), **told)
    return executions_v1.ExecutionsClient(transport=transport)


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
