"""Query parameters and form fields: validated by a pydantic model."""

from collections.abc import Collection, Iterable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from app.web.problems import Repeated, invalid
from app.web.state import State

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
    """Return the query string as a model. Raises ProblemError: 422, with an error for each wrong parameter."""
    try:
        given = values(request.query_params.multi_items(), repeatable={"tag"})
        return model.model_validate(given, context=request.state["settings"])
    except ValidationError as error:
        raise invalid(error, model, parameters=True) from None
