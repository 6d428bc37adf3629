"""The format of `corpus/expected.json`: its cases, and what differs from what a case expects.

`WORKFLOWS_CORPUS` names another folder of the same format.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.emulator.stub import Received, url_fits

CORPUS: Final = Path(os.environ.get("WORKFLOWS_CORPUS") or Path(__file__).parent / "corpus")
TYPES: Final = {"map": dict, "list": list, "string": str, "boolean": bool, "integer": int}
BUILT_IN: Final = "GOOGLE_CLOUD_"  # variables that the service sets itself

Case = dict[str, Any]


def corpus_cases() -> list[Case]:
    """All cases of the folder."""
    listed: list[Case] = json.loads((CORPUS / "expected.json").read_text("utf-8"))["cases"]
    return listed


def files(case: Case) -> list[str]:
    """The file of a case, and its twin in JSON."""
    return [str(case[key]) for key in ("file", "json_twin") if case.get(key)]


def source(case: Case, file: str, stub: str) -> str:
    """A source of a case as it is to be deployed: with its replacements, its hosts the stub's."""
    text = (CORPUS / file).read_text("utf-8")
    for old, new in dict(case.get("replace") or {}).items():
        text = text.replace(old, new)
    return re.sub("https?://", f"{stub}/", text)


def deployed_first(case: Case) -> Iterator[tuple[str, str]]:
    """Workflow and file of what must be there before the case runs."""
    listed = case.get("deploy_first") or ()
    if isinstance(listed, dict):
        yield from listed.items()
        return
    for each in listed:
        yield str(each.get("workflow_id") or each["id"]), str(each["file"])


def variables(case: Case) -> dict[str, str]:
    """The workflow's own environment variables."""
    env: dict[str, str] = case.get("env") or {}
    return {name: value for name, value in env.items() if not name.startswith(BUILT_IN)}


def shown_differences(shown: Case, expect: Case) -> Iterator[str]:
    """What is otherwise in an execution, as the API shows it, than a case expects."""
    if shown["state"] != expect["state"]:
        yield f"state: expected {expect['state']}, found {shown['state']}"
    result = json.loads(shown.get("result", "null"))
    payload = json.loads(shown.get("error", {}).get("payload", "null"))
    context = shown.get("error", {}).get("context", "")
    if "result" in expect:
        yield from differences(result, expect["result"], "result", whole=True)
    if "result_subset" in expect:
        yield from differences(result, expect["result_subset"], "result")
    if "error_payload" in expect:
        yield from differences(payload, expect["error_payload"], "payload", whole=True)
    if "error_payload_subset" in expect:
        yield from differences(payload, expect["error_payload_subset"], "payload")
    part = expect.get("error_context_contains", "")
    if part not in context:
        yield f"context: expected {part!r} in it, found {context!r}"


def differences(found: Any, wanted: Any, place: str, *, whole: bool = False) -> Iterator[str]:
    """Where a value differs: a line each, with the way to it.

    Unless `whole`, a map may have more keys than are wanted, `$` keys are matchers, and tags are
    a set.
    """
    match wanted:
        case {"$len": _} | {"$regex": _} | {"$type": _} if not whole:
            if not _matches(found, wanted):
                yield f"{place}: expected {_text(wanted)}, found {_text(found)}"
        case dict() if isinstance(found, dict):
            yield from _in_maps(found, wanted, place, whole=whole)
        case list() if isinstance(found, list) and place.endswith(".tags") and not whole:
            if missing := sorted(set(wanted) - set(found)):
                yield f"{place}: expected {_text(missing)} among {_text(found)}"
        case list() if isinstance(found, list) and len(found) == len(wanted):
            for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
                yield from differences(one, other, f"{place}[{index}]", whole=whole)
        case _:
            if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
                yield f"{place}: expected {_text(wanted)}, found {_text(found)}"


def _in_maps(found: Case, wanted: Case, place: str, *, whole: bool) -> Iterator[str]:
    for key in sorted(wanted.keys() - found.keys()):
        yield f"{place}.{key}: expected {_text(wanted[key])}, found nothing"
    for key in sorted(found.keys() - wanted.keys()) if whole else ():
        yield f"{place}.{key}: expected nothing, found {_text(found[key])}"
    for key in sorted(wanted.keys() & found.keys()):
        yield from differences(found[key], wanted[key], f"{place}.{key}", whole=whole)


def _matches(found: Any, matcher: dict[str, Any]) -> bool:
    match matcher:
        case {"$len": length}:
            return isinstance(found, list | dict | str) and len(found) == length
        case {"$regex": pattern}:
            return isinstance(found, str) and re.search(pattern, found) is not None
        case {"$type": name}:
            return isinstance(found, TYPES[name]) and isinstance(found, bool) == (name == "boolean")
    raise AssertionError(matcher)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def request_differences(received: Sequence[Received], case: Case) -> Iterator[str]:
    """What the stub has not seen as a case expects it, in order where that matters."""
    place = 0
    for wanted in case.get("requests", ()):
        fitting = [index for index, request in enumerate(received) if _fits(request, wanted)]
        count = len(fitting)
        if "count" in wanted and count != wanted["count"]:
            yield f"requests: expected so many of {_text(wanted)}, found {count}"
        elif "count" not in wanted and not fitting:
            yield f"requests: expected {_text(wanted)}, found none"
        elif fitting and not case.get("requests_any_order"):
            later = [index for index in fitting if index >= place]
            if not later:
                yield f"requests: expected later {_text(wanted)}"
            place = later[0] if later else place


def _fits(request: Received, wanted: Case) -> bool:
    if request.method != wanted["method"] or not url_fits(wanted, request.url):
        return False
    query = {name: values[-1] for name, values in request.query.items()}
    if any(query.get(name) != str(value) for name, value in wanted.get("query", {}).items()):
        return False
    headers = {name.lower(): value for name, value in request.headers.items()}
    for name, pattern in wanted.get("headers", {}).items():
        if re.search(pattern, headers.get(name.lower(), "")) is None:
            return False
    return _body_fits(request.body, wanted)


def _body_fits(body: bytes, wanted: Case) -> bool:
    try:
        found = json.loads(body)
    except ValueError:
        return "json" not in wanted and "json_subset" not in wanted
    if "json" in wanted and any(differences(found, wanted["json"], "body", whole=True)):
        return False
    return "json_subset" not in wanted or not any(differences(found, wanted["json_subset"], "body"))
