"""gRPC, for the clients that speak nothing else: each call becomes a request to the REST port.

The messages are Google's own, from the client library; what they ask for is decided over there.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import aiohttp
import grpc
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import status_pb2
from yarl import URL

from emulator.settings import Settings

if TYPE_CHECKING:
    from emulator.methods import Method

MAX_MESSAGE = 1024 * 1024
"""Bytes of a request, as over REST."""

MAX_TOLD = 400
"""Characters of an error's message that are told when it is a long one: it travels percent-encoded
among the metadata, of which clients take 8 KB."""

_LONG_TOLD = 4000
_LONG_DETAILS = 2000
_STOP_WITHIN = 1.0
_TIMEOUT = aiohttp.ClientTimeout(total=60)
_VARIABLE = re.compile(r"\{([\w.]+)=([^}]+)\}")
_OPTIONS = (
    ("grpc.so_reuseport", 0),  # or a second emulator on the port would get half of the calls
    ("grpc.max_receive_message_length", MAX_MESSAGE),
)
_CODES: Mapping[str, Any] = {
    **{code.name: code for code in grpc.StatusCode},
    "METHOD_NOT_ALLOWED": grpc.StatusCode.UNIMPLEMENTED,
    "PAYLOAD_TOO_LARGE": grpc.StatusCode.INVALID_ARGUMENT,
    "REQUEST_TIMEOUT": grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""Codes by the status of REST's answer: the same name, or the nearest where only HTTP has it."""


class _Failed(Exception):
    """The call ends with an error: a status as REST names it, a sentence and its details."""

    def __init__(self, status: str, message: str, details: Sequence[object] = ()) -> None:
        super().__init__(message)
        self.status, self.message, self.details = status, message, details


class Gateway:
    """The gRPC port of one emulator; `port` is the real one.

    It is made inside an event loop, listens at once, and serves from `start` to `stop`.

    Raises:
        OSError: the port is taken, or the address cannot be listened on.
    """

    def __init__(self, settings: Settings) -> None:
        host, port = settings.host, settings.grpc_port or 0
        _require_free(host, port)
        self._allow_remote = settings.allow_remote
        self._base = ""
        self._session: aiohttp.ClientSession | None = None
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((self,))
        try:
            self.port: int = self._server.add_insecure_port(_address(host, port))
        except RuntimeError as failed:
            raise OSError(None, str(failed)) from failed

    async def start(self, host: str, port: int) -> None:
        """Serve.

        Args:
            host: where the REST port listens; a wildcard is reached over loopback.
        """
        reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked, not bound
        self._base = f"http://{_address(reached, port)}/v1/"
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False)
        await self._server.start()

    async def stop(self) -> None:
        """End; calls under way have a second."""
        await self._server.stop(_STOP_WITHIN)
        if self._session is not None:
            await self._session.close()

    def service(self, call: Any) -> object:
        """What serves a call, or None; grpc asks this for each.

        The message classes are there from the first call on, so that the start is quick.
        """
        from emulator.methods import SERVICES  # noqa: PLC0415 - see above

        service, _, name = str(call.method).removeprefix("/").partition("/")
        method = SERVICES.get(service, {}).get(name)
        return None if method is None else self._handler(method)

    def _handler(self, method: Method) -> object:
        async def serve(message: Message, context: Any) -> Message | None:
            try:
                if not (self._allow_remote or is_here(context.peer())):
                    raise _refuse_remote(context.peer())
                return await self._ask(method, message, context.invocation_metadata() or ())
            except _Failed as failed:
                await _abort(context, failed)
            except (aiohttp.ClientError, TimeoutError) as broken:
                told = f"no answer from the REST port: {broken or type(broken).__name__}"
                await _abort(context, _Failed("UNAVAILABLE", told))
            return None

        return grpc.unary_unary_rpc_method_handler(
            serve,
            request_deserializer=method.request.FromString,
            response_serializer=method.answer.SerializeToString,
        )

    async def _ask(self, method: Method, message: Message, metadata: Any) -> Message:
        """The answer to a call, from REST.

        Raises:
            _Failed: REST refuses the call, or it has no form there.
        """
        if self._session is None:
            raise RuntimeError("the gateway has not been started")
        try:
            fields: dict[str, Any] = json_format.MessageToDict(message)
        except json_format.SerializeToJsonError as wrong:
            raise _Failed("INVALID_ARGUMENT", str(wrong)) from None
        path = _path(method.path, fields)
        body = fields.pop(method.body, {}) if method.body else None
        query = {name: _text(value) for name, value in fields.items()}
        url = URL(self._base + path, encoded=True).update_query(query)
        headers = {"Host": "localhost"}  # who may call was decided by the peer's address
        headers |= {name: value for name, value in metadata if name == "authorization"}
        async with self._session.request(method.verb, url, json=body, headers=headers) as response:
            text = await response.text()
        if response.content_type != "application/json":
            raise _Failed("INTERNAL", f"the REST port answers no JSON: {text[:100]!r}")
        answer = json.loads(text)
        if response.status >= 400:
            error = answer["error"]
            raise _Failed(error["status"], error["message"], error.get("details", ()))
        made: Message = json_format.ParseDict(answer, method.answer(), ignore_unknown_fields=True)
        return made


def _path(template: str, fields: dict[str, Any]) -> str:
    """The path below `/v1/` of a message's resource, whose name leaves the fields.

    Raises:
        _Failed: a name of another form.
    """
    variable = _VARIABLE.search(template)
    if variable is None:
        raise ValueError(template)
    field, form = variable.groups()
    *parents, last = field.split(".")
    for parent in parents:
        fields = fields.get(parent, {})
    name = str(fields.pop(last, ""))
    # A colon may stand in a project's ID; behind the last ID it would make another method.
    rest = re.escape(form.removeprefix("projects/*")).replace(r"\*", "[^/:]+")
    expected = f"projects/[^/]+{rest}"
    if re.fullmatch(expected, name) is None or ".." in name.split("/"):
        raise _Failed("INVALID_ARGUMENT", f"{field} must have the form {form}, not {name!r}")
    return template.replace(variable[0], quote(name, safe="/:"))


def _text(value: object) -> str:
    """A field as a query parameter."""
    return value if isinstance(value, str) else json.dumps(value)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_here(peer: str) -> bool:
    """Whether a caller is on this machine.

    Args:
        peer: gRPC's name for the other end, `ipv4:127.0.0.1:54321` or `ipv6:%5B::1%5D:54321`.
    """
    host = unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _refuse_remote(peer: str) -> _Failed:
    return _Failed(
        "PERMISSION_DENIED",
        f"the emulator serves this machine only and refuses a connection from {unquote(peer)};"
        " start it with --allow-remote to serve others",
    )


def _require_free(host: str, port: int) -> None:
    """Find out whether a port can be listened on; gRPC itself would say it on the terminal.

    Raises:
        OSError: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


async def _abort(context: Any, failed: _Failed) -> None:
    """End a call with a status, its message and, as far as there is room, its details."""
    code, told = code_of(failed.status), failed.message
    if len(quote(told)) > _LONG_TOLD:
        told = f"{told[:MAX_TOLD]} ..."
    packed = b""
    if failed.details:
        full = {"code": code.value[0], "message": told, "details": failed.details}
        packed = json_format.ParseDict(full, status_pb2.Status()).SerializeToString()
    fits = 0 < len(packed) <= _LONG_DETAILS
    metadata = (("grpc-status-details-bin", packed),) if fits else ()
    await context.abort(code, told, metadata)


def code_of(status: str) -> Any:
    """gRPC's code for the status of an answer."""
    return _CODES.get(status, grpc.StatusCode.UNKNOWN)
