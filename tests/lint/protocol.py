#!/usr/bin/python3
"""docs/protocol.md does not rot: every requirement of REQUIRED has its row, every row its test, and
every test names the section that it is said to show (docs/style.md: `RFC nnnn section x` or §x, in the
comment above the test or in its body)."""

import collections
import os
import re
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = "docs/protocol.md"

# RFC: sections, each as often as the page has rows for it (2181 9 twice: TC, and no TC). A requirement
# leaves this list only together with its row, by somebody who has read the section.
REQUIRED = """
1034: 3.6.2 4.2.1 4.3.2*4
1035: 2.3.3 2.3.4 3.2.3 3.2.4 3.3.14 4.1 4.1.1*3 4.1.4 4.2.1
1995: 4
1996: 3
2136: 3.1
2181: 5 5.2 8 9*2 10.1 11
2308: 2.1*2 2.2 3*2 5 7.1
3225: 3
3425: 3
3597: 3 4 5
4034: 6
4035: 3.1 3.1.4.1 3.1.6
4343: 2 3 4.1
4592: 2.1.1 2.2 2.2.1 2.2.2*2 2.3 3.3.1 4.2 4.3 4.4 4.5 4.6 4.9
4892: 2
5001: 2.2
5452: 9.1
5936: 2.2.1
6604: 2 3
6672: 2.2 2.3 3.1 3.2 3.3
6840: 5.8
6891: 6.1.1*2 6.1.2*2 6.1.3 6.1.4 6.2.3 6.2.4 6.2.5
6895: 3.1 3.2
7314: 3
7766: 5*2 6.2.1 6.2.3 8
7828: 3.3.2
7830: 4
7871: 6 7.1.2 7.2.1*7 7.3.1 7.4 9 10 12.1
7873: 5.2.2 5.2.3 5.2.4 5.2.5 5.4
8020: 2
8482: 4.1
8490: 5.1.1
8624: 3
8906: 3.1.2 3.1.4
8914: 2 4.4 4.15 4.19 4.21
8945: 5.2
9018: 4
9156: 2
9210: 4.2
9276: 3.1
9460: 2.1 2.2*2 2.4.2 4.1 7.1.1 8
9471: 3.1 3.2
9619: 4
9715: 3.1*2
9824: 3.5 5.1
"""
LEVELS = ("M", "S", "O")
STATUS = re.compile(r"(holds)\b|(differs|not offered): (.{10,})")
SECTIONS = r"[0-9]+(?:\.[0-9]+)*"


def required():
    wanted = collections.Counter()
    for line in REQUIRED.split("\n"):
        rfc, _, sections = line.partition(":")
        for section in sections.split():
            name, _, times = section.partition("*")
            wanted[(rfc, name)] += int(times or 1)
    return wanted


def mentions(text):
    """The pairs (RFC, section) that a comment names: "RFC 2308 section 2.1, 2.2 and 3; section 5"."""
    text = re.sub(r"\s*\n[ \t]*(?:/?\*+(?!/)|#)?[ \t]*", " ", text)
    found, rfc = set(), None
    for m in re.finditer(r"RFC ?([0-9]{3,5})|(?:[Ss]ections? |§)(%s(?:(?:,? and |, |, §)%s)*)" % (SECTIONS, SECTIONS), text):
        if m.group(1):
            rfc = m.group(1)
        elif rfc:
            found.update((rfc, s) for s in re.findall(SECTIONS, m.group(2)))
    return found


def test_text(path, name):
    """The test with the comment above it; None when the file has no such test, or never runs it."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if path.endswith(".py"):
        m = re.search(r"((?:^#.*\n)*)^def %s\(.*?(?=^\S|\Z)" % name, text, re.M | re.S)
        return m.group(0) if m and name.startswith("test_") else None
    m = re.search(r"((?:^/\*(?:(?!\*/).)*\*/\n)?)^static void %s\(void \*\*state\)\n\{.*?^\}" % name, text, re.M | re.S)
    return m.group(0) if m and re.search(r"\(%s[,)]" % name, text) else None


def rows():
    """Line number and cells of each requirement."""
    with open(os.path.join(SOURCE, PAGE), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            cells = [c.strip() for c in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
            if cells and cells[0] != "RFC" and not set(cells[0]) <= {"-"}:
                yield number, cells


def check_tests(where, pairs, cell):
    """Findings on the tests of a row."""
    named, shown = re.findall(r"`([^`]*)`", cell), set()
    if "TODO" in cell:
        yield "%s: no test yet: %s" % (where, ", ".join(named))
        return
    for entry in named:
        path, _, name = entry.partition(" ")
        full = os.path.join(SOURCE, "tests", path)
        if not re.fullmatch(r"[a-z0-9_/]+\.(c|py)", path) or not re.fullmatch(r"\w+", name):
            yield "%s: `%s` is no file under tests/ and a function" % (where, entry)
            continue
        text = test_text(full, name) if os.path.exists(full) else None
        if text is None:
            yield "%s: there is no test %s in tests/%s" % (where, name, path)
            continue
        says = mentions(text) & set(pairs)
        shown |= says
        if pairs and not says:
            yield "%s: %s names none of %s" % (where, name, ", ".join("RFC %s section %s" % p for p in pairs))
    for rfc, section in pairs:
        if named and (rfc, section) not in shown:
            yield "%s: none of its tests names RFC %s section %s" % (where, rfc, section)


def check():
    seen, texts = collections.Counter(), {}
    for number, cells in rows():
        where = "%s:%d" % (PAGE, number)
        if len(cells) != 5:
            yield "%s: %d cells instead of 5" % (where, len(cells))
            continue
        sections, level, text, test, status = cells
        pairs = re.findall(r"([0-9]+) §(%s)" % SECTIONS, sections)
        if ", ".join("%s §%s" % p for p in pairs) != sections and sections != "–":
            yield "%s: \"%s\" is not written as 1035 §4.1.1, 9619 §4" % (where, sections)
        seen.update(pairs)
        if level not in LEVELS:
            yield "%s: the level is one of %s" % (where, ", ".join(LEVELS))
        if text in texts:
            yield "%s: the same requirement stands in line %d" % (where, texts[text])
        texts[text] = number
        m = STATUS.match(status)
        if not m:
            yield "%s: the status is \"holds\", or \"differs: \" or \"not offered: \" with a reason" % where
        if test == "–" and not (m and m.group(2) == "not offered"):
            yield "%s: it has no test" % where
        elif test != "–" and "`" not in test:
            yield "%s: name its test, `file function`" % where
        yield from check_tests(where, pairs, test)
    wanted = required()
    for pair in sorted(set(wanted) | set(seen)):
        if wanted[pair] != seen[pair]:
            yield "%s: RFC %s section %s has %d rows, REQUIRED (tests/lint/protocol.py) says %d" % (
                (PAGE,) + pair + (seen[pair], wanted[pair]))


def main():
    findings = list(check())
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
