"""Commands of the database schema: `images schema status`, `plan`, `check`, `review`, `rollback` and others."""

from pathlib import Path

import click

from app.cli.commands.classes import FilePath, Group, WholeNumber, format_option
from app.cli.commands.migration_names import complete_migration, migrations_argument
from app.errors import UsageError


@click.group(cls=Group)
@click.option(
    "--project",
    type=FilePath(),
    metavar="FOLDER",
    help="The folder with yoyo.ini. Default: SCHEMA_PROJECT, or the current folder, or one above it.",
)
@click.pass_context
def schema(context: click.Context, project: Path | None) -> None:
    """Inspect the schema of the database, and write migrations."""
    from app.project import chosen

    context.with_resource(chosen(project))


@schema.command(
    params=[format_option("text", "json")],
    examples="images schema status\nimages schema status --format json",
    exit_codes={0: "up to date", 1: "migrations are pending, or something is wrong", 3: "could not be read"},
)
def status(format: str) -> int:
    """Show each migration, the running migrator, and drift."""
    from app.cli.schema_commands import show_status

    return show_status(format)


@schema.command(
    warns=False,
    params=[format_option("text", "json", "sarif")],
    examples="images schema check\nimages schema check sql/migrations/0028_index_images_title.sql\n"
    "images schema check --format sarif > schema.sarif",
    exit_codes={0: "no findings", 1: "findings", 3: "could not be checked"},
)
@click.argument("files", nargs=-1, type=FilePath(), metavar="[FILE]...")
def check(files: tuple[Path, ...], format: str) -> int:
    """Find unsafe statements in sql/, without a database.

    With FILE, show only the findings in these files. The command still reads all of sql/, because the effect of a
    statement depends on earlier migrations.
    """
    from app.cli.schema_commands import check_files

    return check_files(list(files), format)


@schema.command(
    params=[format_option("text", "markdown", "html", "json")],
    examples="images schema review\nimages schema review 0028_index_images_title --rows 1000000 --format html",
    exit_codes={0: "safe, or safe with care", 1: "unsafe", 3: "could not be reviewed"},
)
@migrations_argument
@click.option(
    "--rows",
    type=WholeNumber(1, 100_000_000),
    default=200_000,
    show_default=True,
    help="Rows to create in each table.",
)
@click.option("--save", is_flag=True, help="Keep the times in sql/review/measured.json, for `images schema plan`.")
@click.option("--latest-only", is_flag=True, help="Do not repeat the review on the oldest installed PostgreSQL.")
def review(migrations: tuple[str, ...], rows: int, save: bool, latest_only: bool, format: str) -> int:
    """Run migrations on a scratch database, and measure them.

    MIGRATION is an ID, its number, a part of it, or a file. Without MIGRATION, the command reviews the pending
    migrations of the database.
    """
    from app.cli.schema_commands import show_review

    return show_review(list(migrations), rows, format, save=save, with_older=not latest_only)


@schema.command(
    params=[format_option("text", "json")],
    examples="images schema plan\nimages schema plan --rollback 0030_create_content_checks --format json",
    exit_codes={0: "nothing to do", 1: "migrations are pending, or something is wrong", 3: "could not be read"},
)
@click.option(
    "--rollback",
    metavar="REVISION",
    shell_complete=complete_migration,
    help="Plan `yoyo rollback -r REVISION` instead of `yoyo apply`. REVISION is an ID, its number, or a part of it.",
)
def plan(rollback: str | None, format: str) -> int:
    """Show what `yoyo apply` would do to this database now.

    It lists each statement of a pending migration with its locks, and the rows that it rewrites or reads. It also has
    an estimate of its time, and the sessions that block it now. The command writes nothing.
    """
    from app.cli.schema_commands import show_plan

    return show_plan(rollback, format)


@schema.command(warns=False, examples='images schema new "Index images title"')
@click.argument("message")
def new(message: str) -> None:
    """Create the files of a migration and of its rollback.

    MESSAGE says what the migration does, and begins with a verb. The names of the files come from it.
    """
    from app.migrations.new_migration import create

    path = create(message)
    print(path)
    print(path.with_suffix(".rollback.sql"))


@schema.command(
    params=[format_option("text", "json", "sql")],
    examples="images schema drift\nimages schema drift --format sql > restore.sql",
    exit_codes={0: "no drift", 1: "the live schema differs", 3: "could not be compared"},
)
def drift(format: str) -> int:
    """Show differences between the live schema and sql/schema.sql.

    The file sql/drift.ignore has patterns of things that others may change, one a line: PATTERN  # REASON. With the
    format sql, the command prints the statements that bring the live schema back. It does not run them.
    """
    from app.cli.show_drift import show_drift

    return show_drift(format)


@schema.command(
    params=[format_option("text", "json")],
    examples="images schema verify\nimages schema verify --repair --format json",
    exit_codes={0: "no faults, or all were repaired", 1: "faults are left", 3: "could not be verified"},
)
@click.option("--repair", is_flag=True, help="Also add missing rows, and delete wrong ones.")
def verify(repair: bool, format: str) -> int:
    """Compare the tables that triggers fill with their source.

    The checks are the files of sql/verify/. Each reads its table in small ranges, while the service runs. The
    result is recorded, for /schema and /metrics. A repair skips rows that another session is changing, and waits at
    most half a second for a lock.
    """
    from app.cli.verify_schema import verify_schema

    return verify_schema(format, repairs=repair)


@schema.command(
    has_events=True,
    examples="images schema tag v1.2\nimages schema tag",
    exit_codes={1: "the name has other migrations, or no migration is applied"},
)
@click.argument("name", required=False)
def tag(name: str | None) -> None:
    """Record a name for the applied migrations, or list all.

    `images schema rollback --to NAME` returns to them.
    """
    from app.cli.tag_schema import tag_schema

    tag_schema(name)


@schema.command(
    has_events=True,
    examples="images schema rollback --to v1.2\nimages schema rollback --to v1.2 --yes",
    exit_codes={0: "done, or nothing to roll back", 1: "nothing was rolled back", 3: "failed"},
)
@click.option("--to", "name", required=True, metavar="RELEASE", help="A tag of `images schema tag`, or a git tag.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rollback(name: str, yes: bool) -> int:
    """Roll back the migrations that a release does not have.

    The command shows the plan and asks you to confirm it. Like `yoyo rollback`, it rejects a rollback
    that would lose rows, unless ACCEPT_DATA_LOSS names the migration.
    """
    from app.cli.schema_commands import roll_back

    return roll_back(name, is_confirmed=yes)


@schema.command(
    warns=False,
    has_events=True,
    examples="images schema renumber sql/migrations/0038_index_images_title.sql\nimages schema renumber 0038_index",
)
@click.argument("file", type=FilePath())
def renumber(file: Path) -> None:
    """Give a migration and its dependents the next free number.

    Use this if another branch took the number. The command renames the files and corrects the references in sql/, docs/
    and the pages. A database that has applied the old number gets the new one with its next `yoyo apply`. FILE may also
    be an ID or a part of it. Two files can have the same number.
    """
    from app.cli.renumber_migration import renumber_migration

    renumber_migration(file)


@schema.command(
    warns=False, has_events=True, examples="images schema baseline 0037\nimages schema baseline 0037 --release v1.2"
)
@click.argument("number", metavar="NNNN", shell_complete=complete_migration)
@click.option("--release", metavar="NAME", help="The release that has the deleted files. Default: as git describes it.")
def baseline(number: str, release: str | None) -> None:
    """Replace the migrations up to NNNN by one file.

    NNNN is a number, an ID, a part of it, or a file. A new database begins with the new file. A database that has
    applied all of the old ones continues. Any other database first needs the release that has the old files.
    """
    from app.cli.schema_commands import development_packages

    with development_packages():
        from app.cli.make_baseline import make_baseline

    make_baseline(number, release)


@schema.command(
    warns=False, has_events=True, examples="images schema accept 0005_index_images_newest\nimages schema accept --all"
)
@migrations_argument
@click.option("--all", "every", is_flag=True, help="Accept every edited migration.")
def accept(migrations: tuple[str, ...], every: bool) -> None:
    """Accept edited migration files.

    Use this if you edited the file of a migration after it was applied. The command records the new checksum. It does
    not run the migration again. MIGRATION is an ID, its number, a part of it, or a file.
    """
    if every == bool(migrations):
        raise UsageError("name the edited migrations, or give --all.", "list them: images schema status")
    from app.cli.schema_commands import accept_migrations

    accept_migrations(list(migrations))


@schema.command(examples="images schema dump --output sql/schema.sql\nimages schema dump | less")
@click.option(
    "-o",
    "--output",
    type=FilePath(),
    metavar="FILE",
    help="Write to FILE instead of stdout. FILE is replaced only when the dump is complete.",
)
def dump(output: Path | None) -> None:
    """Print the live schema in the format of sql/schema.sql."""
    from app.cli.schema_commands import dump_schema

    dump_schema(output)
