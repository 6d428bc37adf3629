"""Bodies of requests: JSON that both databases can keep, read strictly."""

from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from countersign.strict_json import read_json


class StrictJson(Parser):
    """Reads bodies strictly. Ninja turns what is raised into a 400."""

    def parse_body(self, request: HttpRequest) -> Any:
        return read_json(request.body)
