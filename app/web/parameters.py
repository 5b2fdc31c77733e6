"""Query parameters and form fields: validated by a pydantic model."""

from collections.abc import Collection, Iterable
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from app.catalogue.faults import Repeated
from app.web.problems import ProblemError, invalid
from app.web.state import State

MAX_OTHERS = 100  # query parameters besides tags. No operation has as many

Query = TypeVar("Query", bound=BaseModel)


class NoParameters(BaseModel):
    """The query parameters of an operation without parameters: each one is rejected."""

    model_config = ConfigDict(extra="forbid")


def values(items: Iterable[tuple[str, object]], repeatable: Collection[str]) -> dict[str, object]:
    """Return one value for each name, or a list if the name is repeatable."""
    lists: dict[str, list[object]] = {}
    for name, value in items:
        lists.setdefault(name, []).append(value)
    return {
        name: given if name in repeatable else given[0] if len(given) == 1 else Repeated(given)
        for name, given in lists.items()
    }


def parameters(request: Request[State], model: type[Query]) -> Query:
    """Return the query string as a model. Raises ProblemError: 422, with an error for each wrong parameter.

    Parsing 30,000 parameters takes 37 ms of CPU, 40 times as long as a 401. So a longer query is not parsed.
    """
    most = request.state["settings"].max_tags + MAX_OTHERS
    if sum(map(bool, request.scope["query_string"].split(b"&"))) > most:
        raise ProblemError(422, "invalid-request", f"The URL has more than {most} query parameters.")
    try:
        unquote_to_bytes(request.scope["query_string"]).decode()  # Starlette would replace what is not UTF-8
    except UnicodeDecodeError:
        raise ProblemError(422, "invalid-request", "The query parameters must be UTF-8.") from None
    try:
        given = values(request.query_params.multi_items(), repeatable={"tag"})
        return model.model_validate(given, context=request.state["settings"])
    except ValidationError as error:
        raise invalid(error, model, parameters=True) from None
