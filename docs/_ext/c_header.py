"""The directive ``c-header``: a family of the C ABI, with its comments, from include/pyhelpers.h.

    .. c-header:: udph

gives what begins with ``udph_`` or ``UDPH_`` as sections of functions, types and constants. The
header is regular, as cbindgen writes it: a comment, then what it is about. Whatever is not of that
kind, and a function or a type without a comment, ends the build.
"""

import collections
import pathlib
import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

HEADER = pathlib.Path(__file__).resolve().parents[2] / "include" / "pyhelpers.h"

#: A declaration that shares a comment with those before it has its signature there.
Entry = collections.namedtuple("Entry", "kind name signatures comment members values")
Field = collections.namedtuple("Field", "signatures comment")

#: Kinds, as the roles and directives of Sphinx's C domain, and the titles of their sections.
SECTIONS = (("function", "Functions"), ("type", "Types"), ("macro", "Constants"))
ROLES = {"function": "c:func", "type": "c:type", "macro": "c:macro"}

#: What stands in the header, each from the beginning of a line.
TOKENS = re.compile(
    r"""(?P<prologue>\A/\*\ .*?\*/\n)
    |(?P<blank>\s+)
    |(?P<directive>\#(?:pragma|include)[^\n]*\n)
    |(?P<cplusplus>\#ifdef\ __cplusplus\n.*?\#endif[^\n]*(?:\n|\Z))
    |/\*\*\n(?P<comment>(?:(?!\*/).)*)\*/\n
    |\#define\ (?P<macro>\w+)\ (?P<value>-?\w+)\n
    |typedef\ struct\ (?P<opaque>\w+)\ (?P=opaque);\n
    |typedef\ struct\ \{\n(?P<body>.*?)\n\}\ (?P<structure>\w+);\n
    |typedef\ (?P<callback>[^;{]*?\(\*(?P<callback_name>\w+)\)\([^;]*\));\n
    |(?P<function>\w[\w\ *]*?(?P<function_name>\w+)\([^;{]*\));\n
    """,
    re.X | re.S,
)
MEMBER = re.compile(
    r"\s*(?:/\*\*\n(?P<comment>(?:(?!\*/).)*)\*/\s*)?(?P<field>[\w *\[\]]+);\s*", re.S
)


def unstarred(comment):
    return re.sub(r"^ *\*(?: |$)", "", comment, flags=re.M).strip()


def joined(declaration):
    return " ".join(declaration.split())


def scan(text):
    """The matches of TOKENS, one behind the other, that mean something."""
    at = 0
    while at < len(text):
        match = TOKENS.match(text, at)
        if match is None:
            line = text.count("\n", 0, at) + 1
            found = text[at : text.find("\n", at)]
            raise ExtensionError("%s:%d: not understood: %s" % (HEADER, line, found))
        at = match.end()
        if match.lastgroup in ("prologue", "blank", "directive", "cplusplus"):
            continue
        yield match


def parse(text):
    """All entries of the header, in its order."""
    entries, comment = [], ""
    for match in scan(text):
        if match["comment"]:
            comment = unstarred(match["comment"])
            continue
        entry = entry_of(match, comment)
        if comment:
            entries.append(entry)
        elif entry.kind == "macro" and entries and entries[-1].kind == "macro":
            entries[-1].signatures.extend(entry.signatures)
            entries[-1].values.extend(entry.values)
        else:
            raise ExtensionError("%s: %s has no comment" % (HEADER, entry.name))
        comment = ""
    return entries


def entry_of(match, comment):
    if match["macro"]:
        return Entry("macro", match["macro"], [match["macro"]], comment, [], [match["value"]])
    if match["opaque"]:
        return Entry("type", match["opaque"], [match["opaque"]], comment, [], [])
    if match["structure"]:
        name = match["structure"]
        return Entry("type", name, [name], comment, fields(name, match["body"]), [])
    if match["callback"]:
        signature = joined(match["callback"])
        return Entry("type", match["callback_name"], [signature], comment, [], [])
    signature = joined(match["function"])
    return Entry("function", match["function_name"], [signature], comment, [], [])


def fields(structure, body):
    found, at = [], 0
    while at < len(body):
        match = MEMBER.match(body, at)
        if match is None:
            raise ExtensionError("%s: %s: not understood: %s" % (HEADER, structure, body[at:]))
        at = match.end()
        signature = joined(match["field"])
        if match["comment"]:
            found.append(Field([signature], unstarred(match["comment"])))
        elif found:
            found[-1].signatures.append(signature)
        else:
            # The structure's own comment tells.
            found.append(Field([signature], ""))
    return found


def family(name):
    return name.partition("_")[0].lower()


class Writer(object):
    """Writes entries as reStructuredText."""

    def __init__(self, entries):
        self._entries = entries
        self._roles = {}
        for entry in entries:
            for name in entry.signatures if entry.kind == "macro" else [entry.name]:
                self._roles[name] = ROLES[entry.kind]
        self._families = {family(name) for name in self._roles}

    def page(self, chosen):
        if chosen not in self._families:
            raise ExtensionError("%s: nothing begins with %s_" % (HEADER, chosen))
        lines = []
        for kind, title in SECTIONS:
            entries = [e for e in self._entries if e.kind == kind and family(e.name) == chosen]
            if entries:
                lines += [title, "-" * len(title), ""]
            for entry in entries:
                lines += self._entry(entry)
        return lines

    def _entry(self, entry):
        content = self._paragraphs(entry.name, entry.comment)
        if entry.values:
            content += ["Value: %s" % ", ".join("``%s``" % value for value in entry.values), ""]
        for field in entry.members:
            inner = self._paragraphs(entry.name, field.comment)
            content += self._described("member", field.signatures, inner)
        return self._described(entry.kind, entry.signatures, content)

    def _described(self, directive, signatures, content):
        head = ".. c:%s:: " % directive
        lines = [head + signatures[0]] + [" " * len(head) + more for more in signatures[1:]]
        return lines + [""] + ["    " + line if line else "" for line in content] + [""]

    def _paragraphs(self, where, comment):
        lines = []
        for paragraph in re.split(r"\n\s*\n", comment):
            text = re.sub(
                r"`(?P<code>[^`]+)`|<(?P<address>https?://[^>]+)>|(?P<errno>-E[A-Z0-9]+)"
                r"|(?P<word>\w+)|(?P<mark>[*|\\`])",
                lambda match: self._piece(where, match),
                joined(paragraph),
            )
            # What callers look for stands by itself.
            text = re.sub(r" ?\b(Errors(?:, [^:;.]*)?|Thread safety):", r"\n\n**\1**:", text)
            lines += [line.strip() for line in text.split("\n")] + [""]
        return lines

    def _piece(self, where, match):
        if match["address"]:
            return match["address"]
        if match["errno"]:
            return "``%s``" % match["errno"]
        if match["mark"] == "`":
            raise ExtensionError("%s: %s: a ` without another" % (HEADER, where))
        if match["mark"]:
            return "\\" + match["mark"]
        text = match["code"] or match["word"]
        if text in self._roles and text != where:
            return ":%s:`%s`" % (self._roles[text], text)
        if match["code"]:
            if self._is_ours(text) and text not in self._roles:
                raise ExtensionError("%s: %s names %s, which is not there" % (HEADER, where, text))
            return "``%s``" % text
        return text.replace("_", "\\_")

    def _is_ours(self, text):
        return re.fullmatch(r"\w+_\w+", text) and family(text) in self._families


class CHeader(SphinxDirective):
    required_arguments = 1

    def run(self):
        self.env.note_dependency(str(HEADER))
        lines = Writer(parse(HEADER.read_text())).page(self.arguments[0])
        node = nodes.section()
        node.document = self.state.document
        nested_parse_with_titles(self.state, StringList(lines, source=str(HEADER)), node)
        return node.children


def setup(app):
    app.add_directive("c-header", CHeader)
    return {"parallel_read_safe": True}
