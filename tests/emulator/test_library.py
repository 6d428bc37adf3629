"""The table of library functions as a whole. What each gives is in cases/library.yaml."""

import pytest

import emulator.library  # noqa: F401  # fills the table of functions
from emulator.errors import WorkflowError
from emulator.library.registry import (
    CONSTANTS,
    FUNCTIONS,
    POLICIES,
    Kind,
    bind_named,
    bind_positional,
    find,
    function,
)
from emulator.values import Value

# Every function of the specification, with its parameters in order.
SIGNATURES = """
base64.decode data padding
base64.encode data padding
default val defaultVal
double x
events.await_callback callback timeout
events.create_callback_endpoint http_callback_method
experimental.executions.map workflow_id arguments project_id location
experimental.executions.run workflow_id project_id location argument
get_type value
hash.compute_checksum data algorithm
hash.compute_hmac key data algorithm
http.default_retry_predicate exception
http.default_retry_predicate_non_idempotent exception
http.delete url timeout body headers query auth private_service_name ca_certificate
http.get url timeout headers query auth private_service_name ca_certificate
http.patch url timeout body headers query auth private_service_name ca_certificate
http.post url timeout body headers query auth private_service_name ca_certificate
http.put url timeout body headers query auth private_service_name ca_certificate
http.request method url timeout body headers query auth private_service_name ca_certificate
if condition ifTrue ifFalse
int x
json.decode data
json.encode data indent
json.encode_to_string data indent
keys map
len value
list.concat objs val
list.prepend objs val
map.delete map key
map.get map keys
map.merge first second
map.merge_nested first second
math.abs x
math.max x y
math.min x y
retry.always exception
retry.never exception
string x
sys.get_env name default
sys.log data severity text json timeout
sys.now
sys.sleep seconds
sys.sleep_until time
text.decode data charset
text.encode text charset
text.find_all source substr
text.find_all_regex source regexp
text.match_regex source regexp
text.replace_all source substr repl
text.replace_all_regex source regexp repl
text.split source separator
text.substring source start end
text.to_lower source
text.to_upper source
text.url_decode source
text.url_encode source
text.url_encode_plus source
time.format seconds timezone
time.parse value
uuid.generate
"""
BLOCKING = {
    *("events.await_callback", "experimental.executions.map", "experimental.executions.run"),
    *("http.delete", "http.get", "http.patch", "http.post", "http.put", "http.request"),
    *("sys.log", "sys.sleep", "sys.sleep_until"),
}
ASKED = {"events.create_callback_endpoint", "sys.now", "uuid.generate"}


class TestTable:
    def test_it_has_the_functions_of_the_service_and_no_others(self):
        listed = [
            " ".join([name, *(parameter.name for parameter in function.parameters or ())])
            for name, function in sorted(FUNCTIONS.items())
        ]

        assert listed == SIGNATURES.strip().splitlines()

    def test_the_world_answers_what_has_an_effect_or_looks_outside(self):
        kinds = {kind: set[str]() for kind in Kind}
        for name, found in FUNCTIONS.items():
            kinds[found.kind].add(name)

        assert kinds[Kind.BLOCKING] == BLOCKING
        assert kinds[Kind.WORLD] == ASKED

    def test_only_pure_functions_are_computed_here(self):
        for found in FUNCTIONS.values():
            assert (found.call is not None) == (found.kind is Kind.PURE)

    def test_every_function_says_what_it_gives(self):
        for found in FUNCTIONS.values():
            assert found.call is None or found.call.__doc__

    def test_policies_name_predicates(self):
        assert all(predicate in FUNCTIONS for predicate in POLICIES.values())

    def test_the_default_backoff(self):
        assert CONSTANTS["retry.default_backoff"] == {
            "initial_delay": 1,
            "max_delay": 60,
            "multiplier": 1.25,
        }


class TestFind:
    def test_every_connector_is_a_blocking_function_of_any_arguments(self):
        found = find("googleapis.compute.v1.instances.stop")

        assert found is not None
        assert found.kind is Kind.BLOCKING
        assert bind_named(found, {"x": 1}) == {"x": 1}
        with pytest.raises(WorkflowError) as refused:
            bind_positional(found, [1])
        assert refused.value.value["tags"] == ["TypeError"]

    def test_what_does_not_exist_is_none(self):
        assert find("math.floor") is None
        assert find("googleapis") is None


class TestBind:
    def test_defaults_are_filled_in_by_position_and_by_name(self):
        decode = FUNCTIONS["text.decode"]

        assert bind_positional(decode, [b"x"]) == {"data": b"x", "charset": "UTF-8"}
        assert bind_named(decode, {"charset": "a", "data": b"x"}) == {"data": b"x", "charset": "a"}

    @pytest.mark.parametrize("args", [[], [1, 2, 3]])
    def test_the_wrong_number_is_a_type_error(self, args):
        with pytest.raises(WorkflowError, match="TypeError"):
            bind_positional(FUNCTIONS["text.decode"], args)

    def test_only_what_may_be_absent_is_left_out(self):
        assert bind_named(FUNCTIONS["sys.log"], {"text": None}) == {
            "severity": "DEFAULT",
            "text": None,
        }


class TestFunction:
    def test_adding_a_function_is_adding_a_function(self):
        @function('test.greet(name: string|null, greeting: string="Hello", loud: boolean=false)')
        def greet(name: str | None, greeting: str, loud: bool) -> Value:
            """Return a greeting."""
            return f"{greeting} {name}{'!' if loud else ''}"

        try:
            added = FUNCTIONS["test.greet"]
            assert bind_positional(added, ["x"]) == {
                "name": "x",
                "greeting": "Hello",
                "loud": False,
            }
            assert added.parameters is not None
            assert added.parameters[0].expected == "string"
        finally:
            del FUNCTIONS["test.greet"]
        assert greet("x", "Hi", True) == "Hi x!"
