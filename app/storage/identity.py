"""Identity of the object store: the object catalogue.json, with the ID of the catalogue whose bytes the store has."""

from typing import Literal
from uuid import UUID

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError
from obstore.store import ObjectStore
from pydantic import BaseModel, ValidationError

from app.storage import files, store

KEY = "catalogue.json"  # `images objects check` looks for orphans only in sha256/ and thumbnails/
NO_CONDITION = "NotImplemented"  # S3's code if a server does not know If-None-Match


class Identity(BaseModel):
    """The content of catalogue.json."""

    catalogue: UUID
    note: str = "Written by image-catalogue. It says which database has the rows of these objects. Do not remove it."


class BrokenIdentityError(Exception):
    """The object catalogue.json cannot be read as an identity."""


async def read(objects: ObjectStore) -> UUID | None:
    """Return the ID in the store, or None if it has none.

    Raises BrokenIdentityError, and errors of obstore.
    """
    content = await store.read(objects, KEY)
    if content is None:
        return None
    try:
        return Identity.model_validate_json(content).catalogue
    except ValidationError:
        raise BrokenIdentityError from None


async def write(objects: ObjectStore, id: UUID, *, replace: bool = False) -> None:
    """Write the ID into the store. Without `replace`, keep an ID that another process has written meanwhile.

    Some S3 servers do not know the condition for that. Then a process overwrites the ID of another one, and both see
    it, because they read it afterwards.
    """
    content = Identity(catalogue=id).model_dump_json().encode()
    try:
        mode: Literal["create", "overwrite"] = "overwrite" if replace else "create"
        await store.in_time(objects, obstore.put_async(objects, KEY, content, mode=mode, use_multipart=False))
        await files.sync(objects, KEY)
    except AlreadyExistsError:
        pass
    except (NotSupportedError, BaseError) as error:
        if replace or not (isinstance(error, NotSupportedError) or NO_CONDITION in str(error)):
            raise
        await write(objects, id, replace=True)


async def is_empty(objects: ObjectStore) -> bool:
    """Return whether the store has no object except the identity. Empty folders do not count."""
    top = await store.in_time(objects, obstore.list_with_delimiter_async(objects))
    if any(each["path"] != KEY for each in top["objects"]):
        return False
    for folder in top["common_prefixes"]:
        if folder not in files.FILE_SYSTEM:
            async for _ in store.listing(objects, folder):
                return False
    return True
