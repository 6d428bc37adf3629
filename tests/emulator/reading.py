"""The emulator's pages as tests read them, and workflows to look at."""

import textwrap
from html.parser import HTMLParser

import requests

from tests.emulators import EmulatorProcess, Execution

HTML = {"Accept": "text/html,application/xhtml+xml"}

FLOW = textwrap.dedent("""\
    main:
      params: [input]
      steps:
        - begin: {assign: [total: 0]}
        - loop:
            for:
              value: i
              range: [1, 3]
              steps:
                - add: {assign: [total: '${total + i}']}
        - which:
            switch:
              - condition: ${total > 100}
                next: never
              - condition: ${total == 6 and input.ask}
                next: ask
        - never: {return: 0}
        - ask: {call: events.create_callback_endpoint, result: endpoint}
        - wait:
            try: {call: events.await_callback, args: {callback: '${endpoint}', timeout: 900}}
            except: {as: e, steps: [{late: {return: late}}]}
        - both:
            parallel:
              branches:
                - left: {call: help, args: {n: 1}}
                - right: {assign: [x: 2]}
        - done: {return: '${"well " + "done"}'}
    help:
      params: [n]
      steps:
        - say: {call: sys.log, args: {text: helping, severity: WARNING}}
    """)
FAILING = "main:\n  steps:\n    - first: {assign: [x: 1]}\n    - bad: {raise: {code: 7}}\n"


class Text(HTMLParser):
    """The words of a page, its ids and its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given["href"]))

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def get(emulator: EmulatorProcess, path: str, **params: str | int) -> requests.Response:
    return requests.get(emulator.url + path, headers=HTML, params=params, timeout=20)


def look(emulator: EmulatorProcess, path: str, **params: str | int) -> Text:
    answer = get(emulator, path, **params)
    assert answer.status_code == 200, answer.text
    return Text(answer.text)


def seen(execution: Execution, more: str = "", **params: str | int) -> Text:
    return look(execution.emulator, f"/ui/executions/{execution.id}{more}", **params)
