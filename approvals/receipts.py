"""Signed receipts: what was decided, by whom, on which content, and how far it has come."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from approvals.models import Approval, Vote
from approvals.models.content import PENDING, canonical, digest
from approvals.models.record import utc
from approvals.signing import BadKey, PublicKey, decoded, encoded, signing_key

TYPE = "countersign-receipt"
VERSION = 1
HEADER = ("type", "version", "issuer", "issued_at")
# The parts, and what is said where one was changed.
PARTS = {
    "approval": "The approval was changed",
    "votes": "The votes were changed",
    "outcome": "The outcome was changed",
    "record": "The end of the record was changed",
    "delivery": "The delivery was changed",
}


class BadReceipt(ValueError):
    """A receipt that proves nothing; the message says which part is wrong."""


def make_receipt(approval: Approval, *, at: datetime | None = None) -> dict[str, Any]:
    """A receipt of how the approval stands now, signed.

    Every part has a digest, and the signature is of these and of the header: a reader is told
    which part was changed.
    """
    parts = {
        "approval": _approval(approval),
        "votes": [_vote(vote) for vote in _votes(approval)],
        "outcome": _outcome(approval),
        "record": {"lines": approval.record_length, "head_sha256": approval.record_head},
        "delivery": _delivery(approval),
    }
    header = {
        "type": TYPE,
        "version": VERSION,
        "issuer": settings.BASE_URL,
        "issued_at": utc(at or timezone.now()),
    }
    digests = {name: digest(canonical(part)) for name, part in parts.items()}
    key = signing_key()
    signature = {
        "algorithm": "Ed25519",
        "key": key.public.id,
        "public_key": encoded(key.public.raw),
        "value": encoded(key.sign(_message(header, digests))),
    }
    return {**header, **parts, "digests": digests, "signature": signature}


def _message(header: dict[str, Any], digests: dict[str, str]) -> bytes:
    return canonical({**header, "digests": digests}).encode()


def _approval(approval: Approval) -> dict[str, Any]:
    return {
        "id": str(approval.pk),
        "url": approval.url,
        "title": approval.title,
        "type": str(approval.policy) if approval.policy else approval.type,
        "requested_by": approval.requested_by,
        "caller": str(approval.caller),
        "execution": approval.execution,
        "created_at": utc(approval.created_at),
        "content_sha256": approval.content_sha256,
    }


def _votes(approval: Approval) -> Iterable[Vote]:
    return approval.votes.select_related("user", "principal").order_by("at")


def _vote(vote: Vote) -> dict[str, Any]:
    return vote.given() | {
        "revision": vote.revision,
        "content_sha256": vote.content_sha256,
        "at": utc(vote.at),
        "taken_back_at": _or_none(vote.taken_back_at),
    }


def _outcome(approval: Approval) -> dict[str, Any] | None:
    if approval.status == PENDING:
        return None
    return {
        "value": approval.status,
        "decided_at": _or_none(approval.decided_at),
        "decided_by": approval.decided_by.email if approval.decided_by else None,
        "decision_id": str(approval.outgoing.pk),
    }


def _delivery(approval: Approval) -> dict[str, Any] | None:
    if approval.status == PENDING:
        return None
    delivery = approval.outgoing
    return {
        "state": delivery.state,
        "reason": delivery.reason,
        "stored_at": _or_none(delivery.stored_at),
        "confirmed_at": _or_none(delivery.confirmed_at),
        "body_sha256": digest(delivery.body),
    }


def _or_none(at: datetime | None) -> str | None:
    return utc(at) if at else None


def check_receipt(text: str, keys: Iterable[PublicKey]) -> dict[str, Any]:
    """The receipt in a file's text, if one of these keys signed all of it.

    Needs no database. Raises `BadReceipt`.
    """
    receipt = _parsed(text)
    header = {name: receipt[name] for name in HEADER}
    signature, digests = receipt["signature"], receipt["digests"]
    known = {key.id: key for key in keys}
    key = known.get(str(signature.get("key")))
    if key is None:
        raise BadReceipt(
            f"It is signed with the key {signature.get('key')}, which is none of those accepted:"
            f" {', '.join(known)}."
        )
    named = {"algorithm": "Ed25519", "key": key.id, "public_key": encoded(key.raw)}
    if {name: word for name, word in signature.items() if name != "value"} != named:
        raise BadReceipt("What it says of its signature is not true of the key that it names.")
    if not key.accepts(_signature(signature), _message(header, digests)):
        raise BadReceipt(
            "The signature does not fit: the issuer, the date, a digest or the signature itself"
            " was changed."
        )
    for part, words in PARTS.items():
        if digests.get(part) != digest(canonical(receipt[part])):
            raise BadReceipt(f"{words} (part “{part}” of the file).")
    return receipt


def _signature(signature: dict[str, Any]) -> bytes:
    try:
        return decoded(str(signature.get("value")))
    except BadKey as error:
        raise BadReceipt("The signature is no base64url.") from error


def _parsed(text: str) -> dict[str, Any]:
    """The parts of a receipt, all of them and no others. Raises `BadReceipt`."""
    try:
        receipt = json.loads(text, object_pairs_hook=_once)
        canonical(receipt).encode()
    except (ValueError, RecursionError) as error:
        raise BadReceipt(f"This is no JSON: {error}") from error
    if not isinstance(receipt, dict) or receipt.get("type") != TYPE:
        raise BadReceipt("This is no receipt of Countersign.")
    if receipt.get("version") != VERSION:
        raise BadReceipt(f"This is a receipt of version {receipt.get('version')}, not {VERSION}.")
    expected = {*HEADER, *PARTS, "digests", "signature"}
    if missing := sorted(expected - receipt.keys()):
        raise BadReceipt(f"Parts are missing: {', '.join(missing)}.")
    if others := sorted(receipt.keys() - expected):
        raise BadReceipt(f"Parts are not signed: {', '.join(others)}.")
    if not all(isinstance(receipt[name], dict) for name in ("digests", "signature")):
        raise BadReceipt("The digests or the signature are not as a receipt has them.")
    return receipt


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that comes twice would be read in one way here and in another elsewhere."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found
