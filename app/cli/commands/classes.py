"""Command and group of the `images` command line: help with examples and exit codes, --quiet and --verbose."""

import math
from pathlib import Path
from typing import Any

import click

from app.text import encodable, printable
from app.verbosity import verbosity

COMPLETION = "_IMAGES_COMPLETE"  # environment variable in which a shell asks for completions
EVENTS = "app.events"  # in the meta of a context: "json" if stdout has only events, "requested" if that is not known
EXIT_CODES = {
    0: "done",
    2: "wrong usage or settings",
    3: "failed, or could not be checked",
}


class Command(click.Command):
    """A command whose help shows examples, one a line, and exit codes.

    `exit_codes` maps a code to its meaning for this command. The other codes have the meaning in EXIT_CODES.
    `common` adds --quiet and --verbose. With `warns`, it reports unknown names in the settings before it runs. With
    `has_events`, an error is an event too: see app/migrations/output.py.
    """

    def __init__(
        self,
        name: str | None,
        examples: str = "",
        exit_codes: dict[int, str] | None = None,
        common: bool = True,
        warns: bool = True,
        has_events: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.examples = examples
        self.warns = warns
        self.has_events = has_events
        self.exit_codes = {code: EXIT_CODES[code] for code in (0, 2, 3)} | (exit_codes or {})
        if common:
            self.params += common_options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[EVENTS] = "requested" if self.has_events else "text"
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        if self.has_events:
            from app.migrations.output import requested

            ctx.meta[EVENTS] = requested()  # that of the project, if --project names another one
        self._check_texts(ctx)
        if self.warns:
            from app.cli.unknown_names import warn_of_unknown_names

            warn_of_unknown_names()
        return super().invoke(ctx)

    def _check_texts(self, ctx: click.Context) -> None:
        """Raise click.UsageError if a text is empty or not UTF-8. The name of a file may have any bytes."""
        for parameter in self.params:
            value = ctx.params.get(parameter.name or "")
            for text in value if isinstance(value, tuple) else [value]:
                if parameter.type is click.STRING and isinstance(text, str):
                    require_text(text, parameter, ctx)
                    if encodable(text) != text:
                        raise click.BadParameter(f"{printable(text)} is not UTF-8.", ctx, parameter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples.strip().splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{example.strip()}\n")
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in sorted(self.exit_codes.items())])


def require_text(text: str, parameter: click.Parameter | None, context: click.Context | None) -> None:
    """Raise click.UsageError for an empty text, such as a variable of a script that is not set."""
    if not text and parameter is not None:
        name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name.strip("[].")
        raise click.UsageError(f"{name} must not be empty.", context)


class FilePath(click.Path):
    """The path of a file or a folder. An empty path would be the current folder, so it is rejected."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        require_text(str(value), param, ctx)
        return super().convert(value, param, ctx)


class PassingCommand(Command):
    """A command that passes its arguments to another program, except its own flags before the first argument."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        end = next((number for number, argument in enumerate(args) if argument not in own), len(args))
        rest = args[end + 1 :] if args[end : end + 1] == ["--"] else args[end:]
        return super().parse_args(ctx, [*args[:end], "--", *rest])


class Seconds(click.FloatRange):
    """A number of seconds within limits."""

    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return seconds


class WholeNumber(click.IntRange):
    """A whole number within limits."""

    name = "whole number"


class Bytes(click.ParamType[int]):
    """A number of bytes, such as 50MB or 50MiB, of at least 1."""

    name = "number of bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from pydantic import ByteSize, TypeAdapter, ValidationError  # slow to import

        try:
            size = int(TypeAdapter(ByteSize).validate_python(value))
        except ValidationError:
            size = 0
        if size < 1:
            self.fail(f"{value!r} is not a {self.name}. Examples: 50000000, 50MB.", param, ctx)
        return size


class Group(click.Group):
    """A group that lists its commands in the order of their declaration."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _set_quiet(context: click.Context, parameter: click.Parameter, is_given: bool) -> None:
    verbosity.is_quiet |= is_given  # it may also have been given before the command's name


def _set_verbose(context: click.Context, parameter: click.Parameter, is_given: bool) -> None:
    verbosity.is_verbose |= is_given


def common_options() -> list[click.Parameter]:
    """Return the options that every command has."""
    return [
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_set_quiet,
            help="Print only data and errors: no messages, no progress.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_set_verbose,
            help="Show the traceback of an error, and the message of the database driver.",
        ),
    ]


def format_option(*formats: str) -> click.Option:
    """Return the option --format, whose first choice is the default."""
    return click.Option(
        ["--format"], type=click.Choice(formats), default=formats[0], show_default=True, help="Output format."
    )
