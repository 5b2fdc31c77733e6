"""Names and values as a query string or a form has them, into a model."""

from collections.abc import Collection, Iterable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from app.web.problems import Repeated, invalid

Query = TypeVar("Query", bound=BaseModel)


class NoParameters(BaseModel):
    """The query parameters of a request that has none."""

    model_config = ConfigDict(extra="forbid")


def values(items: Iterable[tuple[str, object]], repeatable: Collection[str]) -> dict[str, object]:
    """One value a name, a list where the name is repeatable."""
    lists: dict[str, list[object]] = {}
    for name, value in items:
        lists.setdefault(name, []).append(value)
    return {
        name: given if name in repeatable else given[0] if len(given) == 1 else Repeated(given)
        for name, given in lists.items()
    }


def parameters(request: Request, model: type[Query]) -> Query:
    """The query string as the model has it. Raises ProblemError 422, which names each parameter at fault."""
    try:
        given = values(request.query_params.multi_items(), repeatable={"tag"})
        return model.model_validate(given, context=request.state["settings"])
    except ValidationError as error:
        raise invalid(error, parameters=True) from None
