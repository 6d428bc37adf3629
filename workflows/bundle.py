"""Complete workflow sources: shared subworkflows are appended to the files that call them.

Google Cloud Workflows deploys one file at a time and knows no import. Here a file without `main`
is a library. Whoever deploys (`gcloud`, the emulator, `manage.py deploy_workflows`) deploys what
`bundle` returns: the author's file, its lines where they were, and below it the libraries it uses:
those of its own folder, and for names that none of them defines the ones that are shipped here.

    python -m workflows.bundle DIR OUT    writes the complete sources of DIR into OUT
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

SUFFIXES = (".yaml", ".yml", ".json")
SHIPPED = Path(__file__).resolve().parent
# In a text with an expression: a call, `name(` but not `a.name(`, and a bare name, as
# `retry.predicate` takes it. A match inside quotes costs no more than a library nobody needed.
CALLED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\s*\(")
BARE = re.compile(r"\$\{\s*([A-Za-z_]\w*)\s*\}")
# The line that may open a YAML document, after comments.
START = re.compile(r"\A((?:[ \t]*(?:#.*)?\n)*)---(?=\s)")
# Where Google and the emulator say that a source is wrong: they know one file only.
PLACE = re.compile(r"\bmain\.yaml:(\d+)(?=:\d+)")


class BundleError(Exception):
    """Files that cannot be put together; the message names them and says why."""


@dataclass(frozen=True, slots=True)
class Source:
    """One workflow file as its author wrote it.

    `defines` holds the (sub)workflows of a long form and is empty for a file that is returned as
    it is: a short form, JSON, or something that is not a workflow. `calls` holds every name that
    the file calls, its own and the library functions of the language included.
    """

    path: Path
    text: str
    defines: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()

    @property
    def is_library(self) -> bool:
        return bool(self.defines) and "main" not in self.defines


@dataclass(frozen=True, slots=True)
class Bundle:
    """A complete source, and the files in it: how many lines stand above each, in order."""

    text: str
    files: tuple[tuple[int, Path], ...]

    def explain(self, message: str) -> str:
        """What is wrong with the source, with the authors' files and lines for `main.yaml:3:5`."""
        explained = PLACE.sub(lambda place: self._place(int(place[1])), message)
        return f"{_shown(self.files[0][1])}: {message}" if explained == message else explained

    def _place(self, line: int) -> str:
        above, path = next(file for file in reversed(self.files) if file[0] < max(line, 1))
        return f"{_shown(path)}:{line - above}"


def bundle(directory: Path) -> dict[str, Bundle]:
    """Workflow id -> complete source, for every workflow file right in `directory`.

    Raises BundleError if there is none, if two files make the same id, or if a name would be
    defined twice; OSError if the directory cannot be read.
    """
    sources = _read_all(directory)
    libraries = _libraries(sources)
    complete: dict[str, Bundle] = {}
    named: dict[str, Path] = {}
    for source in sources:
        if source.is_library:
            continue
        workflow = workflow_id(source.path)
        if workflow in named:
            raise BundleError(
                f"{source.path}: {named[workflow].name} is the workflow {workflow} already."
                " Rename one of them."
            )
        named[workflow] = source.path
        complete[workflow] = _complete(source, libraries)
    if not complete:
        raise BundleError(
            f"{directory} holds no workflow: no YAML or JSON file, or only libraries, without"
            " `main`."
        )
    return complete


def bundle_file(path: Path) -> Bundle:
    """The complete source of one file; its own libraries are looked for in its directory.

    Raises BundleError as `bundle` does, and OSError if the file cannot be read.
    """
    source = _read(path)
    if not source.defines:
        return _join([source])
    others = [other for other in _read_all(path.parent) if other.path.name != path.name]
    return _complete(source, _libraries(others))


def workflow_id(path: Path) -> str:
    """The id a file is deployed under: `expense.workflows.yaml` and `expense.json` -> `expense`."""
    return path.stem.removesuffix(".workflows")


def _read_all(directory: Path) -> list[Source]:
    """The workflow files right in the directory, by name; hidden files are none."""
    return [
        _read(path)
        for path in sorted(directory.iterdir())
        if path.suffix in SUFFIXES and path.is_file() and not path.name.startswith(".")
    ]


def _read(path: Path) -> Source:
    """One file, looked through. A file that is not valid YAML is left to whoever deploys it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BundleError(f"{path}: not UTF-8 text (byte {error.start}).") from error
    if path.suffix == ".json":
        return Source(path, text)
    top = _compose(text)
    if top is None or not all(map(_is_subworkflow, top.value)):
        return Source(path, text)
    names = [key.value for key, _ in top.value]
    for name in names:
        if names.count(name) > 1:
            raise BundleError(f"{path}: {name} is defined twice. Rename one of them.")
    return Source(path, text, frozenset(names), frozenset(_calls(top)))


def _compose(text: str) -> yaml.MappingNode | None:
    """The map that the text is, or None for anything else and for what is not YAML."""
    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    return top if isinstance(top, yaml.MappingNode) else None


def _is_subworkflow(entry: tuple[yaml.Node, yaml.Node]) -> bool:
    """A name over `steps:` or over a plain list of steps; other YAML files have other things."""
    name, body = entry
    if not isinstance(name, yaml.ScalarNode):
        return False
    if isinstance(body, yaml.MappingNode):
        return any(key.value == "steps" for key, _ in body.value)
    return isinstance(body, yaml.SequenceNode)


def _calls(top: yaml.Node) -> Iterator[str]:
    """Names called anywhere: `call: NAME`, `NAME(…)` in an expression, `${NAME}` of a predicate."""
    todo, seen = [top], set[int]()
    while todo:
        node = todo.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                todo.append(value)
                if key.value == "call" and isinstance(value, yaml.ScalarNode):
                    yield value.value
        elif isinstance(node, yaml.SequenceNode):
            todo.extend(node.value)
        elif "${" in node.value:
            yield from CALLED.findall(node.value)
            yield from BARE.findall(node.value)


def _libraries(sources: list[Source]) -> dict[str, Source]:
    """Subworkflow name -> library: of these sources, else a shipped one."""
    return _index(_read_all(SHIPPED)) | _index(sources)


def _index(sources: Iterable[Source]) -> dict[str, Source]:
    """Subworkflow name -> the library that defines it. Two for one name is a BundleError."""
    index: dict[str, Source] = {}
    for source in sources:
        for name in sorted(source.defines) if source.is_library else ():
            if name in index:
                raise BundleError(
                    f"{source.path}: {name} is defined in {index[name].path.name} as well."
                    " Rename one of them."
                )
            index[name] = source
    return index


def _complete(source: Source, libraries: dict[str, Source]) -> Bundle:
    """The source's text with the libraries that it needs, directly or through another, below."""
    parts = [source]
    for part in parts:  # grows while we go: a library may need another one
        for name in sorted(part.calls - source.defines):
            library = libraries.get(name)
            if library and library not in parts:
                parts.append(library)
    defined = dict.fromkeys(source.defines, "here")
    for library in parts[1:]:
        if both := sorted(library.defines & defined.keys()):
            raise BundleError(
                f"{source.path}: {both[0]} is defined {defined[both[0]]} and in"
                f" {library.path.name}, which is needed for other subworkflows. Rename one of them."
            )
        defined |= dict.fromkeys(library.defines, f"in {library.path.name}")
    return _join(parts)


def _join(parts: list[Source]) -> Bundle:
    """The texts one below the other, if that holds what the parts hold.

    YAML does not promise it: a map in braces, an indented map, a second document or an anchor of
    the same name cannot be continued by another file. Then it is a BundleError.
    """
    first, *libraries = parts
    if not libraries:
        return Bundle(first.text, ((0, first.path),))
    text = first.text.rstrip("\n") + "\n"
    files = [(0, first.path)]
    for library in libraries:
        text += "\n"
        files.append((text.count("\n"), library.path))
        text += START.sub(r"\1", library.text).rstrip("\n") + "\n"
    top = _compose(text)
    if top is None or len(top.value) != sum(len(part.defines) for part in parts):
        raise BundleError(
            f"{first.path}: {', '.join(part.path.name for part in libraries)} cannot be appended."
            " Each file must be one plain map that starts in the first column, with no anchor"
            " that another one has."
        )
    return Bundle(text, tuple(files))


def _shown(path: Path) -> Path:
    """The path as people here write it: from the working directory, if it is below that."""
    absolute, here = path.absolute(), Path.cwd()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else path


def main(arguments: list[str]) -> int:
    """Write the complete sources, for `gcloud workflows deploy ID --source OUT/ID.yaml`."""
    if len(arguments) != 2:
        sys.stderr.write("Usage: python -m workflows.bundle DIR OUT\n")
        return 2
    directory, out = map(Path, arguments)
    if not directory.is_dir():
        sys.stderr.write(f"{directory} is not a directory.\n")
        return 1
    try:
        _write_all(bundle(directory), out)
    except BundleError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{error.filename or out}: {error.strerror}.\n")
        return 1
    return 0


def _write_all(sources: dict[str, Bundle], out: Path) -> None:
    """A file for each workflow, and a line that names it."""
    if out.exists() and not out.is_dir():
        raise BundleError(f"{out} is a file. Name a directory to write into.")
    out.mkdir(parents=True, exist_ok=True)
    for workflow, complete in sources.items():
        path = out / f"{workflow}.yaml"
        path.write_text(complete.text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
