"""Adoption of an object store, `images objects adopt`: gives the database and the store the same identity."""

import asyncio
from uuid import UUID

from obstore.store import ObjectStore

from app.catalogue import ownership
from app.catalogue.ownership import State
from app.cli.failures import FAILURES, failure
from app.cli.output import note
from app.cli.store_folder import warn_if_root
from app.database import queries
from app.database.pool import Pool
from app.embedded_postgres import connectable
from app.errors import CommandError
from app.settings import read_settings
from app.storage import store


def adopt_store(replaced: UUID | None) -> None:
    """Give the database and the store the same ID.

    If the store has an ID, `replaced` must be that ID, and both get a new one. Raises CommandError if the store has
    another ID, has no bytes of the images, or fails.
    """
    settings = read_settings(needs_store=True)
    objects = store.open_store(settings.storage_url)
    warn_if_root(settings.storage_url)
    connectable(settings.database_url)  # outside of the event loop, because it may start a server

    async def work() -> None:
        await store.reach(objects)  # a bucket that does not exist looks like one without the key
        async with Pool(settings) as pool:
            await _adopt(pool, objects, replaced)

    try:
        asyncio.run(work())
    except FAILURES as error:
        raise failure(error, settings) from error


async def _adopt(pool: Pool, objects: ObjectStore, replaced: UUID | None) -> None:
    found = await ownership.compare(pool, objects)
    if replaced is None and found.state is State.OURS:
        note(f"The object store already belongs to this database. Both have the ID {found.own}.")
        return
    is_damaged = found.state is State.FOREIGN and found.found is None
    if replaced != found.found or is_damaged:
        if replaced is None or is_damaged:
            fault = found.fault()
            assert fault is not None
            raise fault
        raise CommandError(
            f"the object store has {f'the ID {found.found}' if found.found else 'no ID'}, not {replaced}.",
            "check STORAGE_URL, and run the command with the ID that the store has",
        )
    has_images = bool(await queries.list_contents(pool, b"", 1))
    if has_images and not await ownership.has_known_bytes(pool, objects):
        raise CommandError(
            "the object store does not have the bytes of most of the images: it was not adopted.",
            "check STORAGE_URL, copy the bytes into the store, and run the command again",
        )
    note(f"The object store is adopted. It and the database have the ID {await ownership.replace(pool, objects)}.")
