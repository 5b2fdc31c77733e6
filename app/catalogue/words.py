"""Words of a search (the parameter `q`): tell words that PostgreSQL cannot read from a database that fails."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from asyncpg import InternalServerError

from app.database import queries
from app.database.errors import REJECTED_VALUES
from app.database.replica import ReadRouter
from app.errors import UnreadableWordsError

# PostgreSQL reads at most 32 nested exclusions: `-` before `-` and so on. Its error has the code of an internal error.
SUSPICIOUS = (InternalServerError, *REJECTED_VALUES)


@asynccontextmanager
async def searching(reads: ReadRouter, terms: Sequence[str], words: str | None) -> AsyncIterator[None]:
    """Raise UnreadableWordsError if the block fails because PostgreSQL cannot read the words.

    Only after an error, PostgreSQL is asked to read the words again, without a table.
    """
    try:
        yield
    except SUSPICIOUS as error:
        if words is not None and not await _are_readable(reads, terms, words):
            raise UnreadableWordsError from error
        raise


async def _are_readable(reads: ReadRouter, terms: Sequence[str], words: str) -> bool:
    try:
        await queries.parse_search(reads, terms, words)
    except SUSPICIOUS:
        return False
    return True
