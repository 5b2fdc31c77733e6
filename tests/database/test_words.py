"""Words of a search (`q`): the searches of people, and the functions that make and ask the words of an image."""

# ruff: noqa: RUF001  # letters of many scripts

import unicodedata
from collections.abc import Iterator
from itertools import product

import psycopg
import pytest
from hypothesis import example
from psycopg.sql import SQL, Identifier

from app.embedded_postgres import Server
from tests.conftest import NUMBER
from tests.database.test_search_tables import listed
from tests.support.properties import few, given, settings, st

ASK = """
    SELECT images_word_document(%(title)s, %(description)s, %(filename)s, %(tags)s, 'image/jpeg')
        @@ images_word_query('{}', %(words)s, 'whole')
"""
IMAGES: dict[str, dict[str, object]] = {
    "camera": {"filename": "IMG_000123.jpg"},
    "other camera": {"filename": "DSC00123.JPG"},
    "words": {"filename": "sunset-beach.jpg"},
    "date": {"filename": "2024-06-01.jpg"},
    "order": {"title": "Order no. 4711/22-A"},
    "beach": {"title": "A day at the beach"},
    "café": {"title": "Café Central"},
    "cafe of a Mac": {"title": unicodedata.normalize("NFD", "Café Sperl")},
    "tower": {"title": "東京タワーの夜景"},
    "street": {"title": "Straße im Regen", "tags": ["Größe L", "Łódź"]},
    "athens": {"description": "ΑΘΗΝΑ, ο Παρθενώνας"},
    "moscow": {"description": "Москва, Красная площадь. Ёлка"},
    "thai": {"title": "วัดพระแก้ว กรุงเทพ"},
    "seoul": {"title": "서울타워 야경"},
    "wide": {"filename": "ＩＭＧ＿００４２．ｊｐｇ"},
    "emoji": {"title": "🌅 over the sea 👍🏽"},
    "boat": {"title": "Red boat", "description": "In the harbour, without a car", "tags": ["July", "holiday-2023"]},
    "camel": {"filename": "Screenshot 2023-07-14 at 09.05.12 (2).png"},
    "german": {"filename": "Schloß Neuschwanstein 12.jpg"},
    "turkish": {"title": "İstanbul'da akşam"},
    "arabic": {"title": "مُدرّسة ١٢٣"},
    "french": {"title": "L'été à l’Œuvre"},
}
# Searches as people type them, and the images that have the words.
SEARCHES = {
    "IMG_000123.jpg": "camera",
    "img_000123": "camera",
    "IMG 000123": "camera",
    "000123": "camera",
    "123": "camera,other camera,arabic",
    "DSC00123.JPG": "other camera",
    "dsc00123": "other camera",
    "dsc": "other camera",
    "sunset-beach.jpg": "words",
    "sunset": "words",
    "beach": "words,beach",
    "bea": "words,beach",
    "beach sunset": "words",
    '"beach sunset"': "",
    "2024-06-01": "date",
    "2024-06": "date",
    "4711": "order",
    "4711/22-A": "order",
    "Order no. 4711": "order",
    "order 22": "order",
    "cafe": "café,cafe of a Mac",
    "CAFÉ": "café,cafe of a Mac",
    unicodedata.normalize("NFD", "café sperl"): "cafe of a Mac",
    "東京": "tower",
    "タワー": "tower",
    "東京 夜景": "tower",
    "京": "tower",
    "景": "tower",
    "ﾀﾜｰ": "tower",
    "京東": "",
    "STRASSE": "street",
    "straße": "street",
    "groesse": "street",
    "größe": "street",
    "lodz": "street",
    "αθηνα": "athens",
    "παρθενωνας": "athens",
    "МОСКВА": "moscow",
    "елка": "moscow",
    "พระแก้ว": "thai",
    "กรุงเทพ": "thai",
    "타워": "seoul",
    "서울": "seoul",
    "img_0042.jpg": "wide",
    "🌅": "emoji",
    "👍": "emoji",
    "red boat": "boat",
    "boat july": "boat",
    "boat -red": "",
    "harbour -beach": "boat",
    '"in the harbour"': "boat",
    "“in the harbour”": "boat",
    '"harbour in"': "",
    "boat or sunset": "words,boat",
    "nothing or sunset -beach or boat": "boat",
    "july 2023": "boat",
    "holiday": "boat",
    "harb car": "",
    "harbour ca": "boat",
    "screenshot 2023-07-14": "camel",
    "9.05": "camel",
    "09.05": "camel",
    "schloss": "german",
    "istanbul": "turkish",
    "مدرسة": "arabic",
    "١٢٣": "camera,other camera,arabic",
    "été": "french",
    "l'ete": "french",
    "oeuvre": "french",
    "bea++": "words,beach",
    "red AND boat": "",
    "?": "",
    "-": "",
    '"': "",
}


@pytest.fixture(scope="module")
def functions(server: Server, admin: psycopg.Connection, template: str) -> Iterator[psycopg.Connection]:
    """A database for all tests that only call functions, or undo what they write."""
    name = f"words_{next(NUMBER)}"
    admin.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
    with psycopg.connect(server.url(name), autocommit=True) as connection:
        yield connection
    admin.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def finds(connection: psycopg.Connection, words: str, **image: object) -> bool | None:
    values = {"title": None, "description": None, "filename": "", "tags": [], **image, "words": words}
    [found] = connection.execute(ASK.encode(), values).fetchone() or [None]
    return found


@pytest.mark.parametrize("words", SEARCHES)
def test_a_search_finds_what_a_person_expects(words: str, functions: psycopg.Connection) -> None:
    found = [name for name, image in IMAGES.items() if finds(functions, words, **image)]

    assert ",".join(found) == SEARCHES[words]


# Letters of several scripts, with accents and without, numbers with zeros, punctuation, emoji and other oddities.
TEXT = st.text(
    st.one_of(
        st.sampled_from("abzABZ0019 ._-/'()éÉßøŁđıİσςЙё東京ー京ガがกรุ서울🌅👍\u0301\u200d\ufe0f\u3000\xa0№ﬁ½ﾀ٣ǆ—"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=40,
)
TYPES = st.sampled_from(["image/jpeg", "image/svg+xml", "Type:type", "=type"])
TERMS = st.sampled_from(["tag:x", "=tag:x", "type:image/jpeg", "=type:image/jpeg", "tagged", "types", '"type:image"'])
# Without what has a meaning in a search: quotes, `or`, and `-` before a word.
NAME = TEXT.filter(
    lambda text: (
        not any(
            word.startswith("-") or set(word) & {*'"“”„«»＂'} or word.lower() == "or"
            for word in unicodedata.normalize("NFKC", text).split()
        )
    )
)


@settings(max_examples=few(500))
@example(name="0T")
@example(name="ty 0typ")
@given(name=NAME)
def test_a_name_is_found_by_itself_in_any_spelling(name: str, functions: psycopg.Connection) -> None:
    spellings = {name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD"))}
    for stored in spellings:
        for asked in spellings:
            query = functions.execute("SELECT images_word_query('{}', %s, 'whole')::text", [asked]).fetchone()
            assert finds(functions, asked, filename=stored) is (None if query == (None,) else True), (stored, asked)


# Titles, searches that find the image, and searches that do not.
NUMBERS = [
    ("Fishing boat", ["boats", "boats fishing", "boat", "boats or x", "x or fishing boats"], ['"boats"', "boatss"]),
    ("Fishing for boats", ["-boat fishing", "boat"], ["-boats fishing"]),
    ("Boats on the lake", ["boat lake", "lakes boat", "boats"], ['"boat" lake', "boat-lake"]),
    ("Two cities", ["city", "city two", "cit"], ["cite two"]),
    ("City of glass", ["cities", "cities glass", "glasses"], ["glas of"]),
    ("Beaches", ["beach", "beach beaches", "beaches"], []),
    ("Leaf and knife", ["leaves", "leaves knives"], ["leave knives"]),
    ("Olives, caves, sleeves", ["olive", "cave", "cave sleeve"], ["cafe", "cafes"]),
    ("Wolves in a box", ["wolf box", "boxes", "wolf boxes"], []),
    ("Wave, house, photo, camera, bus", ["waves", "houses", "photos", "cameras", "buses", "house photos buses"], []),
    ("A lens, an atlas, a movie, a pie", ["lenses", "atlases", "movies", "pies", "lenses movies pies"], []),
    ("Menus and lenses", ["menu menus", "menu", "lens menu"], ["men menus"]),
    ("New York", ["new york", "york new"], ["news", "news york"]),
    ("News on paper", ["news", "papers news"], ["new paper"]),
    ("Cafés", ["cafe cafes", "CAFÉ", "cafés"], ["caves"]),
    ("Boote", ["boote"], ["boots", "boot boote"]),
    ("ИМГ 東京 12", ["12 東京"], ["12s"]),
]


@pytest.mark.parametrize(("title", "found", "others"), NUMBERS, ids=[title for title, *_ in NUMBERS])
def test_a_word_is_found_in_the_singular_and_in_the_plural(
    title: str, found: list[str], others: list[str], functions: psycopg.Connection
) -> None:
    assert [words for words in [*found, *others] if finds(functions, words, title=title)] == found


# Titles, searches that find the image, and searches that do not.
UMLAUTS = [
    ("München", ["Muenchen", "MUENCHEN", "muenchen m", "münchen", "-muench muenchen"], ['"Muenchen"', "mue"]),
    ("Muenchen im Maerz", ["München", "münchen märz", unicodedata.normalize("NFD", "März")], ['"München"', "marz"]),
    ("Bär, Öl, für, Tür", ["Baer", "fuer", "Tuer tür", "x or baer"], ["baerx", "boer öl"]),
    ("Neuschwanstein, Feuer", ["neuschwanstein", "Feuer"], ["neschwanstein", "feur"]),
    ("Pot, blu, qust, dul", [], ["poet", "blue", "quest", "duel x"]),
    ("Schloss über dem See", ["Schloß ueber", "ueber Schloss"], ["seü"]),
    ("Straßenbahnhäuschen", ["strassenbahnhaeuschen"], ["strassenbahnhuschen"]),
]


@pytest.mark.parametrize(("title", "found", "others"), UMLAUTS, ids=[title for title, *_ in UMLAUTS])
def test_a_word_is_found_with_umlauts_and_with_two_letters(
    title: str, found: list[str], others: list[str], functions: psycopg.Connection
) -> None:
    assert [words for words in [*found, *others] if finds(functions, words, title=title)] == found


@pytest.mark.parametrize("last", ["t", "ta", "tag", "ty", "typ", "type", "T", "typ0", "tags"])
def test_the_beginning_of_a_term_is_a_word_like_others(last: str, functions: psycopg.Connection) -> None:
    for asked in (f"0{last}", f"sunset-{last}"):
        assert finds(functions, asked, filename=f"{asked}.jpg", tags=["tag"])
        assert finds(functions, f"x {asked}", filename=f"{asked}-x.jpg")
        assert not finds(functions, asked, filename="other.jpg", tags=["tag"])
        assert not finds(functions, asked, filename="0 sunset.jpg", tags=["tag"])


@settings(max_examples=few(500))
@example(words="t", tag="x", type="image/jpeg")
@example(words="sunset typ", tag="sunset", type="image/jpeg")
@example(words="-x t", tag="", type="image/jpeg")
@given(
    words=st.lists(
        st.one_of(TEXT, TERMS, TERMS.flatmap(lambda term: st.integers(1, 6).map(lambda end: term[:end])))
    ).map(" ".join),
    tag=st.one_of(TEXT, TERMS),
    type=TYPES,
)
def test_words_find_and_rank_words_and_never_a_term(
    words: str, tag: str, type: str, functions: psycopg.Connection
) -> None:
    """The tags and the media type are terms of filters, and only the words of the tags are words."""
    row = functions.execute(
        """
        SELECT
            document @@ query IS NOT DISTINCT FROM of_words @@ query,
            ts_rank(document, query) IS NOT DISTINCT FROM ts_rank(of_words, query)
        FROM images_word_query('{}', %(words)s, 'whole') AS query
        CROSS JOIN images_word_document(NULL, NULL, 'a sunset.jpg', ARRAY[%(tag)s], %(type)s) AS document
        CROSS JOIN LATERAL (
            SELECT setweight(images_vector(%(tag)s), 'B') || setweight(images_vector('a sunset.jpg'), 'C')
        ) AS made (of_words)
        """,
        {"words": words, "tag": tag, "type": type},
    ).fetchone()

    assert row == (True, True)


@settings(max_examples=few(500))
@given(text=TEXT, words=TEXT, terms=st.lists(TEXT.map("tag:{}".format), max_size=2))
def test_any_words_are_read_and_the_index_is_asked_for_no_less(
    text: str, words: str, terms: list[str], functions: psycopg.Connection
) -> None:
    """Each image that matches is among those that the index is asked for."""
    asked = (
        text,
        f"{text} {words}",
        f"{text} -{words}",
        f"{words} or {text}",
        f'"{text}" -"{words}',
        f'--{text}" {words}',
        "-" * 100 + text,
        " - or -" + text.replace(" ", " or "),
    )
    for sought in asked:
        values = {"text": text, "sought": sought, "terms": terms, "stored": [f"={term}" for term in terms]}
        row = functions.execute(
            """
            SELECT document @@ whole, document @@ narrow, indexed IN (ARRAY[whole], ARRAY[narrow])
            FROM (SELECT images_vector(%(text)s) || array_to_tsvector(%(stored)s::text[])) AS made (document)
            CROSS JOIN images_word_query(%(terms)s, %(sought)s, 'whole') AS whole
            CROSS JOIN images_word_query(%(terms)s, %(sought)s, 'rest') AS narrow
            CROSS JOIN images_index_queries(%(terms)s, %(sought)s, whole) AS indexed
            """,
            values,
        ).fetchone()
        assert row in ((True, True, True), (False, True, True), (False, False, True), (None, None, True)), sought


@settings(max_examples=few(500))
@example(before="x", last="g", after="əlin")
@example(before="x or y", last="boats", after="")
@example(before="red", last="boats", after="boat")
@example(before="IMG_", last="0", after="07")
@given(
    before=TEXT,
    last=st.one_of(st.text("abz", min_size=1, max_size=3), st.text("019", min_size=1, max_size=3)),
    after=TEXT,
)
def test_a_common_last_word_is_asked_for_in_three_ways(
    before: str, last: str, after: str, functions: psycopg.Connection
) -> None:
    """Each image that matches has the word itself, a longer word, or the mark."""
    with functions.transaction():
        functions.execute("CREATE TEMP TABLE image_words (words tsvector) ON COMMIT DROP")
        functions.execute("INSERT INTO image_words SELECT images_vector(%s) FROM generate_series(1, 30)", [last])
        for sought, title in product(
            (f"{before} {last}", f"x {last}", f"{before}-{last}", f'"{before}" or y {last}'),
            (f"{before} {last}{after}", f"{before} {after}"),
        ):
            row = functions.execute(
                """
                SELECT
                    document @@ ANY (indexed),
                    document @@ whole,
                    cardinality(indexed) = CASE WHEN narrow IS NULL OR last_word IS NULL THEN 1 ELSE 3 END
                FROM images_word_query('{tag:a}', %(sought)s, 'whole') AS whole
                CROSS JOIN images_word_query('{tag:a}', %(sought)s, 'rest') AS narrow
                CROSS JOIN images_word_query('{tag:a}', %(sought)s, 'last') AS last_word
                CROSS JOIN images_index_queries('{tag:a}', %(sought)s, whole) AS indexed
                CROSS JOIN images_word_document(%(title)s, 'y', 'x', '{a}', 'image/jpeg') AS document
                """,
                {"sought": sought, "title": title},
            ).fetchone()
            assert row in ((True, True, True), (True, False, True), (False, False, True)), sought


@pytest.mark.parametrize(
    ("title", "is_marked"),
    [
        ("gəlin", True),
        ("a gəlin", True),
        ("xя" * 300, True),
        ("x" * 500 + "я", False),
        ("əgəlin", False),
        ("München, Straße, Łódź, Ærø, Þór, İstanbul", False),
        ("harbour—night, don’t", False),
        ("tower東京 12月 a🌅", False),
    ],
)
def test_an_image_with_a_word_of_two_alphabets_has_a_mark(
    title: str, is_marked: bool, functions: psycopg.Connection
) -> None:
    [mark, *of_terms] = functions.execute(
        """
        SELECT
            images_word_document(NULL, %(title)s, 'a.jpg', '{}', 'image/jpeg') @@ '''=mixed''',
            images_mixed_mark(array_to_tsvector('{=tag:gəlin,=type:image/ə}')) = ''
        """,
        {"title": title},
    ).fetchone() or [None]

    assert (mark, of_terms) == (is_marked, [True])


# Images by their numbers from 0: the time, and which ones have the tag and the word `eclipse`.
ARRANGED = {
    "a rare word beside a rare tag": ("n * interval '1 hour'", "n % 400 = 300", "n = 1200"),
    "a word at the beginning of each tenth of all time, a tag only later": (
        "n * interval '1 hour'",
        "n % 400 >= 20 AND n % 4 = 0",
        "n % 400 < 4",
    ),
    "a word only at the beginning of the only day after an old image": (
        "CASE n WHEN 0 THEN interval '-50 years' ELSE n * interval '1 second' END",
        "n > 100 AND n % 5 = 0",
        "n BETWEEN 1 AND 20",
    ),
}


@pytest.mark.parametrize("case", ARRANGED)
def test_the_index_is_asked_for_a_rare_word_however_the_images_are_arranged(
    case: str, functions: psycopg.Connection
) -> None:
    moment, has_tag, has_word = ARRANGED[case]
    functions.execute("TRUNCATE image_words")
    functions.execute(
        f"""
        INSERT INTO image_words (created_at, image_id, words)
        SELECT
            '2026-01-01Z'::timestamptz + {moment},
            gen_random_uuid(),
            array_to_tsvector(
                array_remove(
                    ARRAY[
                        'harbour',
                        CASE WHEN {has_tag} THEN '=tag:city' END,
                        CASE WHEN {has_word} THEN 'eclipse' END
                    ],
                    NULL
                )
            )
        FROM generate_series(0, 3999) AS n
        """.encode()  # noqa: S608 constants of this module
    )
    asked = """
        SELECT images_index_queries('{tag:city}', %(words)s, whole)::text[]
        FROM images_word_query('{tag:city}', %(words)s, 'whole') AS whole
    """
    [rare, beginning, word] = [
        (functions.execute(asked, {"words": words}).fetchone() or ())[0] for words in ("ecl", "harb", "harbour")
    ]
    assert rare == ["'=tag:city' & 'ecl':*"]
    # If the tag is rare too, the index would read all of the common word.
    assert beginning == ["'=tag:city'" if "rare tag" in case else "'=tag:city' & 'harb':*"]
    assert word[0] == "'=tag:city' & 'harbour'"
    assert word[1].startswith("'=tag:city' & ( 'harboura':* | 'harbourb':* | ")
    assert word[2] == "'=tag:city' & '=mixed'"


@settings(max_examples=few(500))
@given(text=TEXT)
def test_the_parser_finds_the_words_of_a_simple_text(text: str, functions: psycopg.Connection) -> None:
    """PostgreSQL's parser reads a simple text, because it is faster. The words are those of images_words."""
    for value in (text, text.encode("ascii", "ignore").decode()):
        [found, expected] = functions.execute(
            """
            SELECT
                ARRAY(
                    SELECT lexeme || ' ' || place
                    FROM unnest(images_vector(%(text)s)) CROSS JOIN unnest(positions) AS place
                    ORDER BY 1
                ),
                ARRAY(
                    SELECT word || ' ' || place
                    FROM unnest(images_words(%(text)s, false)) WITH ORDINALITY AS listed (word, place)
                    UNION
                    SELECT ltrim(word, '0') || ' ' || place
                    FROM unnest(images_words(%(text)s, false)) WITH ORDINALITY AS listed (word, place)
                    WHERE word ~ '^0+[1-9]'
                    ORDER BY 1
                )
            """,
            {"text": value},
        ).fetchone() or (None, None)
        assert found == expected


CHANGES = (
    """
    INSERT INTO images (filename, content_type, byte_size, width, height, content_sha256, title, tags)
    SELECT %(a)s, 'image/png', 1, 1, 1, sha256((%(a)s || n)::bytea), %(b)s, ARRAY[%(a)s, %(b)s]
    FROM generate_series(1, 3) AS n
    ON CONFLICT DO NOTHING
    """,
    "UPDATE images SET title = %(a)s, description = %(b)s WHERE filename > %(b)s",
    "UPDATE images SET filename = %(a)s, tags = ARRAY[%(b)s] WHERE title > %(b)s",
    "UPDATE images SET created_at = created_at - interval '1 day', description = NULL WHERE filename <> %(a)s",
    "DELETE FROM images WHERE filename < %(a)s AND title > %(b)s",
)


@settings(max_examples=few(100))
@given(changes=st.lists(st.tuples(st.sampled_from(CHANGES), TEXT, TEXT), max_size=8))
def test_the_words_of_the_table_are_those_of_its_images(
    changes: list[tuple[str, str, str]], functions: psycopg.Connection
) -> None:
    functions.execute("TRUNCATE images")
    for change, a, b in [(CHANGES[0], "a 01", "b"), *changes]:
        functions.execute(change.encode(), {"a": a, "b": b})
        listed(functions)


def test_long_texts_have_words(functions: psycopg.Connection) -> None:
    """A text with the most words that the limits allow is no error, and its beginning is found."""
    for unit in (
        "".join(map(chr, range(0x4E00, 0x9E00))),
        "".join(map(chr, range(0x20000, 0x29000))),
        "é" * 600,
    ):
        text = (unit * (1 + 50_000 // len(unit)))[:50_000]
        assert finds(functions, text[:30], description=text, tags=[text]) is True
