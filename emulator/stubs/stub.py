"""One stub: the calls that it is for, and what they are given in turn."""

from __future__ import annotations

import re
from collections.abc import Mapping

from emulator.addresses import pattern
from emulator.callbacks import METHODS
from emulator.library.registry import CONNECTORS
from emulator.protocol import Returned
from emulator.stubs.answers import Answer
from emulator.values import Value, equals, to_json

STUBBED = (*CONNECTORS, "experimental.executions.")
"""What the names of the functions begin with that a stub may take the place of, besides HTTP."""

HTTP_CONDITIONS = ("auth", "body", "headers", "query")

_NAME = re.compile(r"[\w.]*\*?", re.ASCII)


class Stub:
    """Answers to some calls.

    Args:
        call: a connector, `googleapis.storage.v1.objects.get`, perhaps with `*` at its end; or a
            URL in which `*` is any text, alone or after a method: `POST https://api.example/*`.
            A query matters only where the URL has one.
        answers: the first call is given the first, and so on; the last one is given again.
        when: what the arguments must be: every key of a map must be there and fit, lists must fit
            item by item. Of HTTP calls `query`, `headers`, `body` and `auth`.

    Raises:
        ValueError: it could answer no call; the text says why.
    """

    def __init__(
        self, call: str, *answers: Answer, when: Mapping[str, Value] | None = None
    ) -> None:
        if not answers:
            raise ValueError(f"the stub of {call} answers nothing")
        for answer in answers:
            _must_suit(call, answer)
        self.call = call
        self.answers = answers
        self.when = dict(when or {})
        self.is_http = "://" in call
        if self.is_http:
            self._calls = re.compile(_http_calls(call), re.DOTALL)
            self._expected = _http_expected(self.when)
        else:
            self._calls = re.compile(_connectors(call))
            self._expected = self.when

    def fits(self, name: str, args: Mapping[str, Value]) -> bool:
        """Whether a call is one of those that this is for.

        Args:
            name: of a connector, or method and URL.
            args: of a connector as they are; of HTTP as `http_arguments` gives them.
        """
        return self._calls.fullmatch(name) is not None and _fits(self._expected, dict(args))


def _must_suit(call: str, answer: Answer) -> None:
    """Raise ValueError where an answer is of a kind that the call cannot be given."""
    if "://" not in call:
        if answer.is_response:
            raise ValueError(
                f"the stub of {call} answers with responds(…), which is for HTTP calls: of a"
                " connector say what it gives, returns({…}), or what it raises,"
                ' raises({"code": 404})'
            )
    elif isinstance(answer.reply, Returned) and not answer.is_response:
        value = answer.reply.value
        if not (isinstance(value, dict) and {"body", "code"} <= value.keys()):
            raise ValueError(
                f"the stub of {call} answers with returns(…), which is for connectors: an HTTP"
                " call is given a response, responds(json={…})"
            )


def http_arguments(
    query: Mapping[str, list[str]], headers: Mapping[str, str], body: Value, auth: Value
) -> dict[str, Value]:
    """The arguments of an HTTP call as conditions see them: the query sent, headers in any case."""
    return {
        "query": dict(query),
        "headers": {name.lower(): value for name, value in headers.items()},
        "body": body,
        "auth": auth,
    }


def _connectors(call: str) -> str:
    if not call.startswith(STUBBED) or _NAME.fullmatch(call) is None:
        raise ValueError(
            f"{call!r} is no connector such as googleapis.storage.v1.objects.get or"
            " googleapis.storage.*, and no URL such as POST https://api.example/orders/*"
        )
    return re.escape(call).replace(r"\*", ".*")


def _http_calls(call: str) -> str:
    method, _, url = call.partition(" ") if "://" not in call.partition(" ")[0] else ("", "", call)
    if method and method not in METHODS:
        raise ValueError(f"{method!r} is no method; there are {', '.join(METHODS)}")
    return f"{method or '[A-Z]+'} {pattern(url)}"


def _http_expected(when: Mapping[str, Value]) -> dict[str, Value]:
    expected = dict(when)
    for name in expected:
        if name not in HTTP_CONDITIONS:
            raise ValueError(f"when: {name!r} is none of {', '.join(HTTP_CONDITIONS)}")
    headers, query = expected.get("headers", {}), expected.get("query", {})
    if not isinstance(headers, dict) or not isinstance(query, dict):
        raise ValueError("when: headers and query are maps")  # noqa: TRY004 - what is written is wrong
    expected["headers"] = {name.lower(): value for name, value in headers.items()}
    expected["query"] = {name: _texts(value) for name, value in query.items()}
    return expected


def _texts(value: Value) -> Value:
    """The values of a query parameter as they are sent: texts."""
    items = value if isinstance(value, list) else [value]
    return [item if isinstance(item, str) else to_json(item) for item in items]


def _fits(expected: Value, actual: Value) -> bool:
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            key in actual and _fits(value, actual[key]) for key, value in expected.items()
        )
    if isinstance(expected, list):
        if not isinstance(actual, list) or len(actual) != len(expected):
            return False
        return all(map(_fits, expected, actual))
    return equals(expected, actual)
