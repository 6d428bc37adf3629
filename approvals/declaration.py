"""What a workflow's source says at its top about the form that starts it. Pure."""

import json
from dataclasses import dataclass, field
from typing import Any

import yaml

from countersign.errors import FormInvalid
from countersign.questionnaire import check_form

MARKER = "countersign:"
REQUESTER = "requester"  # the key of the argument that says who started; no field may have it
MAX_BYTES = 16 * 1024
MAX_LINES = 400
MAX_GROUPS = 20
KEYS = frozenset({"title", "description", "form", "groups"})
TEXTS = {"title": 200, "description": 2000}  # characters


class BrokenDeclaration(ValueError):
    """A block that cannot be used; the message is for whoever mends it."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """How a workflow is started by people; without `groups` by all of them."""

    title: str
    form: dict[str, Any]
    description: str = ""
    groups: tuple[str, ...] = field(default=())


class _Loader(yaml.SafeLoader):
    """YAML as JSON knows it: no dates, and no aliases, which could stand for endless text."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise BrokenDeclaration("Aliases (*name) are not read here.")
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def declared(source: str) -> Declaration | None:
    """What the source declares, None if nothing. Raises `BrokenDeclaration`."""
    block = _block(source)
    if block is None:
        return None
    if len(block.encode()) > MAX_BYTES or block.count("\n") > MAX_LINES:
        raise BrokenDeclaration(
            f"The block is longer than {MAX_BYTES // 1024} kB or {MAX_LINES} lines."
        )
    try:
        said = yaml.load(block, Loader=_Loader)["countersign"]  # noqa: S506 - a SafeLoader
        json.dumps(said, allow_nan=False)
        return _declaration(said)
    except (yaml.YAMLError, FormInvalid) as error:
        raise BrokenDeclaration(" ".join(str(error).split())) from None
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, BrokenDeclaration):
            raise
        raise BrokenDeclaration("It holds what JSON does not know, or is too deep.") from None


def _block(source: str) -> str | None:
    """The text below the marker, without `#`, among the comments before the first step."""
    found: list[str] = []
    for line in source.splitlines():
        text = line.strip()
        if text.startswith("#"):
            text = text[1:].removeprefix(" ").rstrip()
            # Only what is indented below the marker belongs to it.
            if found and text and not text.startswith(" "):
                break
            if found or text == MARKER:
                found.append(text)
        elif found or (text and text != "---"):
            break
    return "\n".join(found) if found else None


def _declaration(said: Any) -> Declaration:
    if not isinstance(said, dict):
        raise BrokenDeclaration(f"Below {MARKER} stand {', '.join(sorted(KEYS))}.")
    if unknown := set(map(str, said)) - KEYS:
        raise BrokenDeclaration(f"{', '.join(sorted(unknown))}: there is no such key.")
    for name, longest in TEXTS.items():
        text = said.get(name, "")
        if not isinstance(text, str) or len(text) > longest:
            raise BrokenDeclaration(f"{name}: a text of at most {longest} characters.")
    if not said.get("title", "").strip():
        raise BrokenDeclaration("title: what is started, in a few words.")
    form = said.get("form")
    if not isinstance(form, dict) or not _names_are_texts(form):
        raise BrokenDeclaration("form: a JSON Schema of an object, whose names are texts.")
    check_form(form)
    if REQUESTER in form["properties"]:
        raise BrokenDeclaration(f"{REQUESTER} is whoever starts it, and cannot be filled in.")
    return Declaration(
        title=said["title"].strip(),
        form=form,
        description=said.get("description", "").strip(),
        groups=_groups(said.get("groups")),
    )


def _names_are_texts(value: Any) -> bool:
    """Whether every key is a text: YAML reads `yes:` and `1:` as others."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _names_are_texts(each) for key, each in value.items())
    return all(map(_names_are_texts, value)) if isinstance(value, list) else True


def _groups(said: Any) -> tuple[str, ...]:
    if said is None:
        return ()
    names = said if isinstance(said, list) and 0 < len(said) <= MAX_GROUPS else [None]
    if not all(isinstance(name, str) and name for name in names):
        raise BrokenDeclaration(f"groups: a list of 1 to {MAX_GROUPS} names.")
    return tuple(str(name) for name in names)
