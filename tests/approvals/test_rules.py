"""What a type may say, and what is no rule."""

import pytest

from countersign.policies import rules_in, stages_in

RULE = {"field": "Amount", "operator": ">", "value": 10, "approvers": ["group:cfo"]}


class TestRead:
    def test_a_rule_and_a_stage_are_read(self):
        (rule,) = rules_in([RULE])
        (stage,) = stages_in([{"approvers": ["group:cfo"], "votes_needed": "everyone"}], "Why")

        assert (str(rule), rule.votes_needed) == ("Amount > 10", 1)
        assert (stage.votes_needed, stage.asked[0].why) == (None, "Why")

    @pytest.mark.parametrize(
        "rule",
        [
            {"operator": "~"},
            {"value": "10"},
            {"value": True},
            {"operator": "in", "value": "abc"},
            {"approvers": []},
            {"approvers": ["cfo"]},
            {"votes_needed": 0},
        ],
        ids=str,
    )
    def test_a_rule_that_could_not_be_worked_out_is_refused(self, rule):
        with pytest.raises((ValueError, TypeError)):
            rules_in([RULE | rule])

    @pytest.mark.parametrize("data", [{}, "x", ["x"], [{"approvers": "group:cfo"}]])
    def test_what_is_no_list_of_stages_is_refused(self, data):
        with pytest.raises(TypeError):
            stages_in(data)
