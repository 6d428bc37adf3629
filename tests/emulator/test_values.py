"""Values: equality, JSON as people see it, and the lossless text of the journal."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.values import dump, equals, from_json, load, number_text, to_json, type_name

NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def same(left: Any, right: Any) -> bool:
    """Equal in value and in every type, with the keys in the same order."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, float):
        return math.copysign(1, left) == math.copysign(1, right) and left == right
    return bool(left == right)


class TestDump:
    @given(VALUES)
    def test_load_gives_back_exactly_what_was_dumped(self, value):
        assert same(load(dump(value)), value)

    @pytest.mark.parametrize(
        "value",
        [{"$bytes": "AA=="}, {"$$bytes": 1}, {"$": {"$bytes": b"x"}}, {"$bytes": 1, "a": 2}],
    )
    def test_keys_that_look_like_ours_are_kept(self, value):
        assert same(load(dump(value)), value)


class TestToJson:
    @given(JSON_VALUES)
    def test_python_reads_what_is_written(self, value):
        """A whole double is written as an integer, of which Python keeps every digit."""
        read = json.loads(to_json(value), parse_int=float)

        assert equals(read, json.loads(json.dumps(value), parse_int=float))

    @given(JSON_VALUES.filter(lambda value: "-0.0" not in repr(value)))
    def test_what_was_read_is_written_alike(self, value):
        text = to_json(value)

        assert to_json(from_json(text)) == text

    def test_it_is_compact_with_sorted_keys_and_non_ascii_text(self):
        assert to_json({"b": [1, None, True], "a": "ñ\n"}) == '{"a":"ñ\\n","b":[1,null,true]}'

    def test_bytes_have_no_json(self):
        with pytest.raises(TypeError, match="bytes cannot be written as JSON"):
            to_json([b"x"])


class TestNumberText:
    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (5, "5"),
            (5.0, "5"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1e6, "1000000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000001, "0.000001"),
            (1e-7, "1e-7"),
            (-1.25e-10, "-1.25e-10"),
            (9007199254740993, "9007199254740993"),
        ],
    )
    def test_it_is_written_as_by_go(self, number, text):
        assert number_text(number) == text

    @given(NUMBERS)
    def test_it_reads_back_as_the_same_number(self, number):
        assert float(number_text(number)) == float(number)


class TestFromJson:
    @given(JSON_VALUES)
    def test_it_reads_what_python_writes(self, value):
        assert equals(from_json(json.dumps(value)), value)

    def test_a_whole_number_is_an_integer_and_any_other_a_double(self):
        assert same(from_json("[1, 1.0, 1e0, -0]"), [1, 1.0, 1.0, 0])

    def test_an_integer_beyond_64_bits_is_a_double(self):
        read = from_json(f"[{2**63 - 1}, {2**63}, {'9' * 300}]")

        assert same(read, [2**63 - 1, float(2**63), float("9" * 300)])

    @pytest.mark.parametrize(
        "text", ["", "{", "NaN", "Infinity", "-Infinity", "1e999", "9" * 400, "[1,]", "\ud800"]
    )
    def test_what_is_no_json_is_a_value_error(self, text):
        with pytest.raises(ValueError, match=r".+"):
            from_json(text)

    @pytest.mark.parametrize("depth", [101, 990, 100_000])
    def test_what_is_nested_too_deep_is_a_value_error(self, depth):
        with pytest.raises(ValueError, match="nested"):
            from_json("[" * depth + "]" * depth)

    def test_a_hundred_deep_is_fine(self):
        assert from_json("[" * 100 + "]" * 100)

    def test_half_a_surrogate_pair_is_replaced_everywhere(self):
        assert from_json('{"\\ud800": ["\\udc00x", "\\ud83d\\ude00"]}') == {
            "\ufffd": ["\ufffdx", "😀"]
        }


class TestEquals:
    @given(VALUES)
    def test_a_value_equals_its_copy(self, value):
        assert equals(value, load(dump(value)))

    def test_booleans_are_no_numbers_at_any_depth(self):
        assert not equals([{"a": True}], [{"a": 1}])
        assert equals([{"a": True}], [{"a": True}])

    def test_bytes_are_no_text(self):
        assert not equals(b"a", "a")


class TestTypeName:
    def test_a_boolean_is_no_integer(self):
        assert [type_name(value) for value in (True, 1, 1.0)] == ["boolean", "integer", "double"]
