"""What the emulator says on the terminal: one event a line, with time, name and `key=value`."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import TextIO

from emulator.clock import timestamp

_log = logging.getLogger("emulator")
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f]+")


def event(name: str, /, **fields: object) -> None:
    """Say that something happened. Values with spaces or quotes are written as JSON texts."""
    pairs = " ".join(f"{key}={_written(value)}" for key, value in fields.items() if value != "")
    _log.info("%s %s", name, pairs)


def trouble(name: str, /, **fields: object) -> None:
    """Say that something failed here, with the traceback of the error being handled."""
    pairs = " ".join(f"{key}={_written(value)}" for key, value in fields.items())
    _log.exception("%s %s", name, pairs)


def speak(stream: TextIO = sys.stderr) -> None:
    """Write events to a stream from now on."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Line())
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
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def announce(text: str) -> None:
    """Say one line on standard output, at once: what the caller is waiting for."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
