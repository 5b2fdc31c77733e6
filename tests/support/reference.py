"""Pages of docs/reference that come from the code: `python -m tests.support.reference` writes them.

cli.md is the help of each command, and api.md the OpenAPI document. In settings.md and metrics.md, some columns come
from the code. The script keeps the other columns as they are, so write those by hand.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import click
from annotated_types import Ge, Gt, Le, Lt, MaxLen
from prometheus_client import Metric
from pydantic import ByteSize, SecretStr
from pydantic.fields import FieldInfo

from app.cli.commands import images
from app.database.database_metrics import DatabaseMetrics
from app.main import OPERATIONS
from app.observability import metrics as metrics  # declares them
from app.observability.multiprocess import registry
from app.schema.history import Record, shipped
from app.settings import MODELS, ROOT, Settings, format_size
from app.web import openapi

FOLDER = ROOT / "docs" / "reference"
SUFFIXES = {"counter": "_total", "info": "_info"}  # of the names that Prometheus shows
MIN_SIZE = 1024  # bytes, from which on a size is shown with a unit
CLI = """# Command line

`images --help` lists the commands, and each command has `--help`. This page has the same text. `python -m
tests.support.reference` writes it. [Exit codes](exit-codes.md) are the same for all commands. For `yoyo`, see
[Options of yoyo](yoyo-options.md).

To complete commands with the Tab key, see [images completion](#images-completion).
"""

API = """# API

`/openapi.json` of the service is the whole document, with schemas and examples, and `/docs` shows it. This page is its
summary. `python -m tests.support.reference` writes it. The [guides](../how-to/api/upload-images.md) show how to use it.

Each response has `X-Request-ID`. Each response to a token with limits has `RateLimit-Policy` and `RateLimit`.
"""


def pages() -> dict[Path, str]:
    """Return the text of each page, as the code and the page itself have it."""
    settings, of_metrics = FOLDER / "settings.md", FOLDER / "metrics.md"
    return {
        FOLDER / "api.md": API + "".join(_api()),
        FOLDER / "cli.md": CLI + "".join(_commands(images, "images")),
        settings: re.sub(r"^\| `([A-Z_]+)` \|[^|]*\|[^|]*\|", _setting, settings.read_text(), flags=re.MULTILINE),
        of_metrics: _with_rows(of_metrics.read_text(), _metrics()),
    }


def _commands(command: click.Command, path: str, parent: click.Context | None = None) -> Iterator[str]:
    context = command.context_class(
        command,
        info_name=path.split()[-1],
        parent=parent,
        terminal_width=100,
        help_option_names=images.context_settings["help_option_names"],
    )
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from _commands(child, f"{path} {name}", context)
    elif not command.hidden:
        yield f"\n## {path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"


def _api() -> Iterator[str]:
    url = SecretStr("postgresql://db.example/images")
    settings = Settings.model_construct(database_url=url, auth="token", content_redirect=0)  # reads no environment
    document = openapi.describe(OPERATIONS, settings)
    operations = [
        (method.upper(), path, each) for path, item in document["paths"].items() for method, each in item.items()
    ]
    for tag in document["tags"]:
        yield f"\n## {tag['name']}\n"
        for method, path, operation in operations:
            if tag["name"] in operation["tags"]:
                yield f"\n### {method} {path}\n\n{operation['summary']}. {operation['description']}\n"
                if parameters := operation["parameters"]:
                    yield "\n| parameter | in | meaning |\n|---|---|---|\n"
                    yield from (
                        f"| `{each['name']}` | {each['in']} | {_cell(each.get('description', '') + _values(each))} |\n"
                        for each in parameters
                    )
                yield "\n| status | meaning | problems |\n|---|---|---|\n"
                for status, response in sorted(operation["responses"].items()):
                    yield f"| {status} | {_cell(response['description'])} | {_kinds(response)} |\n"


def _values(parameter: dict[str, Any]) -> str:
    """Return the values that a parameter may have, and its default."""
    schema, text = parameter["schema"], ""
    if values := schema.get("enum"):
        text += f" One of {', '.join(f'`{value}`' for value in values)}."
    elif "maximum" in schema:
        text += f" From {schema['minimum']:,} to {schema['maximum']:,}."
    return text + (f" Default: {default}." if (default := schema.get("default")) else "")


def _kinds(response: dict[str, Any]) -> str:
    """Return links to the problem types of a response."""
    examples = response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    return ", ".join(f"[{kind}](problems.md#{kind})" for kind in examples if kind != "plain")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _setting(row: "re.Match[str]") -> str:
    """Return the first three cells of a setting: its name, default and limits."""
    field = next(model.model_fields[row[1].lower()] for model in MODELS if row[1].lower() in model.model_fields)
    return f"| `{row[1]}` | {_default(field)} | {_limits(field)} |"


def _default(field: FieldInfo) -> str:
    value = None if field.is_required() else field.default
    if value is None or value == "":
        return "none"
    return f"`{_value(field, value)}`"


def _limits(field: FieldInfo) -> str:
    choices = [each for each in get_args(field.annotation) if isinstance(each, str)]
    if choices:
        return " or ".join(f"`{each}`" for each in choices)
    if field.annotation is bool:
        return "`true` or `false`"
    words = []
    for limit in field.metadata:
        match limit:
            case Ge(ge=bound):
                words.append(f"from {_value(field, bound)}")
            case Gt(gt=bound):
                words.append(f"more than {_value(field, bound)}")
            case Le(le=bound) | Lt(lt=bound):
                words.append(f"to {_value(field, bound)}")
            case MaxLen(max_length=bound):
                words.append(f"to {bound} characters")
    return " ".join(words)


def _value(field: FieldInfo, value: Any) -> str:
    if isinstance(value, bool):
        return json.dumps(value)
    if field.annotation is ByteSize and value >= MIN_SIZE:
        return format_size(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _metrics() -> Iterator[Metric]:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    values: dict[str, Any] = dict.fromkeys(Record.__annotations__) | {
        "migration_id": "0001_create_images",
        "applied_at": moment,
        "operation": "apply",
        "started_at": moment,
        "finished_at": moment,
    }
    check: Any = {"name": "x", "faults": 0, "repaired": 0, "checked_at": moment}
    yield from registry.collect()
    contents: Any = {"faults": 0, "checked_at": moment}
    yield from DatabaseMetrics(shipped(), [Record(**values)], 0.0, contents, [check]).collect()


def _with_rows(text: str, found: Iterator[Metric]) -> str:
    """Return the page with a row for each metric, sorted by name. The cells of the labels are those of the page."""
    labels = dict(re.findall(r"^\| `(images_\w+)` \|[^|]*\|[^|]*\| (.*) \|$", text, re.MULTILINE))
    rows = {
        metric.name + SUFFIXES.get(metric.type, ""): metric for metric in found if metric.name.startswith("images_")
    }
    lines = [
        f"| `{name}` | {metric.type} | {metric.documentation} | {labels.get(name, '')} |\n"
        for name, metric in sorted(rows.items())
    ]
    start = "| name | type | meaning | labels |\n|---|---|---|---|\n"
    before, _, after = text.partition(start)
    return before + start + "".join(lines) + after[after.index("\n| label") :]


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text)
