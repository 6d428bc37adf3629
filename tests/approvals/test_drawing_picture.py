"""The picture and the list say the same, are readable, and hold nothing that is not text."""

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from django.template.loader import render_to_string

from approvals.drawing.following import decided_on, follows
from approvals.drawing.graph import Kind
from approvals.drawing.outline import outline
from approvals.drawing.picture import Drawn, Mark, picture
from approvals.drawing.progress import Question, Ran, Stage, ran, site_of
from approvals.drawing.reading import read
from approvals.drawing.words import doing, spoken
from tests.approvals.drawings import ALL, OURS, step_of

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = (
    *('"<script>alert(1)</script>"', '"</svg><img src=x onerror=alert(1)>"', "'{{ 7*7 }}'"),
    *("'&lt;b&gt;'", "'a\" onload=\"alert(1)'", "支払いを承認する" * 9, "👩‍👩‍👧👍", "אישור_תשלום"),
    *("W" * 300, '"\\u202etxt.exe"', "'%(host)s'", "'a: b'"),
)


def painted(source, done=None, marks=None, routine="main"):
    graph = read(source)
    found = picture(graph, routine, Drawn(done or Ran(), marks or {}), None)
    return render_to_string("approvals/_way_picture.html", {"picture": found, "number": 1})


def svg_of(html):
    text = re.search(r"<svg.*</svg>", html, re.DOTALL)[0]
    return ElementTree.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" '))


def texts(svg):
    return [element.text for element in svg.iter(f"{SVG}text")]


def names(groups):
    """The names of a list with those of the lists in it."""
    for group in groups:
        for item in group.items:
            yield item.name
            yield from names(item.groups)


class TestPicture:
    @pytest.mark.parametrize("name", ALL)
    def test_boxes_stand_beside_one_another_and_within_the_picture(self, name):
        graph = read(ALL[name])

        for routine in graph.shown:
            found = picture(graph, routine, Drawn(), None)
            for box, other in combinations(found.boxes, 2):
                beside = box.x + box.width <= other.x or other.x + other.width <= box.x
                assert beside or box.y + box.height <= other.y or other.y + other.height <= box.y
            for box in found.boxes:
                assert 0 <= box.x <= found.width - box.width
                assert 0 <= box.y <= found.height - box.height

    @pytest.mark.parametrize("name", ALL)
    def test_picture_and_list_have_the_same_steps(self, name):
        graph = read(ALL[name])
        told = outline(graph, Ran())

        for routine, group in zip(graph.shown, told.groups, strict=True):
            boxes = picture(graph, routine, Drawn(), None).boxes
            drawn = [box.title.partition(": ")[0] for box in boxes if box.kind != "end"]
            assert sorted(drawn) == sorted(names([group]))

    def test_it_has_a_name_and_says_all_in_words(self):
        svg = svg_of(painted(OURS["supplier-payment"]))

        assert svg.get("role") == "img"
        ids = svg.get("aria-labelledby").split()
        said = {element.get("id"): element.text for element in svg.iter() if element.get("id")}
        assert said[ids[0]] == "The steps of the workflow, from top to bottom"
        assert "ask accounting: waits for the answer of people." in said[ids[1]]

    def test_how_a_step_stands_is_said_and_not_only_coloured(self):
        graph = read(OURS["supplier-payment"])
        stages = {step_of(graph, "describe").number: Stage.DONE}
        done = Ran({**stages, step_of(graph, "pay").number: Stage.FAILED})

        svg = svg_of(painted(OURS["supplier-payment"], done.waiting(graph.sites[0])))

        assert {"✓ done", "✕ failed", "● waits here"} <= set(texts(svg))
        here = [box for box in svg.iter(f"{SVG}svg") if box.get("id") == "way-here"]
        assert "ask accounting" in texts(here[0])

    def test_a_line_says_which_answer_takes_it(self):
        graph = read(OURS["supplier-payment"])
        way = follows(graph, graph.sites[0], "approved")
        marks = dict.fromkeys(decided_on(way), Mark("Approve", "good"))

        svg = svg_of(painted(OURS["supplier-payment"], marks=marks))

        assert texts(svg).count("Approve") == 1
        assert [each for each in svg.iter() if each.get("class") == "line good"] != []

    def test_nothing_in_it_is_style_or_script(self):
        for name in OURS:
            html = painted(OURS[name])
            assert "style" not in html
            assert "<script" not in html
            assert not re.search(r"\son\w+=", html)


class TestHostile:
    @pytest.mark.parametrize("name", HOSTILE)
    def test_a_name_is_text_whatever_it_is(self, name):
        source = f"- {name}:\n    call: http.get\n- {name[:-1]}2{name[-1]}: {{call: {name}}}\n"

        html = painted(source)
        tags = {element.tag.removeprefix(SVG) for element in svg_of(html).iter()}

        assert tags <= {"svg", "title", "desc", "g", "rect", "path", "text"}
        assert "\u202e" not in html

    def test_no_line_of_text_is_longer_than_its_box(self):
        html = painted("- " + "W" * 300 + ": {call: sys.log}\n- " + "支" * 200 + ": {return: 1}\n")

        assert max(len(text) for text in texts(svg_of(html))) <= 28


class TestWords:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("pay_invoice", "pay invoice"),
            ("pay-invoice", "pay invoice"),
            ("payInvoice", "pay invoice"),
            ("PAY", "PAY"),
            ("IBAN_check", "IBAN check"),
            ("step1", "step1"),
            ("__", ""),
        ],
    )
    def test_names_are_said_as_words(self, name, said):
        assert spoken(name) == said

    @pytest.mark.parametrize(
        ("call", "said"),
        [
            ("http.get", "sends a request to another system"),
            ("sys.log", "writes a line to its log"),
            ("sys.sleep", "pauses"),
            ("events.create_callback_endpoint", "gets ready to hear the answer"),
            ("events.await_callback", "waits for the answer of people"),
            ("googleapis.bigquery.v2.jobs.insert", "uses the Google service “bigquery”"),
            ("other_part", "does “other part”"),
            ("math.max", "works something out"),
            ("", "works something out"),
        ],
    )
    def test_a_call_is_said_without_its_arguments(self, call, said):
        source = f"main: {{steps: [{{a: {{call: '{call}'}}}}]}}\nother_part: {{steps: []}}"
        graph = read(source)

        assert doing(graph, graph.steps[0]) == said

    def test_every_kind_of_step_has_words(self):
        source = "- a: {%s: []}"
        for kind in set(Kind) - {Kind.CALL, Kind.NOTHING}:
            graph = read(source % kind.value)
            assert graph.steps[0].kind is kind
            assert doing(graph, graph.steps[0])


DONE, NOW = "STATE_SUCCEEDED", "STATE_IN_PROGRESS"


class TestProgress:
    SOURCE = OURS["supplier-onboarding"]

    def entries(self, *steps):
        return [("main", name, state, "") for name, state in steps]

    def test_steps_stand_as_google_says(self):
        graph = read(self.SOURCE)
        entries = [
            *self.entries(("begin", DONE), ("ask", NOW)),
            ("request_approval", "wait", NOW, ""),
            ("main", "not in the source", DONE, ""),
        ]

        found = ran(graph, entries, [])

        begin, ask = step_of(graph, "begin"), step_of(graph, "ask")
        assert found.stages[begin.number] is Stage.DONE
        assert found.stages[ask.number] is Stage.NOW
        assert (begin.number, ask.number) in found.gone
        assert found.order[:2] == (begin, ask)

    def test_a_step_that_failed_and_went_well_at_last_is_done(self):
        graph = read(self.SOURCE)
        twice = [("ask", "STATE_FAILED"), ("ask", DONE), ("begin", NOW), ("begin", DONE)]

        found = ran(graph, self.entries(*twice), [])

        assert found.stages[step_of(graph, "ask").number] is Stage.DONE
        assert found.stages[step_of(graph, "begin").number] is Stage.NOW

    def test_without_entries_the_current_step_is_known(self):
        graph = read(self.SOURCE)

        found = ran(graph, [], [("main", "ask")])

        assert found.stages == {step_of(graph, "ask").number: Stage.NOW}

    def test_branches_do_not_draw_lines_between_one_another(self):
        graph = read(OURS["release-gate"])
        entries = [("main", "ask", NOW, "0.0"), ("main", "keep", NOW, "0.1")]

        assert ran(graph, entries, []).gone == frozenset()

    @pytest.mark.parametrize(
        ("question", "site"),
        [
            (Question("New supplier ACME", "round 1"), "ask"),
            (Question("Please correct the data of ACME", "correction 2"), "ask_requester"),
            (Question("Please correct the data of ACME"), "ask_requester"),
            (Question("Something else", "other"), None),
        ],
    )
    def test_which_question_is_whose_is_told_by_title_and_key(self, question, site):
        graph = read(self.SOURCE)

        found = site_of(graph, Ran(), question)

        assert (found.name if found else None) == site

    def test_else_by_the_step_that_runs(self):
        graph = read(self.SOURCE)
        done = ran(graph, self.entries(("ask", DONE), ("ask_requester", NOW)), [])

        assert site_of(graph, done, Question("?", "?")).name == "ask_requester"
