"""Names of file formats that the service does not take (PDF, video, sound, archive, ...), by the first bytes."""

import re

from app.decoder.headers import Data

HEAD = 4096  # bytes that are looked at
TAR = 257  # place of the name of the format in a TAR
PACKET = 187  # bytes behind the "G" that begins each packet of an MPEG transport stream

# Regular expressions. The first that fits counts. They are compiled on use, so that a decoder starts at once.
BEGINNINGS = {
    rb"%PDF": "a PDF",
    rb"%!PS|\xc5\xd0\xd3\xc6": "a PostScript file",
    rb"8BPS\0": "a Photoshop file",
    rb"gimp xcf": "a GIMP file",
    rb"\0\0[\x01\x02]\0[^\0]": "an icon (ICO)",
    rb"icns": "an icon (ICNS)",
    rb"\0\0\0\x0cjP {2}|\xff\x4f\xff\x51": "a JPEG 2000",
    rb"II\xbc": "a JPEG XR",
    rb"v/1\x01": "an OpenEXR",
    rb"#\?RADIANCE|#\?RGBE": "a Radiance HDR",
    rb"DDS \x7c\0": "a DDS texture",
    rb"qoif": "a QOI",
    rb"BPG\xfb": "a BPG",
    rb"FLIF": "a FLIF",
    rb"AT&TFORM": "a DjVu",
    rb"SIMPLE  =": "a FITS",
    rb"P[1-7]\s+(#|\d|WIDTH)": "a Netpbm file (PNM)",
    rb"\x8aMNG|\x8bJNG": "an MNG",
    rb"\xd7\xcd\xc6\x9a|\x01\0\0\0.{36} EMF": "a Windows Metafile",
    rb"FOVb|\0MRM|II\x1a\0\0\0HEAPCCDR": "a camera RAW of another maker",
    rb"....ftypqt|....(moov|mdat|wide|free|skip|pnot)": "a QuickTime video (MOV)",
    rb"....ftypM4[AB]": "a sound file (M4A)",
    rb"....ftyp(3g|mmp4)": "a 3GP video",
    rb"....ftyp(iso|mp4|mp7|avc|M4V|MSNV|dash|f4v|XAVC|NDS|ndas|hvc1)": "an MP4 video",
    rb"RIFF....AVI ": "an AVI video",
    rb"\x1aE\xdf\xa3": "a Matroska or WebM video",
    rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "a Windows Media file",
    rb"FLV\x01": "a Flash video",
    rb"[FCZ]WS[\x01-\x32]": "a Flash file",
    rb"\0\0\x01[\xb3\xba]": "an MPEG video",
    rb"G.{%d}G.{%d}G" % (PACKET, PACKET): "an MPEG video",
    rb"RIFF....WAVE|RF64": "a sound file (WAV)",
    rb"ID3|\xff[\xe2-\xe7\xf2-\xf7\xfa\xfb]": "a sound file (MP3)",
    rb"fLaC": "a sound file (FLAC)",
    rb"OggS": "an Ogg sound or video",
    rb"FORM....AIF[FC]": "a sound file (AIFF)",
    rb"MThd": "a sound file (MIDI)",
    rb"#!AMR": "a sound file (AMR)",
    rb"\xff[\xf0\xf1\xf8\xf9]": "a sound file (AAC)",
    rb"PK\x03\x04.{26}(\[Content_Types\]|_rels/|docProps/|word/|xl/|ppt/)": "an Office document",
    rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis": "an OpenDocument file",
    rb"PK\x03\x04.{26}mimetypeapplication/epub": "an e-book (EPUB)",
    rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Office document",
    rb"PK(\x03\x04|\x05\x06|\x07\x08)": "a ZIP archive",
    rb"Rar!\x1a\x07": "a RAR archive",
    rb"7z\xbc\xaf\x27\x1c": "a 7z archive",
    rb"\x1f\x8b": "a gzip archive",
    rb"BZh[1-9]": "a bzip2 archive",
    rb"\xfd7zXZ\0": "an xz archive",
    rb"\x28\xb5\x2f\xfd": "a Zstandard archive",
    rb".{%d}ustar" % TAR: "a TAR archive",
    rb"SQLite format 3\0": "an SQLite database",
    rb"MZ.\0|\x7fELF|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe": "a program",
    rb"wOF[F2]|OTTO|\0\x01\0\0\0": "a font",
    rb"\{\\rtf": "an RTF document",
}
MARK = b"\xef\xbb\xbf"  # of UTF-8
ROOT = re.compile(rb"(?>\s+|<\?(?>.*?\?>)|<!--(?>.*?-->))*+<(?:!doctype\s+)?([a-z]+)", re.DOTALL | re.IGNORECASE)
ROOTS = {b"svg": "an SVG", b"html": "a web page (HTML)"}
CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def name_of(data: Data) -> str | None:
    """Return the name of the format for people, with an article: "a PDF". Return None if it is not known."""
    head = bytes(data[:HEAD])
    for beginning, name in BEGINNINGS.items():
        if re.match(beginning, head, re.DOTALL):
            return name
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "a text file"
    head = head.removeprefix(MARK)
    if root := ROOT.match(head):
        return ROOTS.get(root[1].lower(), "an XML or HTML file")
    return "a text file" if is_text(head) else None


def is_text(head: bytes) -> bool:
    """Return whether the beginning of a file is UTF-8 without control characters. It may end within a character."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data" or len(head) - error.start > 3 or len(head) < HEAD - len(MARK):
            return False
    return bool(head) and not CONTROL.search(head)
