"""Warning of names in the settings that no setting has. Each command imports this, so it imports little."""

from app.cli.output import note
from app.setting_sources import unknown_names


def warn_of_unknown_names() -> None:
    """Note each unknown name in a source of the settings, except with --quiet. Call it once per command."""
    for sentence in unknown_names():
        note(f"warning: {sentence}")
