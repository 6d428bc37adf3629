"""The standard library, a module per namespace. Adding a function is adding it to its module."""

from emulator.library import (
    base64,
    events,
    experimental,
    hash,  # noqa: A004  # Google's name of the namespace
    helpers,
    http,
    json,
    list,  # noqa: A004  # Google's name of the namespace
    map,  # noqa: A004  # Google's name of the namespace
    math,
    retry,
    sys,
    text,
    time,
    uuid,
)

__all__ = [
    "base64",
    "events",
    "experimental",
    "hash",
    "helpers",
    "http",
    "json",
    "list",
    "map",
    "math",
    "retry",
    "sys",
    "text",
    "time",
    "uuid",
]
