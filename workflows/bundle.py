"""Complete workflow sources: shared subworkflows are appended to the files that call them.

Google Cloud Workflows deploys one file at a time and knows no import. Here a file without `main`
is a library. Whoever deploys (`gcloud`, the emulator, `manage.py deploy_workflows`) deploys what
`bundle` returns: the author's file, its lines where they were, and below it the libraries it uses:
those of its own folder, and for names that none of them defines the ones that are shipped here.

    python -m workflows.bundle DIR OUT    writes the complete sources of DIR into OUT
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
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
# What makes a library a complete source.
NO_MAIN = "\nmain:\n  steps:\n    - nothing: {}\n"
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
        return f"{shown(self.files[0][1])}: {message}" if explained == message else explained

    def place(self, line: int) -> tuple[Path, int]:
        """The author's file and the line in it, for a line of the complete source."""
        above, path = next(file for file in reversed(self.files) if file[0] < max(line, 1))
        return path, line - above

    def _place(self, line: int) -> str:
        path, number = self.place(line)
        return f"{shown(path)}:{number}"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a folder holds.

    `bundles` are its complete sources by workflow id. `unused` are the libraries that none of them
    needs, each with a `main` below that does nothing, so that they can be checked as well.
    `problems` are files that cannot be used, with the reason: not text, or a name that is taken.
    """

    bundles: dict[str, Bundle] = field(default_factory=dict)
    unused: list[Bundle] = field(default_factory=list)
    problems: list[tuple[Path, BundleError]] = field(default_factory=list)

    @contextmanager
    def noting(self, path: Path) -> Iterator[None]:
        """Keep what is wrong with a file among the problems."""
        try:
            yield
        except BundleError as error:
            self.problems.append((path, error))
        except OSError as error:
            self.problems.append((path, BundleError(f"{path}: {error.strerror}.")))


def bundle(directory: Path) -> dict[str, Bundle]:
    """Workflow id -> complete source, for every workflow file right in `directory`.

    Raises BundleError if there is none, if two files make the same id, or if a name would be
    defined twice; OSError if the directory cannot be read.
    """
    found = gather(directory)
    for _, problem in found.problems:
        raise problem
    if not found.bundles:
        raise BundleError(
            f"{directory} holds no workflow: no YAML or JSON file, or only libraries, without"
            " `main`."
        )
    return found.bundles


def gather(directory: Path) -> Gathered:
    """All that can be made of the files right in `directory`, whatever is wrong with others.

    Raises OSError if the directory cannot be read.
    """
    found = Gathered()
    sources: list[Source] = []
    own: dict[str, Source] = {}
    for path in _files(directory):
        with found.noting(path):
            source = _read(path)
            sources.append(source)
            _index(source, own)
    shipped = {} if directory.resolve() == SHIPPED else _libraries(_read_all(SHIPPED))
    libraries = shipped | own
    named: dict[str, Path] = {}
    for source in sources:
        if not source.is_library:
            with found.noting(source.path):
                workflow = _new_id(source.path, named)
                found.bundles[workflow] = _complete(source, libraries)
    used = {path for complete in found.bundles.values() for _, path in complete.files}
    for source in sources:
        if source.is_library and source.path not in used:
            with found.noting(source.path):
                complete = _complete(source, libraries)
                found.unused.append(Bundle(complete.text + NO_MAIN, complete.files))
    return found


def bundle_file(path: Path) -> Bundle:
    """The complete source of one file; its own libraries are looked for in its directory.

    Raises BundleError as `bundle` does, and OSError if the file cannot be read.
    """
    source = _read(path)
    if not source.defines:
        return _join([source])
    others = [other for other in _read_all(path.parent) if other.path.name != path.name]
    return _complete(source, _libraries(_read_all(SHIPPED)) | _libraries(others))


def shipped_place(text: str, line: int) -> tuple[Path, int] | None:
    """The library of this folder and the line in it, for a line of a complete source."""
    for library in filter(lambda source: source.is_library, _read_all(SHIPPED)):
        body = START.sub(r"\1", library.text).rstrip("\n")
        begin = text.find(f"\n{body}\n")
        own = line - text.count("\n", 0, begin + 1)
        if begin >= 0 and 0 < own <= body.count("\n") + 1:
            return library.path, own
    return None


def workflow_id(path: Path) -> str:
    """The id a file is deployed under: `expense.workflows.yaml` and `expense.json` -> `expense`."""
    return path.stem.removesuffix(".workflows")


def _read_all(directory: Path) -> list[Source]:
    """The workflow files right in the directory, by name."""
    return [_read(path) for path in _files(directory)]


def _files(directory: Path) -> list[Path]:
    """The workflow files right in the directory, by name; hidden files are none."""
    return [path for path in sorted(directory.iterdir()) if may_be_workflow(path)]


def may_be_workflow(path: Path) -> bool:
    """Whether a path is a file with one of the endings; hidden files are none."""
    return path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _new_id(path: Path, named: dict[str, Path]) -> str:
    """The id of a file, if no other one of those `named` has it; it is one of them then."""
    workflow = workflow_id(path)
    if workflow in named:
        raise BundleError(
            f"{path}: {named[workflow].name} is the workflow {workflow} already."
            " Rename one of them."
        )
    named[workflow] = path
    return workflow


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


@lru_cache(maxsize=32)  # tests put the same files together again and again
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
    """Subworkflow name -> the library that defines it. Two for one name is a BundleError."""
    index: dict[str, Source] = {}
    for source in sources:
        _index(source, index)
    return index


def _index(source: Source, index: dict[str, Source]) -> None:
    """Add what a source defines if it is a library. A name that is there is a BundleError."""
    for name in sorted(source.defines) if source.is_library else ():
        if name in index:
            raise BundleError(
                f"{source.path}: {name} is defined in {index[name].path.name} as well."
                " Rename one of them."
            )
        index[name] = source


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


def shown(path: Path) -> Path:
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
