"""What the emulator says on the terminal: one event a line, with time, name and `key=value`."""

from __future__ import annotations

import json
import logging
import re
import sys
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from emulator.clock import timestamp

_log = logging.getLogger("emulator")
_LONGEST_REASON = 300  # characters
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What would steer a terminal, or turn its text around."""


def event(name: str, /, **fields: object) -> None:
    """Say that something happened. Values with spaces or quotes are written as JSON texts."""
    pairs = " ".join(f"{key}={_written(value)}" for key, value in fields.items() if value != "")
    _log.info("%s %s", name, pairs)


def trouble(name: str, /, **fields: object) -> None:
    """Say that something failed here, with the traceback of the error being handled."""
    pairs = " ".join(f"{key}={_written(value)}" for key, value in fields.items())
    _log.exception("%s %s", name, pairs)


def speak(stream: TextIO = sys.stderr, formatter: logging.Formatter | None = None) -> None:
    """Write events to a stream from now on, a line each; a formatter may write them otherwise."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter or _Line())
    _log.handlers[:] = [handler]
    _log.setLevel(logging.INFO)
    _log.propagate = False


class _Line(logging.Formatter):
    """Time, level when it is not INFO, and the event."""

    def format(self, record: logging.LogRecord) -> str:
        moment = timestamp(datetime.fromtimestamp(record.created, UTC))
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        text = f"{moment} {level}{record.getMessage()}".rstrip()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def _written(value: object) -> str:
    text = str(value)
    return harmless(text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False))


def harmless(text: str) -> str:
    """A text with control characters as JSON escapes, which mean the same inside of JSON.

    Errors and results hold what other servers have sent, and are shown on a terminal.
    """
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def announce(text: str) -> None:
    """Say one line on standard output, at once: what the caller is waiting for."""
    sys.stdout.write(harmless(text) + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Say on standard error what is wrong."""
    sys.stderr.write(harmless(text) + "\n")


def reason(error: Mapping[str, object]) -> str:
    """Why an execution failed, on one line: message, steps, and what an HTTP answer says of it.

    Args:
        error: the error of an execution, `payload` and `context`.
    """
    text = " ".join(str(error.get("context", "")).split())
    said = answered(error)
    return f"{text}: {said}" if said else text


def answered(error: Mapping[str, object]) -> str:
    """What the HTTP answer says that an execution failed with, on one line; empty if nothing."""
    try:
        said = _said_by(json.loads(str(error.get("payload", ""))))
    except ValueError:  # also what is nested too deeply to be read as JSON
        return ""
    return textwrap.shorten(said, _LONGEST_REASON, placeholder=" ...")


def _said_by(payload: object) -> str:
    """The sentence in the body of an HttpError: `detail`, or `message` of Google's `error`.

    `detail` is a sentence, or a list of `{loc, msg}`: where in the request, and what is wrong.
    """
    match payload:
        case {"tags": ["HttpError"], "body": {"detail": str(sentence)}}:
            return sentence
        case {"tags": ["HttpError"], "body": {"detail": [*problems]}}:
            return "; ".join(filter(None, map(_problem, problems)))
        case {"tags": ["HttpError"], "body": {"error": {"message": str(sentence)}}}:
            return sentence
    return ""


def _problem(problem: object) -> str:
    match problem:
        case {"loc": [*place], "msg": str(sentence)}:
            # The first name of the place is the part of the request.
            inner = [str(name) for name in place if name != "body"]
            return f"{'.'.join(inner)}: {sentence}" if inner else sentence
        case {"msg": str(sentence)}:
            return sentence
    return ""
