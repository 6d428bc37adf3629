"""`map`: safe lookup, and changed copies."""

from emulator.library.registry import function, wrong_type
from emulator.memory import Map
from emulator.values import Value


@function("map.get(map, keys: string|list)")
def get(entries: Value, keys: str | list[Value]) -> Value:
    """Return what is under the key, or under the keys one after the other.

    Null where a key is missing or the thing looked into is not a map.
    """
    for key in [keys] if isinstance(keys, str) else keys:
        if not isinstance(key, str):
            raise wrong_type("map.get", key, "string")
        entries = entries.get(key) if isinstance(entries, dict) else None
    return entries


@function("map.delete(map: map, key: string)")
def delete(entries: dict[str, Value], key: str) -> Value:
    """Return a copy without the key, which may be missing."""
    return {name: value for name, value in entries.items() if name != key}


@function("map.merge(first: map, second: map)")
def merge(first: dict[str, Value], second: dict[str, Value]) -> Value:
    """Return the entries of both; the second wins."""
    return {**first, **second}


@function("map.merge_nested(first: map, second: map)")
def merge_nested(first: dict[str, Value], second: dict[str, Value]) -> Value:
    """Return the entries of both, merging maps that stand under the same key."""
    merged: dict[str, Value] = {**first, **second}
    for key in first.keys() & second.keys():
        ours, theirs = first[key], second[key]
        if isinstance(ours, Map) and isinstance(theirs, Map):
            merged[key] = merge_nested(ours, theirs)
    return merged
