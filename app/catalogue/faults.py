"""Plain words for the faults that pydantic finds in the fields of a request or in the options of a command."""

from pydantic_core import ErrorDetails

WHOLE_NUMBER = "must be a whole number"
NUMBER = "must be a number"
BOOLEAN = "must be true or false"
LIST = "must be a list"
OBJECT = "must be an object"
ONE_OF = "must be one of {expected}"
TIME = "must be a time such as 2026-01-31T12:00:00Z"
DATE = "must be a date such as 2026-01-31"
CLOCK = "must be a time of day such as 12:00:00"
# The texts of pydantic's errors by their type, with the names in their context. Some types occur only in models of the
# future.
FAULTS = {
    "extra_forbidden": "is unknown",
    "missing": "is required",
    "none_required": "must be null",
    "bool_type": BOOLEAN,
    "bool_parsing": BOOLEAN,
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_parsing_size": WHOLE_NUMBER,
    "int_from_float": WHOLE_NUMBER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "{pattern}",
    "list_type": LIST,
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "dict_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "invalid_key": "must have only strings as names",
    "invalid-json-value": "must be a JSON value",
    "union_tag_invalid": "must be a JSON value",
    "union_tag_not_found": "must be a JSON value",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "uuid_version": "must be a UUID of version {expected_version}",
    "literal_error": ONE_OF,
    "enum": ONE_OF,
    "date_type": DATE,
    "date_parsing": DATE,
    "date_from_datetime_parsing": DATE,
    "date_from_datetime_inexact": DATE,
    "time_type": CLOCK,
    "time_parsing": CLOCK,
    "timezone_aware": TIME,
    "datetime_type": TIME,
    "datetime_parsing": TIME,
    "datetime_object_invalid": TIME,
    "datetime_from_date_parsing": TIME,
    "value_error": "{error}",
}


# The rules that a regular expression of a model stands for.
PATTERNS = {
    "^[0-9a-f]{64}$": "must be a SHA-256: 64 characters from 0 to 9 and from a to f",
    "^#[0-9a-f]{6}$": "must be a color such as #1e5aca",
    r"^[^\x00]*$": "must not contain the character U+0000",
    r"^[1-9][0-9]{3}-(0[1-9]|1[0-2])$": "must be a month such as 2026-07",
}


class Repeated(list[object]):
    """The values of a name that was given more than once but allows one value. Every model rejects it."""


def explain(fault: ErrorDetails) -> str:
    """Return what is wrong with a field, as the predicate of a sentence: "must be a whole number"."""
    if isinstance(fault["input"], Repeated):
        return "must be given only once"
    context = {
        name: f"{value:g}" if isinstance(value, float) else value for name, value in fault.get("ctx", {}).items()
    }
    if "pattern" in context:
        context["pattern"] = PATTERNS.get(context["pattern"], f"must match {context['pattern']}")
    if "expected" in context:  # 'newest', 'oldest' or 'name'
        context["expected"] = context["expected"].replace(" or ", ", ").replace("'", "")
    kind: str = fault["type"]
    if kind in {"too_short", "too_long"} and isinstance(fault["input"], str):  # a text that a function has checked
        kind = f"string_{kind}"
    if kind == "string_too_short" and context["min_length"] == 1:
        return "must not be empty"
    text = FAULTS.get(kind)
    detail = fault["msg"] if text is None else text.format(**context)
    if detail == TIME and " " in str(fault["input"]):
        detail += " (in a URL, write + as %2B)"
    return detail
