"""The limits of the service, each with Google's figure as its default."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source, a run and a request may use. Bytes are of UTF-8, times in seconds.

    The figures are those of Google's quotas page. The last group is ours: it keeps a hostile
    source from exhausting the machine before any of Google's limits is reached.
    """

    source_bytes: int = 128 * 1024
    assignments: int = 50
    conditions: int = 50
    expression_characters: int = 400
    branches: int = 10
    parameters: int = 10

    call_depth: int = 20
    parallel_depth: int = 2
    concurrent_branches: int = 20
    branch_errors: int = 100
    memory_bytes: int = 512 * 1024
    string_bytes: int = 256 * 1024
    steps: int = 100_000

    http_response_bytes: int = 2 * 1024 * 1024
    http_timeout: float = 1800.0
    sleep: float = 31_536_000.0
    argument_bytes: int = 32 * 1024
    environment_variables: int = 20
    environment_bytes: int = 4 * 1024

    source_depth: int = 100
    source_nodes: int = 100_000
    expression_depth: int = 100
    value_depth: int = 100
    active_executions: int = 10_000
    execution_depth: int = 100
