"""Language check: the countable rules of the house style, applied to the project's own text.

Run it by hand: `python -m tests.support.language PATH...` prints `FILE:LINE: RULE: SENTENCE` for each finding, and
exits with 1 if there is one. Without a path, it checks all files.

The check reads docstrings, comments and messages of Python, comments of SQL, JavaScript, shell, YAML and TOML, and
pages of Markdown and HTML. It skips code spans in backticks.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.prose import MESSAGE, Passage, passages

ROOT = Path(__file__).parents[2]
NOT_COVERED = re.compile(
    r"^benchmarks/(results|peers)/|(^|/)sql/schema\.sql$"
    r"|^requirements/|^tests/support/(language|prose)|^tests/test_language\.py$|^LICENSE$"
)

MAX_WORDS = 25  # in one sentence
SUBJECTS = r"(?:who|whoever|what|whatever)(?!:)\b(?! to\b)(?!.*\?$)"
# Prepositions and conjunctions. A question word after them stands for a noun that is missing.
LINKS = "of|by|than|besides?"
LINKS_OF_WHO = "for|from|with|but|then|unless|to|if"
# Nouns and verbs after which "where" means a place.
PLACES = (
    "folder|directory|file|line|place|page|path|position|point|column|table|list|here|there|database|server|host|"
    "machine|bucket|environment|platform|section|module|package|link|url|address|spot|"
    "shows?|knows?|find|finds|see|sees|say|says|decides?|tells?|is|are|exactly|from|to|of|just"
)
RULES: dict[str, re.Pattern[str]] = {
    "subject": re.compile(
        rf"^{SUBJECTS}|; {SUBJECTS}|: who(?:ever)?\b(?! to\b)(?!.*\?$)|\b(?:{LINKS}) {SUBJECTS}|"
        rf"\b(?:{LINKS_OF_WHO}) who\b(?!.*\?$)|\b(?:nobody|somebody|no one|whom|whoever)\b|"
        r"\bnone (?!of\b)(?:is|are|was|waits?|has|have|can|that|finds?)\b|^None of\b|"
        r"^One (?:that|who|which|may|can|has|is)\b",
        re.IGNORECASE,
    ),
    "idiom": re.compile(
        r"\b(?:(?<!-)alone|anew|mend(?:s|ed|ing)?|in force|at work|no more(?! than\b)|any more(?=[.,;:)]|$)|as ever|"
        r"(?:unless|if not|when) (?:told|said|asked)(?: otherwise)?|to be had|can be had|in vain|comes? by|"
        r"but for|lest|thereof|in silence|for good(?=[.,;:)]|$)|make good|makes good|"
        r"(?:is|are|was|were|be|been|being) (?:told|said|had)(?! to\b)|stands? (?:in|beside|before|above|below|under)|"
        r"go(?:es)? on|hand(?:s|ed)? on|hold(?:s)? good|owe[sd]?|look after|"
        r"(?:is|are|was|were|be|being) away|beside the (?:service|release)|answered (?:with )?\d{3}|"
        r"h(?:old|olds|olding|eld) up(?! to))\b|"
        r"(?<!connection )(?<!connections )\brefus(?:es?|ed|ing|al)\b(?! (?:the )?connections?)",
        re.IGNORECASE,
    ),
    "semicolon": re.compile(
        r"; (?:it|they|the|a|an|this|that|these|those|there|no|then|so|but|and|otherwise|each|all|we|you|who|what|"
        r"where|if|when|do|not|others?|both|its|their|in|for|with|without|at|on|to|any|only|nothing|one|more|less)\b",
        re.IGNORECASE,
    ),
}
PLACE_BEFORE = re.compile(rf"(?:{PLACES}|[^,;] and)[`\"')]*$", re.IGNORECASE)
WHERE = re.compile(r"\bwhere\b")

# Words that no imperative sentence begins with.
NO_VERBS = frozenset(
    re.findall(
        r"\w+",
        """
        a about after again all also an and another any anything are as at back because before being beside
        between both but by can client code data does down each either empty error errors every everything few
        file files first for from given has have here how http i id if in into is it its itself just last less
        like line lines made many may more most much must name names neither new next no nobody none not
        nothing now of on once one only or other others our out over part plain request same several since so
        some something sql such text than that the their them then there these they this those three time true
        two under until up url value values very was were what whatever when where whether which while who
        whoever whole whose why will with within without words you your yes false
        """,
    )
)
THIRD_PERSON = re.compile(r"[a-z]+(?<![sui])s|[a-z]+(?:ies|uses|ses)")
ED = re.compile(r"(?!embed$|feed$|need$|seed$|speed$|shed$|exceed$|proceed$|wed$|bed$)[a-z]+ed")
ING = re.compile(r"(?!bring$|ping$|string$|ring$)[a-z]+ing")

# Parts of names that say nothing, or say it in another language than the field's.
NO_NAMES = frozenset(
    re.findall(r"\w+", "refuse refuses refused refusal mend mended patience patient farewell nobody told anew alone")
)


@dataclass(frozen=True, order=True)
class Finding:
    """A sentence that breaks a rule. `line` counts from 1."""

    path: str
    line: int
    rule: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.sentence}"


def check(passage: Passage) -> Iterator[Finding]:
    """Yield the findings of one passage."""

    def found(rule: str, text: str, line: int = 0) -> Finding:
        return Finding(passage.path, passage.line + line, rule, text.strip()[:160])

    if passage.kind == "name":
        if NO_NAMES & {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", passage.text)}:
            yield found("name", passage.text)
        return
    if passage.kind == "unit":
        yield found("unit", f"{passage.text} has no unit: say it in the name, or in a comment")
        return
    if passage.kind == "function" and not begins_with_verb(passage.text):
        yield found("docstring-verb", passage.text.split("\n")[0])
    for line, sentence in sentences(passage.text):
        for rule, pattern in RULES.items():
            if pattern.search(sentence):
                yield found(rule, sentence, line)
        if is_where_for_if(sentence):
            yield found("where-for-if", sentence, line)
        words = [word for word in sentence.split() if re.search(r"\w", word)]
        if len(words) > MAX_WORDS:
            yield found(f"{len(words)}-words", sentence, line)


def begins_with_verb(docstring: str) -> bool:
    """Return whether a function's docstring begins with an imperative verb, as far as its first word tells."""
    match = re.match(r"[A-Za-z'-]+", docstring.strip())
    if match is None:
        return False
    word = match[0].lower()
    return not (word in NO_VERBS or THIRD_PERSON.fullmatch(word) or ED.fullmatch(word) or ING.fullmatch(word))


def is_where_for_if(sentence: str) -> bool:
    """Return whether a "where" of the sentence stands after a word that is no place. SQL's WHERE does not count."""
    if sentence.endswith("?"):
        return False
    if re.match(r"Where\b", sentence):
        return True
    return any(not PLACE_BEFORE.search(sentence[: match.start()].rstrip()) for match in WHERE.finditer(sentence))


CODE = re.compile(r"``.+?``|`[^`]*`", re.DOTALL)
LINK = re.compile(r"\]\([^)]*\)|https?://\S+")
# A sentence may begin with the name of a library.
START = r"(?=[\"'(*]*(?:[A-Z`0-9]|psycopg|yoyo|squawk|asyncpg|uvicorn))"
END = rf"(?<!e\.g\.)(?<!i\.e\.)(?<!etc\.)(?<!vs\.)(?<=[.!?])[\"')*]*\s+{START}|(?<=[.!?])\n"
BREAK = r"\n\s*\n|\n(?=\s*(?:[*+-]|\d+[.)]|\$\d|[A-Za-z][\w ]{0,14}:)\s)"
SPLIT = re.compile(rf"(?:{END}|{BREAK})")
BULLET = re.compile(r"^\s*(?:[*+-]|\d+[.)])\s+")
EXAMPLE = re.compile(r"(\$\d|example )")  # a parameter or an example in the header of a query


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Yield the sentences of a passage, each on one line with code spans as one word, and its line, from 0."""
    text = CODE.sub(lambda code: "CODE" + "\n" * code[0].count("\n"), text)
    text = LINK.sub("] ", text)
    position = 0
    for match in [*SPLIT.finditer(text), None]:
        part = text[position : match.start() if match else len(text)]
        words = " ".join(BULLET.sub("", part).split())
        if words and not EXAMPLE.match(words):
            yield text.count("\n", 0, position + len(part) - len(part.lstrip())), words
        position = match.end() if match else position


def covered() -> list[str]:
    """Return the paths of the files that the check covers, relative to the project's root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [path for path in sorted(set(listed)) if not NOT_COVERED.search(path) and (ROOT / path).is_file()]


def check_file(path: str) -> list[Finding]:
    """Return the findings of one file, by line."""
    text = (ROOT / path).read_bytes().decode(errors="replace")
    return sorted({finding for passage in passages(path, text) for finding in check(passage)})


def check_text(path: str, texts: Iterable[str]) -> list[Finding]:
    """Return the findings of texts that are in no file, such as the descriptions of the OpenAPI document."""
    return sorted({finding for text in texts for finding in check(Passage(path, 0, MESSAGE, text))})


COUNTED = {
    "semicolons": re.compile(";"),
    "clauses with who, what or where as a noun": re.compile(
        r"(?:^|[,;:] |\b(?:is|of|by|than|for|from|with|to|says?|tells?|shows?|sees?|on|at) )"
        r"(?:who|what|where)(?:ever)? ",
        re.IGNORECASE,
    ),
    "you": re.compile(r"\byours?\b|\byou\b", re.IGNORECASE),
}


def counts(paths: Iterable[str]) -> dict[str, float]:
    """Return how often each of COUNTED is in pages, for 1,000 words of prose, and the average words of a sentence."""
    found = [
        sentence
        for path in paths
        for passage in passages(path, (ROOT / path).read_text(encoding="utf-8"))
        for _, sentence in sentences(passage.text)
    ]
    words = sum(len(re.findall(r"\S*\w\S*", sentence)) for sentence in found)
    of_each = {name: sum(len(pattern.findall(each)) for each in found) for name, pattern in COUNTED.items()}
    return {name: 1000 * count / words for name, count in of_each.items()} | {"words": words / len(found)}


def main(arguments: list[str]) -> int:
    """Print the findings of the named files and folders. Return 1 if there are any, otherwise 0."""
    wanted = [Path(argument).resolve() for argument in arguments]
    chosen = [path for path in covered() if not wanted or any((ROOT / path).is_relative_to(each) for each in wanted)]
    found = [finding for path in chosen for finding in check_file(path)]
    for finding in found:
        print(finding)
    print(f"{len(found)} findings in {len(chosen)} files", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
