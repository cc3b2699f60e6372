"""The prose of the documentation: short sentences, and one meaning per word in the glossary."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LONGEST = 35

FENCED = re.compile(r"^( *)```.*?^\1```[^\n]*$", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"\s*(?:[-*]|\d+\.)\s+")
# a full stop, but no ellipsis and no range such as b1 .. b4, then a blank
END = re.compile(r"(?<=[^.\s][.!?])[)*\"]*\s+(?!\.)")


def paragraphs(text):
    """Paragraphs and list items; no code, no tables, no headings."""
    found, lines, in_list, in_code, after_blank = [], [], False, False, True
    for line in [*FENCED.sub("", text).splitlines(), ""]:
        item = ITEM.match(line)
        indented = line.startswith("    ")
        in_code = indented and (in_code or (after_blank and not in_list))
        skipped = in_code or line.lstrip().startswith(("|", "#", "!["))
        if (not line.strip() or item or skipped) and lines:
            found.append(" ".join(lines))
            lines = []
        if line.strip() and not skipped:
            in_list = bool(item) or (in_list and (not after_blank or line.startswith(" ")))
            lines.append(ITEM.sub("", line, count=1).strip() if item else line.strip())
        elif skipped and not indented:
            in_list = False
        after_blank = not line.strip()
    return found


def sentences(text):
    """Sentences of a page's prose, links reduced to their words."""
    return [
        sentence
        for paragraph in paragraphs(text)
        for sentence in END.split(re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", paragraph))
        if sentence
    ]


def long_sentences(page):
    return [s for s in sentences(page.read_text(encoding="utf-8")) if len(s.split()) > LONGEST]


def test_sentences_of_a_page():
    text = (
        "# Heading that is none.\n\nOne [link. Text](x.md#a) ends. Numbers 1.5 s and b1 .. b4 do not! Then (in\n"
        "brackets.) Last:\n\n    code. No prose.\n\n- item one. Goes\n  on.\n- item two\n\n    more of item two\n\n"
        "| a. b | c |\n\n```sh\nrun. this\n```\n\nEnd."
    )
    assert sentences(text) == [
        "One link.",
        "Text ends.",
        "Numbers 1.5 s and b1 .. b4 do not!",
        "Then (in brackets.",
        "Last:",
        "item one.",
        "Goes on.",
        "item two",
        "more of item two",
        "End.",
    ]


def test_long_sentences_are_counted(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("word " * 34 + "end. " + "word " * 35 + "end.\n", encoding="utf-8")
    assert [len(s.split()) for s in long_sentences(page)] == [36]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_sentences_are_short(page):
    found = long_sentences(page)
    assert not found, "\n\n".join(found)


def test_the_counter_sees_the_documentation():
    assert sum(len(sentences(page.read_text(encoding="utf-8"))) for page in PAGES) > 1000


def glossary():
    """Word and meaning of each row."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", GLOSSARY.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [(word, meaning) for word, meaning in rows if word != "word"]


def test_each_word_of_the_glossary_has_one_meaning_in_one_sentence():
    words = [word for word, _ in glossary()]
    assert len(words) == len(set(words)) > 80
    for word, meaning in glossary():
        assert meaning.endswith((".", "].")), word
        assert len(sentences(meaning)) == 1, word
        assert len(meaning.split()) <= LONGEST, word


def test_words_of_the_glossary_are_in_order():
    for section in GLOSSARY.read_text(encoding="utf-8").split("\n## ")[1:]:
        words = [word.lower() for word in re.findall(r"^\| (.+?) \|", section, flags=re.MULTILINE) if word != "word"]
        assert words == sorted(words)
