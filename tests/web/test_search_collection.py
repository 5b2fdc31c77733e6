"""Searches of a person in a collection of photos: what they type, and what they want to find."""

# ruff: noqa: RUF001  # typographic apostrophes, as phones write them

import httpx
import psycopg

from tests.support.api import insert

# A name for each photo, and what the collection has of it. Phones and cameras name the files.
PHOTOS: dict[str, dict[str, object]] = {
    "ferry": {"filename": "IMG_4711.HEIC", "title": "The boat to Hydra", "tags": ["Greece", "July 2024", "boat"]},
    "harbour": {"filename": "IMG_4712.HEIC", "title": "Harbour at night", "tags": ["Greece", "July 2024"]},
    "octopus": {"filename": "IMG_4713.HEIC", "description": "Octopus drying beside the boats", "tags": ["Greece"]},
    "phone": {"filename": "PXL_20240714_183015123.jpg", "title": "Sunset from the balcony", "tags": ["sunset"]},
    "video call": {"filename": "Screenshot 2023-11-02 at 14.33.07.png"},
    "messenger": {"filename": "WhatsApp Image 2024-07-16 at 20.15.41 (1).jpeg", "title": "Dinner with Anna and Müller"},
    "fest": {"filename": "DSC00815.JPG", "title": "Münchner Oktoberfest", "tags": ["München", "Bier"]},
    "allianz": {"filename": "Muenchen_Allianz-Arena.jpg", "description": "Champions League"},
    "zugspitze": {"filename": "DSC00902.JPG", "title": "Hütte unter der Zugspitze", "tags": ["Berge", "Österreich"]},
    "vienna": {"filename": "P1030427.RW2", "title": "Café Central, Wien", "tags": ["Oesterreich", "Kaffee"]},
    "church": {"filename": "kirche-weiß.jpg", "title": "Weiße Kirche", "description": "Strasse nach Füssen"},
    "grandma": {"filename": "scan0017.tif", "title": "Grandma’s 80th birthday", "tags": ["family", "scan"]},
    "grandpa": {"filename": "scan0018.tif", "title": "Grandpa and the O'Brien twins", "tags": ["family", "scan"]},
    "wedding": {"filename": "Anna & Tom - 0123.jpg", "title": "Anna and Tom’s wedding", "tags": ["wedding", "family"]},
    "cake": {"filename": "Anna & Tom - 0124.jpg", "title": "🎂 The cake", "tags": ["wedding"]},
    "dog": {"filename": "IMG-20230501-WA0007.jpg", "title": "Luna 🐶 at the beach", "tags": ["Luna", "dog"]},
    "puppies": {"filename": "IMG-20230502-WA0001.jpg", "title": "Luna's puppies", "tags": ["Luna", "dogs"]},
    "bikes": {"filename": "DJI_0042.DNG", "title": "Bikes in front of the white house", "tags": ["drone"]},
    "bridge": {"filename": "golden-gate-bridge.jpg", "tags": ["San Francisco", "USA 2019", "bridge"]},
    "tram": {"filename": "_MG_9981.CR2", "title": "Tram 28, Lisbon", "description": "Eléctrico no. 28"},
    "invoice": {"filename": "invoice_2024-001.png", "title": "Invoice 2024/001", "tags": ["paper"]},
    "tower": {"filename": "DSC_5555.NEF", "title": "東京タワーの夜景", "tags": ["Tokyo", "Japan"]},
    "moscow": {"filename": "фото 12.jpg", "title": "Красная площадь", "tags": ["Москва"]},
    "leaves": {"filename": "autumn leaves 3.jpg", "tags": ["autumn", "trees"]},
    "city": {"filename": "skyline.webp", "title": "Cities from above", "tags": ["drone", "city"]},
    "red car": {"filename": "img123.jpg", "title": "A red car", "description": "Rented in Málaga"},
    "blue car": {"filename": "img124.jpg", "title": "The blue car", "description": "red rear lights"},
}
SEARCHES = {
    "boat": "ferry octopus",
    "boats": "ferry octopus",
    "greece boat": "ferry octopus",
    "boat greece": "ferry octopus",
    "boat july 2024": "ferry",
    "July 2024": "ferry harbour",
    "greece -boat": "harbour octopus",
    "IMG_4711": "ferry",
    "img_4711.heic": "ferry",
    "4711": "ferry",
    "4711 4712": "",
    "IMG_4711 or IMG_4712": "ferry harbour",
    "PXL_20240714": "phone",
    "screenshot 2023-11-02": "video call",
    "whatsapp 2024-07-16": "messenger",
    "whatsapp": "messenger",
    "München": "fest allianz",
    "muenchen": "fest allianz",
    "munchen": "fest",
    "mueller anna": "messenger",
    "österreich": "zugspitze vienna",
    "Oesterreich": "zugspitze vienna",
    "huette": "zugspitze",
    "fuessen": "church",
    "straße": "church",
    "weiss kirche": "church",
    "cafe wien": "vienna",
    "malaga": "red car",
    "grandma's birthday": "grandma",
    "grandmas birthday": "grandma",
    "grandma birthday": "grandma",
    "o’brien": "grandpa",
    "anna tom": "wedding cake",
    "tom & anna": "wedding cake",
    "Anna & Tom - 0123": "wedding",
    "tom's wedding": "wedding",
    "🎂": "cake",
    "luna 🐶": "dog",
    "dogs": "dog puppies",
    "dog": "dog puppies",
    "puppy": "puppies",
    "bike": "bikes",
    "DJI_0042": "bikes",
    "dji 42": "bikes",
    "golden gate": "bridge",
    '"gate bridge"': "bridge",
    "bridge san francisco": "bridge",
    "usa 2019": "bridge",
    "tram 28": "tram",
    "electrico": "tram",
    "invoice 2024/001": "invoice",
    "東京": "tower",
    "москва": "moscow",
    "leaf": "leaves",
    "tree": "leaves",
    "city drone": "city",
    "cities": "city",
    "red car": "red car blue car",
    '"red car"': "red car",
    "scan family": "grandma grandpa",
    "sunse": "phone",
    "img123": "red car",
}


async def test_a_person_finds_the_photos(client: httpx.AsyncClient, connection: psycopg.Connection) -> None:
    for photo in PHOTOS.values():
        insert(connection, **photo)
    names = {photo["filename"]: name for name, photo in PHOTOS.items()}

    found = {}
    for words in SEARCHES:
        response = await client.get("/v1/images", params={"q": words, "sort": "oldest", "limit": 200})
        found[words] = " ".join(names[image["filename"]] for image in response.json()["images"])

    assert found == SEARCHES
