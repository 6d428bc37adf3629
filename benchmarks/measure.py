"""Measuring: jobs take turns, so that whatever slows the machine down slows all of them."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median

# One operation, which is called again and again.
Operation = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Job:
    """Something to measure: how often in each round, and what to do each time.

    `prepare` makes the operations of a round; the time it takes is not counted. So many of them
    are done `together`, each by a thread of its own; their time is then that of the round, divided.
    """

    name: str
    count: int
    prepare: Callable[[int], Iterable[Operation]]
    together: int = 1


def again(operation: Operation) -> Callable[[int], Iterable[Operation]]:
    """The same operation each time."""
    return lambda count: [operation] * count


def measure(jobs: Iterable[Job], rounds: int) -> dict[str, list[float]]:
    """Job name -> seconds for one operation, the mean of each round.

    Each job runs a few times before the first round, uncounted.
    """
    jobs = list(jobs)
    found: dict[str, list[float]] = {job.name: [] for job in jobs}
    for job in jobs:
        _seconds(job, max(3, job.count // 10))
    for number in range(rounds):
        turn = jobs if number % 2 else jobs[::-1]
        for job in turn:
            found[job.name].append(_seconds(job, job.count))
    return found


def _seconds(job: Job, count: int) -> float:
    operations = list(job.prepare(count))
    if job.together > 1:
        return _seconds_together(operations, job.together)
    start = time.perf_counter()
    for operation in operations:
        operation()
    return (time.perf_counter() - start) / len(operations)


def _seconds_together(operations: list[Operation], together: int) -> float:
    with ThreadPoolExecutor(together) as threads:
        start = time.perf_counter()
        for _ in threads.map(lambda operation: operation(), operations):
            pass
        return (time.perf_counter() - start) / len(operations)


def once(operations: Iterable[Operation], together: int) -> float:
    """Do all of it once, so many at the same time; seconds for each."""
    return _seconds(Job("once", 1, lambda _: operations, together), 1)


def report(title: str, found: Mapping[str, list[float]], floor: str) -> str:
    """A Markdown table: rate, time, and how many times the floor, each with its spread."""
    lines = [
        f"### {title}",
        "",
        "| what | per second | ms | times the floor |",
        "| --- | --- | --- | --- |",
    ]
    for name, times in found.items():
        ratios = [one / base for one, base in zip(times, found[floor], strict=True)]
        lines.append(
            f"| {name} | {spread([1 / one for one in times], '.0f')}"
            f" | {spread([one * 1000 for one in times], '.2f')}"
            f" | {'floor' if name == floor else spread(ratios, '.1f')} |"
        )
    return "\n".join([*lines, ""])


def spread(values: list[float], form: str) -> str:
    """Median, and in brackets the lowest and the highest."""
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"
