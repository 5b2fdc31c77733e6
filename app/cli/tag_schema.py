"""Tag command: `images schema tag`, which names the applied migrations, or lists the names."""

from yoyo.connections import get_backend

from app.migrations import tags
from app.migrations.connection import connect
from app.migrations.output import Output
from app.settings import read_settings


def tag_schema(name: str | None) -> None:
    """Record a tag, or print the tags of the database."""
    if name is not None:
        with get_backend("settings:") as backend, backend.lock():
            backend.tag(name)
        return
    settings = read_settings()
    output = Output(settings.migration_output)
    with connect(settings) as connection:
        for tag in tags.read(connection):
            last = max(tag.migration_ids)
            output.report(
                f"{tag.name}: up to {last}, {tag.tagged_at:%Y-%m-%d %H:%M:%S} UTC by {tag.username} on {tag.hostname}"
            )
