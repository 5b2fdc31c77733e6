"""The peer in Python, as FastAPI's and SQLAlchemy's documentation has it: ORM, session a request, response_model.

With TOKEN, it has the duties of a service too: a bearer token, request IDs, and metrics. uvicorn logs the requests.
"""

import hashlib
import os
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, ClassVar
from uuid import UUID

from asgi_correlation_id import CorrelationIdMiddleware
from fastapi import Depends, FastAPI, Form, HTTPException, Query, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from PIL import Image as Picture
from PIL import ImageOps, UnidentifiedImageError
from prometheus_fastapi_instrumentator import Instrumentator
from pydantic import BaseModel, ConfigDict, PlainSerializer
from sqlalchemy import BigInteger, DateTime, LargeBinary, Text, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

STORAGE = Path(os.environ["STORAGE"])
TOKEN = os.environ.get("TOKEN", "")

engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=10, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Image(Base):
    __tablename__ = "images"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    filename: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str] = mapped_column(Text)
    byte_size: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    content_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    own_key: Mapped[str | None] = mapped_column(Text)
    title: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )

    color: Mapped[str | None] = mapped_column(Text)
    thumbhash: Mapped[bytes | None] = mapped_column(LargeBinary)
    capture: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    location: Mapped[dict[str, Any] | None] = mapped_column(JSONB)

    __mapper_args__: ClassVar = {"eager_defaults": True}  # RETURNING, rather than a SELECT after each write

    @property
    def sha256(self) -> str:
        return self.content_sha256.hex()


def base64_text(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()


class ImageOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    filename: str
    content_type: str
    byte_size: int
    width: int
    height: int
    sha256: str
    title: str | None
    description: str | None
    tags: list[str]
    attributes: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    color: str | None
    thumbhash: Annotated[bytes | None, PlainSerializer(base64_text)]
    capture: dict[str, Any] | None
    location: dict[str, Any] | None


class ImagePage(BaseModel):
    images: list[ImageOut]
    next: str | None


class ImagePatch(BaseModel):
    title: str | None = None
    description: str | None = None
    tags: list[str] = []


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def authorize(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> None:
    if not secrets.compare_digest(given.credentials.encode(), TOKEN.encode()):
        raise HTTPException(401)


app = FastAPI(dependencies=[Depends(authorize)] if TOKEN else [])
if TOKEN:
    app.add_middleware(CorrelationIdMiddleware)
    Instrumentator().instrument(app).expose(app)


@app.get("/v1/images", response_model=ImagePage)
async def list_images(
    session: Session,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: UUID | None = None,
    created_before: datetime | None = None,
):
    statement = select(Image).order_by(Image.created_at.desc(), Image.id.desc()).limit(limit + 1)
    if cursor is not None:
        last = await session.get(Image, cursor)
        if last is None:
            raise HTTPException(422, "unknown cursor")
        statement = statement.where(tuple_(Image.created_at, Image.id) < (last.created_at, last.id))
    if created_before is not None:
        statement = statement.where(Image.created_at < created_before)
    images = (await session.scalars(statement)).all()
    return {"images": images[:limit], "next": str(images[limit - 1].id) if len(images) > limit else None}


@app.get("/v1/images/{id}", response_model=ImageOut)
async def get_image(id: UUID, session: Session):
    image = await session.get(Image, id)
    if image is None:
        raise HTTPException(404)
    return image


@app.patch("/v1/images/{id}", response_model=ImageOut)
async def update_image(id: UUID, patch: ImagePatch, session: Session):
    image = await session.get(Image, id)
    if image is None:
        raise HTTPException(404)
    for name, value in patch.model_dump(exclude_unset=True).items():
        setattr(image, name, value)
    await session.commit()
    return image


def measure_and_store(content: bytes, key: str) -> tuple[str, int, int]:
    """Off the event loop: media type, width and height, by Pillow; and the bytes into a file.

    The thumbnail is for the check that the whole picture can be decoded: JPEG at an eighth of its size.
    """
    with Picture.open(BytesIO(content)) as picture:
        content_type = Picture.MIME[picture.format or ""]
        width, height = picture.size
        if picture.getexif().get(ImageOps.ExifTags.Base.Orientation, 1) > 4:
            width, height = height, width
        picture.thumbnail((64, 64))
    with (STORAGE / key).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return content_type, width, height


@app.post("/v1/images", response_model=ImageOut, status_code=201)
async def create_image(
    file: UploadFile,
    session: Session,
    response: Response,
    title: Annotated[str | None, Form()] = None,
    description: Annotated[str | None, Form()] = None,
    tags: Annotated[list[str] | None, Form()] = None,
):
    content = await file.read()
    sha256 = hashlib.sha256(content)
    known = await session.scalar(select(Image).where(Image.content_sha256 == sha256.digest()))
    if known is not None:
        response.status_code = 200
        return known
    try:
        content_type, width, height = await run_in_threadpool(measure_and_store, content, sha256.hexdigest())
    except UnidentifiedImageError:
        raise HTTPException(415) from None
    except OSError:
        raise HTTPException(422, "broken image") from None
    image = Image(
        filename=file.filename,
        content_type=content_type,
        byte_size=len(content),
        width=width,
        height=height,
        content_sha256=sha256.digest(),
        own_key=sha256.hexdigest(),
        title=title,
        description=description,
        tags=tags or [],
    )
    session.add(image)
    await session.commit()
    return image


async def find(id: UUID, session: AsyncSession) -> Image:
    image = await session.get(Image, id)
    if image is None:
        raise HTTPException(404)
    return image


@app.get("/v1/images/{id}/content")
async def get_content(id: UUID, session: Session):
    image = await find(id, session)
    return FileResponse(STORAGE / image.sha256, media_type=image.content_type)


def make_thumbnail(key: str, size: int) -> Path:
    path = STORAGE / f"{key}-{size}.webp"
    if not path.exists():
        with Picture.open(STORAGE / key) as picture:
            ImageOps.exif_transpose(picture, in_place=True)
            picture.thumbnail((size, size))
            picture.save(path, "WEBP")
    return path


@app.get("/v1/images/{id}/thumbnail")
async def get_thumbnail(id: UUID, session: Session, size: int = 320):
    image = await find(id, session)
    return FileResponse(await run_in_threadpool(make_thumbnail, image.sha256, size), media_type="image/webp")
