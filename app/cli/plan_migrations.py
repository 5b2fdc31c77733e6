"""Plan command: `images schema plan`, from its arguments to the plan and the exit code."""

from app.cli.output import print_verdicts
from app.errors import ExitCode
from app.plan.plan import down_to, make_plan
from app.plan.render import as_json, as_text
from app.settings import read_settings


def show_plan(rollback: str | None, format: str) -> ExitCode:
    """Print what the migrator would do to the database. Return ACTION_NEEDED if there is something to do."""
    settings = read_settings()
    plan = make_plan(settings) if rollback is None else make_plan(settings, "rollback", down_to(rollback))
    if format == "json":
        print(as_json(plan))
    else:
        print_verdicts(as_text(plan))
    return plan.exit_code
