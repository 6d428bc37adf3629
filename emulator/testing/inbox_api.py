"""The HTTP API of the inbox that tests talk to, as `docs/api.md` tells it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from google.auth import jwt

from countersign.bodies import OutcomeIn, SettleIn, WithdrawIn
from countersign.errors import FormInvalid
from countersign.terms import TermsRefused
from emulator.testing.asking import UnknownApprover
from emulator.testing.bodies import Registration
from emulator.testing.inbox import Conflict, Inbox
from emulator.testing.reading import MAX_BODY, Refused, problem, read
from emulator.testing.record import Record, shown

APPROVALS = "/api/v1/approvals"
PAGE = 50

_ID = "{approval:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}}"
_FILTERS = ("status", "type", "execution", "requested_by")
_LONGEST = {"status": 50, "type": 100, "execution": 400, "requested_by": 254, "cursor": 200}
_KEY = re.compile(r"[\x20-\x7e]*")
_NO_ADDRESS = "There is nothing at this address. /api/v1/docs lists what there is."
_NO_METHOD = "This address does not take this method. /api/v1/docs lists what there is."
_TROUBLE = "Something is wrong on our side just now. Please try again."

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Trouble:
    """What becomes of calls instead of an answer: a status, or None for a connection broken off.

    `left` is how many calls it is for, None for all; `on` is how their paths end. With `stored` the
    call is handled all the same, and only its answer is lost.
    """

    status: int | None
    left: int | None
    on: str
    stored: bool


class Api:
    """The routes. Callers are those who show an ID token that the emulator signed.

    Args:
        certificates: gives the signer's certificates, by key.
        projects: names of the project whose callbacks may be named.
        callers: e-mail addresses that may call; None is everybody.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        origin: str,
        certificates: Callable[[], Mapping[str, str]],
        projects: frozenset[str],
    ) -> None:
        self.inbox = inbox
        self.troubles: list[Trouble] = []
        self.callers: frozenset[str] | None = None
        self._origin = origin
        self.certificates = certificates
        self._projects = projects

    def application(self) -> web.Application:
        """What is served."""
        app = web.Application(middlewares=[self._in_its_words], client_max_size=10 * MAX_BODY)
        one = f"{APPROVALS}/{_ID}"
        app.router.add_routes(
            [
                web.post(APPROVALS, self.register),
                web.get(APPROVALS, self.list, allow_head=False),
                web.get(one, self.read, allow_head=False),
                web.post(f"{one}/settle", self.settle),
                web.post(f"{one}/withdraw", self.withdraw),
                web.post(f"{one}/outcome", self.report),
            ]
        )
        return app

    # --- calls ----------------------------------------------------------------------------------

    async def register(self, request: web.Request) -> web.Response:
        """Keep a question: 201, or 200 if it was kept before."""
        caller = self._caller(request)
        body = await read(request, Registration, {"origin": self._origin}, _key_problems(request))
        project = body.callback_url.partition("/projects/")[2].partition("/")[0]
        if project not in self._projects:
            raise _invalid(
                ("callback_url",), f"{caller} may not name callbacks of project {project}."
            )
        key = request.headers.get("Idempotency-Key") or None
        try:
            record, new = self.inbox.register(caller, key, body)
        except UnknownApprover as unknown:
            raise _invalid(("approvers",), str(unknown)) from None
        except TermsRefused as refused:
            raise _invalid((refused.field,), str(refused)) from None
        except FormInvalid as wrong:
            raise _wrong_form(wrong) from None
        return web.json_response(shown(record), status=201 if new else 200)

    async def list(self, request: web.Request) -> web.Response:
        """The caller's own, newest first, a page at a time."""
        caller = self._caller(request)
        problems = [
            problem(
                "too_long",
                ("query", name),
                f"Value should have at most {most} items after validation, not {length}",
                {"field_type": "Value", "max_length": most, "actual_length": length},
            )
            for name, most in _LONGEST.items()
            if (length := len(request.query.get(name, ""))) > most
        ]
        if problems:
            raise Refused(422, problems)
        wanted = {name: request.query[name] for name in _FILTERS if name in request.query}
        found = [
            answer
            for record in reversed(self.inbox.records)
            if record.caller == caller and wanted.items() <= (answer := shown(record)).items()
        ]
        first = _read_cursor(request.query.get("cursor", ""))
        more = len(found) > first + PAGE
        cursor = base64.urlsafe_b64encode(str(first + PAGE).encode()).decode() if more else None
        return web.json_response({"approvals": found[first : first + PAGE], "next_cursor": cursor})

    async def read(self, request: web.Request) -> web.Response:
        """One of the caller's own."""
        return web.json_response(shown(self._own(request)))

    async def settle(self, request: web.Request) -> web.Response:
        """The outcome on record."""
        caller = self._caller(request)
        body = await read(request, SettleIn)
        record = self._own(request, caller)
        return web.json_response(self.inbox.settle(record, timed_out=body.reason == "timeout"))

    async def withdraw(self, request: web.Request) -> web.Response:
        """The answer is needed no longer."""
        caller = self._caller(request)
        await read(request, WithdrawIn)
        record = self._own(request, caller)
        self.inbox.withdraw(record)
        return web.json_response(shown(record))

    async def report(self, request: web.Request) -> web.Response:
        """What the workflow did with the answer."""
        caller = self._caller(request)
        body = await read(request, OutcomeIn)
        record = self._own(request, caller)
        self.inbox.report(record, body)
        return web.json_response(shown(record))

    # --- parts ----------------------------------------------------------------------------------

    def _trouble_of(self, path: str) -> Trouble | None:
        for trouble in self.troubles:
            if trouble.left != 0 and path.endswith(trouble.on):
                if trouble.left is not None:
                    trouble.left -= 1
                return trouble
        return None

    def _own(self, request: web.Request, caller: str = "") -> Record:
        found = self.inbox.find(caller or self._caller(request), request.match_info["approval"])
        if found is None:
            raise Refused(404, "There is no such approval among those that you registered.")
        return found

    def _caller(self, request: web.Request) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(
                401,
                "Send `Authorization: Bearer` with an OIDC ID token or an API key.",
                {"WWW-Authenticate": "Bearer"},
            )
        if token.startswith("csk_"):
            raise Refused(401, "This API key is unknown or was revoked.")
        try:
            claims = jwt.decode(token, certs=self.certificates(), audience=self.inbox.url)
        except ValueError:  # what google-auth raises for every token that is not good
            raise Refused(
                401,
                "The token was not accepted. Send an OIDC ID token with"
                f" audience {self.inbox.url}, or an API key.",
            ) from None
        email = str(claims["email"]).lower()
        if self.callers is not None and email not in self.callers:
            raise Refused(
                403, f"{email} may not register approvals. An operator can add it as a caller."
            )
        return email

    @web.middleware
    async def _in_its_words(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The one shape of a refusal, and the troubles that a test has planned."""
        trouble = self._trouble_of(request.path)
        if trouble is not None:
            if trouble.stored:
                await handler(request)
            if trouble.status is None and request.transport is not None:
                request.transport.abort()
            return _answer(Refused(trouble.status or 503, _TROUBLE, {"Retry-After": "5"}))
        try:
            return await handler(request)
        except Refused as refused:
            return _answer(refused)
        except Conflict as conflict:
            return _answer(Refused(409, str(conflict)))
        except web.HTTPNotFound:
            return _answer(Refused(404, _NO_ADDRESS))
        except web.HTTPMethodNotAllowed as wrong:
            allowed = {"Allow": ", ".join(sorted(wrong.allowed_methods))}
            return _answer(Refused(405, _NO_METHOD, allowed))


def _answer(refused: Refused) -> web.Response:
    return web.json_response(
        {"detail": refused.detail}, status=refused.status, headers=refused.headers
    )


def _key_problems(request: web.Request) -> list[dict[str, Any]]:
    key = request.headers.get("Idempotency-Key", "")
    place = ("header", "idempotency_key")
    if len(key) > 200:
        told = "String should have at most 200 characters"
        return [problem("string_too_long", place, told, {"max_length": 200})]
    if _KEY.fullmatch(key) is None:
        pattern = r"^[\x20-\x7e]*$"
        told = f"String should match pattern '{pattern}'"
        return [problem("string_pattern_mismatch", place, told, {"pattern": pattern})]
    return []


def _invalid(place: tuple[str, ...], sentence: str) -> Refused:
    return Refused(422, [problem("value_error", ("body", *place), sentence)])


def _wrong_form(wrong: FormInvalid) -> Refused:
    """Each wrong field by its name, below the part of the request that it stands in."""
    return Refused(
        422,
        [
            problem(
                "value_error",
                ("body", wrong.within, *([] if name == "form" else [name])),
                sentence,
            )
            for name, sentence in wrong.errors.items()
        ],
    )


def _read_cursor(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor).decode() or "0")
    except (ValueError, binascii.Error):
        raise Refused(400, "This cursor is not one of ours. Start without it.") from None
