"""Client made by openapi-python-client: upload, list, change, read a range, delete, wait, and print the answers."""

# mypy: ignore-errors
import io
import json
import os
import time

import httpx
from image_catalogue_client import AuthenticatedClient
from image_catalogue_client.api.content import get_content
from image_catalogue_client.api.images import create_image, delete_image, get_image, list_images, update_image
from image_catalogue_client.models import ImagePatch, UploadForm, UploadFormAttributes
from image_catalogue_client.types import File


class Patient(httpx.HTTPTransport):
    """Send a request again after the time that the service asks for."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        is_upload = request.method == "POST" and request.url.path.endswith("/v1/images")
        repeated_if = {429, 503} if is_upload or request.method == "GET" else {429}
        for tries_left in reversed(range(5)):
            response = super().handle_request(request)
            seconds = int(response.headers.get("Retry-After", "1"))
            if response.status_code not in repeated_if or seconds > 60 or not tries_left:
                break
            response.close()
            time.sleep(seconds)
        return response


client = AuthenticatedClient(os.environ["BASE_URL"], token=os.environ["TOKEN"], httpx_args={"transport": Patient()})
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
for _ in range(200):  # the token may send 10 requests a second
    began = time.monotonic()
    last = get_image.sync_detailed(client=client, id=image.id)
    if has_waited := time.monotonic() - began >= 0.9:
        break

print(
    json.dumps(
        {
            "image": image.to_dict(),
            "page": [found.id == image.id for found in page.images],
            "title": changed.title,
            "range": [part.status_code, part.content.decode()],
            "deleted": deleted.status_code,
            "missing": missing.type_,
            "patient": [last.status_code, has_waited],
        }
    )
)
