"""Problem types: each kind of error that a client may have to tell apart, with its statuses, its cause and its remedy.

The URL of a type, /problems/KIND, is also a page of the service. The page and docs/reference/problems.md are made from
this table: `python -m app.web.problem_types > docs/reference/problems.md`.
"""

from typing import NamedTuple

from app.errors import REJECTED_IMAGES


class ProblemType(NamedTuple):
    """A problem type. `title` is stable, `cause` says why it happens, and `remedy` says what the client can do."""

    statuses: tuple[int, ...]
    title: str
    cause: str
    remedy: str


TYPES = {
    "invalid-request": ProblemType(
        (400, 422),
        "The request is not valid",
        "A field of the body or a query parameter breaks a rule. With status 400, the body cannot be read at all.",
        "Read `errors`: each entry names one field by `pointer` or `parameter`, and the rule. Correct the request "
        "before you send it again.",
    ),
    "insufficient-scope": ProblemType(
        (403,),
        "The scope of the token is too small",
        "The token is valid, but its scope does not allow this request. A token of scope `read` may only read, `write` "
        "may also change images, and `admin` may also import records, and read the schema and positions.",
        "Use a token with the scope that `detail` names. An operator creates one with `images token create`.",
    ),
    "image-not-found": ProblemType(
        (404,),
        "There is no such image",
        "No image has this ID. It may have been deleted.",
        "Do not send the request again. Remove the ID from your records.",
    ),
    "content-missing": ProblemType(
        (404,),
        "The bytes of the image are missing",
        "The image exists, but the object store has no bytes for it, or other bytes.",
        "Upload the same bytes again: this restores them. An operator finds such images with `images objects check`.",
    ),
    "no-thumbnail": ProblemType(
        (404,),
        "These bytes have no thumbnail",
        "The image was stored by another program, and its bytes cannot be decoded.",
        "Read the bytes with `/content`. Do not ask for the thumbnail again.",
    ),
    "version-conflict": ProblemType(
        (412,),
        "The image has changed",
        "Another client has changed the image since you read it. Your change was not saved.",
        "Read the image again, apply your change to the new version, and send it with the new ETag in If-Match.",
    ),
    "unsupported-image": ProblemType(
        (415,),
        REJECTED_IMAGES["unsupported-image"],
        "The body is not an image, or its format is not supported. The bytes count, not the file name.",
        "Convert the image to a format that `detail` names.",
    ),
    "broken-image": ProblemType(
        (422,),
        REJECTED_IMAGES["broken-image"],
        "The file is damaged, incomplete or empty, or it takes too long to decode.",
        "Look at the file in another program. If it was cut off, upload the whole file. If decoding took too long, try "
        "again later, or upload a smaller version.",
    ),
    "too-many-pixels": ProblemType(
        (422,),
        REJECTED_IMAGES["too-many-pixels"],
        "Width times height is above the limit MAX_IMAGE_PIXELS, or one side has more than 1,000,000 pixels.",
        "Upload a smaller version, or ask the operator for a higher limit.",
    ),
    "too-many-requests": ProblemType(
        (429,),
        "The token has sent too many requests",
        "The token has a limit of requests a second, and this request is above it.",
        "Wait for the seconds in `Retry-After`. The header `RateLimit` has the number of requests that are left.",
    ),
    "upload-quota-exceeded": ProblemType(
        (429,),
        "The token has uploaded too much today",
        "The token has a limit of bytes a day, in UTC, and this body is above it.",
        "Wait for the seconds in `Retry-After`, until the next day in UTC. The header `RateLimit` has the bytes that "
        "are left.",
    ),
    "busy": ProblemType(
        (503,),
        "The service is busy",
        "Too many uploads, decodes, imports or exports run at the same time, and the request has waited too long.",
        "Wait for the seconds in `Retry-After`, then send the request again. Nothing was changed.",
    ),
    "database-unavailable": ProblemType(
        (503,),
        "The database is not available",
        "PostgreSQL cannot be reached, takes too long, or cannot write at the moment.",
        "Wait for the seconds in `Retry-After`. A change may have been saved: read before you send it again.",
    ),
    "storage-unavailable": ProblemType(
        (503,),
        "The object store is not available",
        "The object store cannot be reached, takes too long, or has no room.",
        "Wait for the seconds in `Retry-After`, then send the request again. Reads of records continue.",
    ),
    "migrations-pending": ProblemType(
        (503,),
        "Migrations are pending",
        "The schema of the database is older than this release. Most often its migrations are running.",
        "Wait for the seconds in `Retry-After`. The operator finds the reason with `images schema status`.",
    ),
    "wrong-store": ProblemType(
        (503,),
        "The object store belongs to another catalogue",
        "STORAGE_URL names the store of another database, so the service would mix the images of both.",
        "The operator corrects STORAGE_URL. For a copied store, see `images objects adopt --help`.",
    ),
    "draining": ProblemType(
        (503,),
        "The process is stopping",
        "This process received a signal to stop. Another process, or the next one, will answer.",
        "Wait for the seconds in `Retry-After`, then send the request again on a new connection.",
    ),
}


def as_markdown() -> str:
    """Return the reference page of all problem types."""
    lines = [
        "# Problems",
        "",
        "Each error of the API is a JSON object of the media type `application/problem+json` (RFC 9457). Its `type` is",
        "the path of a page of the service, such as `/problems/busy`. Compare the `type` in programs: it is stable. If",
        "the status is enough to know the error, the `type` is `about:blank`.",
        "",
        "This page is made from `app/web/problem_types.py`.",
    ]
    for kind, (statuses, title, cause, remedy) in TYPES.items():
        status = " or ".join(map(str, statuses))
        lines += ["", f"## {kind}", "", f"{title}. Status {status}.", "", cause, "", f"The remedy: {remedy}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")
