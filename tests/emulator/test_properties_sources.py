"""Whole sources: whatever is deployed runs to an outcome, whatever is not has a SourceError."""

import json
import random
from pathlib import Path
from typing import Any, Final

import yaml
from hypothesis import given
from hypothesis import strategies as st

from emulator.errors import SourceError, error
from emulator.interpreter import Failed, Raised, Reply, Request, Returned, Run, Succeeded
from emulator.limits import Limits
from emulator.parser import parse
from emulator.values import from_json, to_json
from tests.emulator.made import Maker
from tests.emulator.properties import examples
from tests.emulator.scripted import run_until_waiting

HERE: Final = Path(__file__).parent
LIMITS: Final = Limits(steps=400, memory_bytes=30_000, string_bytes=10_000)
MOST_REPLIES: Final = 60

Tree = Any
Path_ = tuple[Any, ...]


def published() -> list[Tree]:
    """The sources of the corpus and of the cases as plain Python."""
    folders = [HERE / "corpus" / "samples", HERE / "corpus" / "demos", HERE / "seed"]
    files = [path for folder in folders for path in sorted(folder.rglob("*.yaml"))]
    sources = [path.read_text(encoding="utf-8") for path in files]
    for path in sorted((HERE / "cases").glob("*.yaml")):
        cases = yaml.safe_load(path.read_text(encoding="utf-8"))
        sources += [str(case["source"]) for case in cases if "source" in case]
    trees = []
    for source in sources:
        try:
            tree = yaml.load(source, yaml.BaseLoader)
            json.dumps(tree)
        except (yaml.YAMLError, ValueError):
            continue  # the source of a case that is about YAML
        trees.append(tree)
    return trees


TREES: Final = published()


def nodes(tree: Tree, path: Path_ = ()) -> list[Path_]:
    """The way to every node of a tree."""
    if not isinstance(tree, dict | list):
        return [path]
    below = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [path, *(found for key, node in below for found in nodes(node, (*path, key)))]


def at(tree: Tree, path: Path_) -> Tree:
    for key in path:
        tree = tree[key]
    return tree


WORDS: Final = [
    *("", "${", "${e}", "${x + 1}", "${sys.now()}", "${[1, 2]}", "${keys(x)}", "end", "continue"),
    *("break", "${main(1)}", "http.get", "sys.sleep", "${null}", "${retry.always}", "true", "0"),
]
KEYS: Final = [
    *("assign", "call", "args", "result", "switch", "condition", "next", "for", "value", "index"),
    *("in", "range", "steps", "parallel", "branches", "shared", "concurrency_limit", "try"),
    *("except", "as", "retry", "predicate", "max_retries", "backoff", "raise", "return", "params"),
]


def mutated(chance: random.Random) -> str:
    """A published source with a few of its nodes dropped, doubled, replaced or renamed."""
    tree = json.loads(json.dumps({"": chance.choice(TREES)}))
    for _ in range(chance.randint(1, 4)):
        path = chance.choice([each for each in nodes(tree) if len(each) > 1] or [("",)])
        owner, key = at(tree, path[:-1]), path[-1]
        match chance.randrange(5):
            case 0 if len(path) > 1:
                del owner[key]
            case 1 if isinstance(owner, list):
                owner.insert(key, json.loads(json.dumps(owner[key])))
            case 2:
                other = chance.choice(TREES)
                owner[key] = json.loads(json.dumps(at(other, chance.choice(nodes(other)))))
            case 3 if isinstance(owner, dict) and len(path) > 1:
                owner[chance.choice(KEYS)] = owner.pop(key)
            case _:
                owner[key] = chance.choice([*WORDS, None, True, 0, -1.5, [], {}])
    return json.dumps(tree[""])


def answer(chance: random.Random, request: Request) -> Reply:
    """Something that the world could say."""
    if chance.random() < 0.25:
        kinds = ["TimeoutError", "ConnectionError", "ValueError", "KeyError"]
        code = chance.choice([404, 429, 503])
        http = {"code": code, "tags": ["HttpError"], "message": "m", "headers": {}, "body": None}
        return Raised(chance.choice([error(chance.choice(kinds), "as the world says").value, http]))
    match request.function:
        case "sys.now":
            return Returned(1_700_000_000.25)
        case "uuid.generate":
            return Returned("some-uuid")
        case "events.create_callback_endpoint":
            return Returned({"url": "https://callback.example"})
        case "sys.log" | "sys.sleep" | "sys.sleep_until":
            return Returned(None)
    bodies = [None, b"\xff", "text", {"items": [1, 2], "name": "n"}, [1.5], 2**70, "x" * 9_000]
    return Returned({"body": chance.choice(bodies), "code": 200, "headers": {"X": "y"}})


def play(source: str, chance: random.Random) -> Run | None:
    """Run a source with replies at random; None where it is not deployed."""
    try:
        workflow = parse(source, limits=LIMITS)
    except SourceError:
        return None
    argument: Any = chance.choice([None, {"a": [1], "b": "c"}, [1, 2]])
    run = Run(workflow, argument, {}, LIMITS)
    waiting = run_until_waiting(run, chance.choice([1, 7, 1000]))
    for _ in range(MOST_REPLIES):
        if run.outcome is not None:
            break
        assert waiting, "it waits for nothing"
        request = waiting.pop(chance.randrange(len(waiting)))
        run.reply(request.key, answer(chance, request))
        waiting += run_until_waiting(run)
    return run


def check(run: Run) -> None:
    """It waits in known steps, or has ended with JSON or with an error and its place."""
    assert all(step and routine for routine, step in run.current_steps)
    match run.outcome:
        case Succeeded(value):
            assert to_json(from_json(to_json(value))) == to_json(value)
        case Failed(value, context, stack):
            assert isinstance(value, str | dict)
            assert len(context.splitlines()) > len(stack) >= 1
            assert all(frame.line >= 1 and frame.column >= 1 for frame in stack)
    if run.outcome is not None and run.steps_run <= LIMITS.steps:
        assert run._memory.used == 0


class TestMutated:
    @examples(500)
    @given(st.integers(0, 2**32))
    def test_it_is_refused_or_runs(self, seed):
        chance = random.Random(seed)

        run = play(mutated(chance), chance)

        if run is not None:
            check(run)

    def test_what_is_not_mutated_mostly_runs(self):
        ran = [play(json.dumps(tree), random.Random(1)) for tree in TREES]

        assert sum(run is not None for run in ran) > len(TREES) // 2


class TestMade:
    @examples(250)
    @given(st.integers(0, 2**32))
    def test_it_is_refused_or_runs(self, seed):
        chance = random.Random(seed)

        run = play(Maker(chance).workflow(), chance)

        if run is not None:
            check(run)

    def test_many_are_deployed(self):
        chances = [random.Random(seed) for seed in range(100)]
        ran = [play(Maker(chance).workflow(), chance) for chance in chances]

        assert sum(run is not None for run in ran) > 80
