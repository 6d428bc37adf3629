"""`http`: requests are the world's; which errors are worth a retry is decided here."""

from typing import Final

from emulator.library.registry import POLICIES, function, world
from emulator.values import Value

_AFTER_BODY: Final = (
    "headers=null, query=null, auth=null, private_service_name=null, ca_certificate=null"
)

world(f"http.get(url, timeout=300, {_AFTER_BODY})", blocking=True)
world(f"http.request(method, url, timeout=300, body=null, {_AFTER_BODY})", blocking=True)
for _verb in ("post", "put", "patch", "delete"):
    world(f"http.{_verb}(url, timeout=300, body=null, {_AFTER_BODY})", blocking=True)

POLICIES["http.default_retry"] = "http.default_retry_predicate"
POLICIES["http.default_retry_non_idempotent"] = "http.default_retry_predicate_non_idempotent"


def _matches(exception: Value, codes: set[int], tags: set[str]) -> bool:
    """Tell whether an error is an HTTP error with one of the codes, or has one of the tags."""
    if not isinstance(exception, dict) or not isinstance(exception.get("tags"), list):
        return False
    found = {tag for tag in exception["tags"] if isinstance(tag, str)}
    code = exception.get("code")
    return bool(found & tags) or ("HttpError" in found and type(code) is int and code in codes)


@function("http.default_retry_predicate(exception)")
def default_retry_predicate(exception: Value) -> bool:
    """Retry what may succeed when it is tried again, for requests that are safe to repeat."""
    tags = {"ConnectionError", "ConnectionFailedError", "TimeoutError"}
    return _matches(exception, {429, 502, 503, 504}, tags)


@function("http.default_retry_predicate_non_idempotent(exception)")
def default_retry_predicate_non_idempotent(exception: Value) -> bool:
    """Retry only where the server surely did nothing."""
    return _matches(exception, {429, 503}, {"ConnectionFailedError"})
