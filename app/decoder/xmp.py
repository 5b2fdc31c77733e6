"""XMP and IPTC readers: the texts of a picture by their names. Bytes that are cut or wrong give fewer texts."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, ParseError, XMLParser

from app.decoder.headers import MAX_XMP

MAX_TEXTS = 200  # of one name
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# Prefixes, as in the XMP specification, of the namespaces that are read.
PREFIXES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    "http://ns.adobe.com/exif/1.0/aux/": "aux",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
}
# A definition of entities can make a text of any size. XMP has none.
FORBIDDEN = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
RESOURCE = b"8BIM\x04\x04"  # of Photoshop, with IPTC in it
UTF_8 = b"\x1b%G"  # the value of the dataset 1:90
CHARACTERS = 0x015A  # record 1, dataset 90
APPLICATION = 2  # the record of captions and keywords

# The encoding of a packet by its first bytes, with a mark or without. All others are UTF-8.
UTF_16 = {b"\xfe\xff": "utf-16-be", b"\0<": "utf-16-be", b"\xff\xfe": "utf-16-le", b"<\0": "utf-16-le"}

Texts = dict[str, list[str]]


def read(packet: bytes) -> Texts:
    """Return the texts of a packet by names such as `dc:subject`."""
    content = packet[:MAX_XMP]
    if encoding := UTF_16.get(content[:2]):
        content = content.decode(encoding, errors="replace").removeprefix("\ufeff").encode()
    if FORBIDDEN.search(content):
        return {}
    # The encoding is given: Python would open a file for another one. The sandbox limits time and memory.
    parser = XMLParser(encoding="utf-8")  # noqa: S314
    try:
        parser.feed(content.strip(b"\0 \t\r\n"))
        root: Element = parser.close()
    except (ParseError, ValueError):
        return {}
    found: Texts = {}
    rdf = root if root.tag == f"{RDF}RDF" else root.find(f"{RDF}RDF")
    for description in [] if rdf is None else rdf.findall(f"{RDF}Description")[:MAX_TEXTS]:
        for name, text in description.attrib.items():
            _add(found, name, [text])
        for child in description:
            items = sorted(child.iter(f"{RDF}li"), key=lambda item: item.get(LANGUAGE) != "x-default")
            _add(found, child.tag, [item.text or "" for item in items] or [child.text or ""])
    return found


def _add(found: Texts, name: str, texts: list[str]) -> None:
    namespace, _, local = name.removeprefix("{").rpartition("}")
    if prefix := PREFIXES.get(namespace):
        found.setdefault(f"{prefix}:{local}", []).extend(texts[:MAX_TEXTS])


def read_iptc(block: bytes) -> dict[int, list[str]]:
    """Return the texts of record 2 of IPTC-IIM by the numbers of their datasets. The block may be Photoshop's."""
    if (at := block.find(RESOURCE)) >= 0:
        at += len(RESOURCE)
        if at >= len(block):
            return {}
        at += 1 + block[at] + (1 + block[at]) % 2  # a name, to an even length
        length = int.from_bytes(block[at : at + 4])
        block = block[at + 4 : at + 4 + length]
    found: dict[int, list[bytes]] = {}
    encoding, at = "cp1252", 0
    while at + 5 <= len(block) and block[at] == 0x1C:
        number, length = int.from_bytes(block[at + 1 : at + 3]), int.from_bytes(block[at + 3 : at + 5])
        if length >= 0x8000:  # longer than any text
            break
        content = block[at + 5 : at + 5 + length]
        at += 5 + length
        if number == CHARACTERS and content == UTF_8:
            encoding = "utf-8"
        elif number >> 8 == APPLICATION and len(values := found.setdefault(number & 0xFF, [])) < MAX_TEXTS:
            values.append(content)
    return {number: [decode(value, encoding) for value in values] for number, values in found.items()}


def decode(content: bytes, encoding: str = "cp1252") -> str:
    """Return the text. Most programs write UTF-8, whatever the standard says; `encoding` is that of the others."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode(encoding, errors="replace")
