"""Client made by openapi-python-client: upload, list, change, read a range, delete, and print the answers."""

# mypy: ignore-errors
import io
import json
import os

from image_catalogue_client import AuthenticatedClient
from image_catalogue_client.api.content import get_content
from image_catalogue_client.api.images import create_image, delete_image, get_image, list_images, update_image
from image_catalogue_client.models import ImagePatch, UploadForm, UploadFormAttributes
from image_catalogue_client.types import File

client = AuthenticatedClient(os.environ["BASE_URL"], token=os.environ["TOKEN"])
form = UploadForm(
    file=File(io.BytesIO(bytes.fromhex(os.environ["FILE"])), "red.png", "image/png"),
    title="Red",
    tags=["color", "flat"],
    attributes=UploadFormAttributes.from_dict({"sensor": {"iso": 100}}),
)
image = create_image.sync(client=client, body=form)
page = list_images.sync(client=client, limit=1, tag=["color", "flat"])
changed = update_image.sync(client=client, id=image.id, body=ImagePatch(title="Rectangle"))
part = get_content.sync_detailed(client=client, id=image.id, range_="bytes=1-3")
deleted = delete_image.sync_detailed(client=client, id=image.id)
missing = get_image.sync(client=client, id=image.id)

print(
    json.dumps(
        {
            "image": image.to_dict(),
            "page": [found.id == image.id for found in page.images],
            "title": changed.title,
            "range": [part.status_code, part.content.decode()],
            "deleted": deleted.status_code,
            "missing": missing.type_,
        }
    )
)
