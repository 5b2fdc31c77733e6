"""Owner, rights and comment of the schema itself, as statements that take them back."""

from app.migrations.drift_fix_rights import changes, levels
from app.schema.drift import GRANT, NO_RIGHT, Difference

NOTE = "  -- as the owner of the schema"


def restore_schema(difference: Difference, schema: str) -> list[tuple[float, str]]:
    """Return the statements with their places, or none if the difference is not of the schema itself."""
    match = GRANT.fullmatch(difference.thing)
    if match and match["object"] == "schema":
        # A role that has rights on the objects needs USAGE.
        wanted = {"USAGE": 1} if difference.found == NO_RIGHT else levels(difference.expected)
        texts = changes(wanted, levels(difference.found), f"SCHEMA {schema}", "", match["role"])
        return [(70, text + NOTE) for text in texts]
    if difference.thing == "owner of schema" and difference.found:
        owner = difference.found.rpartition(", not ")[2]
        return [(60, f"ALTER SCHEMA {schema} OWNER TO {owner};  -- as a superuser")]
    if difference.thing == "comment on schema":
        comment = "NULL" if difference.expected is None else "'" + difference.expected.replace("'", "''") + "'"
        return [(50, f"COMMENT ON SCHEMA {schema} IS {comment};{NOTE}")]
    return []
