"""Connectors: answered by a stub, or by this emulator where they are those of Workflows itself.

What starts an execution is done here, in the transaction of the step. The others are asked of the
emulator's own REST API, as the workflow's service account: names, rights, filters and errors are
decided over there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from multidict import CIMultiDict
from yarl import URL

from emulator.errors import error
from emulator.identity import SCOPE
from emulator.protocol import Raised, Reply, Request, Returned
from emulator.refusal import invalid
from emulator.world import executions, hosts
from emulator.world.arguments import known, optional_map, query_text, text
from emulator.world.exchange import Prepared, exchange
from emulator.world.site import Call, Performed, Site
from emulator.world.stubbed import stubbed

_TIMEOUT = 60.0
_PAGED = ("pageSize", "pageToken")
_SORTED = (*_PAGED, "filter", "orderBy")
_LOCATION = "projects/*/locations/*"
_WORKFLOW = f"{_LOCATION}/workflows/*"
_EXECUTION = f"{_WORKFLOW}/executions/*"


@dataclass(frozen=True, slots=True)
class Method:
    """How a connector is asked over REST.

    `path` names the argument that holds the resource's name, and the form of that name; `query` the
    arguments that go into the query.
    """

    verb: str
    path: str
    query: tuple[str, ...] = ()


_WORKFLOWS = "googleapis.workflows.v1.projects.locations.workflows"

METHODS: Final[Mapping[str, Method]] = {
    f"{_WORKFLOWS}.get": Method("GET", f"{{name={_WORKFLOW}}}", ("revisionId",)),
    f"{_WORKFLOWS}.list": Method("GET", f"{{parent={_LOCATION}}}/workflows", _SORTED),
    f"{_WORKFLOWS}.listRevisions": Method("GET", f"{{name={_WORKFLOW}}}:listRevisions", _PAGED),
    f"{executions.EXECUTIONS}.get": Method("GET", f"{{name={_EXECUTION}}}", ("view",)),
    f"{executions.EXECUTIONS}.list": Method(
        "GET", f"{{parent={_WORKFLOW}}}/executions", ("view", *_SORTED)
    ),
    f"{executions.EXECUTIONS}.cancel": Method("POST", f"{{name={_EXECUTION}}}:cancel"),
    f"{executions.EXECUTIONS}.callbacks.list": Method(
        "GET", f"{{parent={_EXECUTION}}}/callbacks", _PAGED
    ),
    f"{executions.EXECUTIONS}.stepEntries.list": Method(
        "GET", f"{{parent={_EXECUTION}}}/stepEntries", (*_SORTED, "skip")
    ),
    f"{executions.EXECUTIONS}.stepEntries.get": Method(
        "GET", f"{{name={_EXECUTION}/stepEntries/*}}"
    ),
}

CONNECTORS: Final[Mapping[str, Callable[[Request, Site], Performed]]] = {
    f"{executions.EXECUTIONS}.run": executions.run,
    f"{executions.EXECUTIONS}.create": executions.create,
    "experimental.executions.run": executions.run,
    "experimental.executions.map": executions.run_all,
}

_BETA = re.compile(r"^(googleapis\.workflow(?:s|executions))\.v1beta\.")
_VARIABLE = re.compile(r"\{(?P<name>\w+)=(?P<form>[^}]+)\}")


def performs(function: str) -> bool:
    """Whether a connector needs no stub."""
    name = _v1(function)
    return name in CONNECTORS or name in METHODS


def _v1(function: str) -> str:
    """The name of a connector in the first version; the beta before it had the same ones."""
    return _BETA.sub(r"\1.v1.", function)


def perform(request: Request, site: Site) -> Performed:
    """What a connector gives.

    Raises:
        WorkflowError: SystemError, it is not there; and what each of them raises.
    """
    function = request.function
    answered = stubbed(function, request.args, site, executions.timeout(request))
    if answered is not None:
        return answered
    if (name := _v1(function)) in CONNECTORS:
        return CONNECTORS[name](request, site)
    if name in METHODS:
        return _ask(METHODS[name], request, site)
    site.stubs.miss(function)
    raise error(
        "SystemError",
        f"the emulator has no connector {function}. Say what it gives with"
        f" '{function}: {{returns: …}}' under 'stubs' in a file for --stubs, or call the service's"
        " API with http.*",
    )


def _ask(method: Method, request: Request, site: Site) -> Performed:
    variable = _VARIABLE.search(method.path)
    if variable is None:
        raise ValueError(method.path)
    name, form = variable.groups()
    known(request, name, *method.query, "body", "connector_params")
    for ignored in ("body", "connector_params"):
        optional_map(request.args, ignored)
    resource = text(request.args, name)
    expected = re.escape(form).replace(r"\*", r"[^/:?#]+")
    if re.fullmatch(expected, resource) is None or ".." in resource.split("/"):
        raise executions.refused(invalid(f"{name} must have the form {form}, not '{resource}'"))
    path = method.path.replace(variable[0], quote(resource, safe="/"))
    asked = [
        (key, query_text(key, request.args[key]))
        for key in method.query
        if request.args.get(key) is not None
    ]
    address = URL(f"{hosts.own_address(site.settings)}/v1/{path}", encoded=True).with_query(asked)
    token = site.issuer.access_token(site.account, [SCOPE])
    headers = CIMultiDict({"Authorization": f"Bearer {token}", "Host": "localhost"})
    prepared = Prepared(method.verb, address, headers, None, _TIMEOUT)
    return Call(functools.partial(_body_of, prepared, site))


async def _body_of(prepared: Prepared, site: Site) -> Reply:
    """The resource that is answered, or the error."""
    reply = await exchange(prepared, hosts.Reached, site.client)
    if isinstance(reply, Raised) or not isinstance(reply.value, dict):
        return reply
    return Returned(reply.value["body"])
