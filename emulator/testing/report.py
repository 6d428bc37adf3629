"""What a failed test tells of its runs: state, approvals, log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emulator.testing.run import Run


def sections(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """A section of a report for each run."""
    return [(f"workflow {run.workflow}", "\n".join(_lines(run))) for run in runs]


def _lines(run: Run) -> Iterator[str]:
    yield f"{run.state} {', '.join(run.waiting_at)}"
    for approval in run.approvals:
        yield f"approval {approval.title!r}: {approval.status}"
    for line in run.log:
        yield f"log {line.severity} at {line.step}: {line.text}"
