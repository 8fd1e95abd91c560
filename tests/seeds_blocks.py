"""The code blocks of the documents that the project began with. Source for CPython 2.7 too."""

import hashlib
import io
import os
import re
from collections import namedtuple

#: ``document``: the first three letters of its file's name. ``text``: what stands in it, without
#: the indentation that marks it as code. ``digest``: that of the text; it names the block.
Block = namedtuple("Block", "document text digest")

_FENCED = re.compile(r"^```\w*\n(.*?)```", re.M | re.S)

#: Lines that are indented alike, and empty ones between them.
_INDENTED = re.compile(r"^\t.*\n(?:(?:\s*\n)*\t.*\n)*", re.M)

_DIRECTIVE = re.compile(r"^\.\. code-block:: \w+\n\s*\n((?: +.*\n|\s*\n)+)", re.M)

#: Of a page whose layout is lost: what stands below the word.
_USAGE = re.compile(r"^Usage:\n(.*?)\n\nModule contents", re.M | re.S)


def blocks(folder):
    """All of them, in the order of the documents."""
    found = []
    for name in sorted(os.listdir(folder)):
        with io.open(os.path.join(folder, name), encoding="utf-8", newline="") as file:
            text = file.read()
        for code in _codes(text):
            digest = hashlib.sha256(code.encode("utf-8")).hexdigest()[:12]
            found.append(Block(name[:3], code, digest))
    return found


def _codes(text):
    found = []
    for form, margin in (_FENCED, ""), (_DIRECTIVE, "   "), (_INDENTED, "\t"), (_USAGE, ""):
        found += [_dedented(code, margin) for code in form.findall(text) if code.strip()]
        # Code in a fence may be indented as well.
        text = form.sub("", text)
    return found


def _dedented(code, margin):
    return re.sub("^" + margin, "", code.rstrip() + "\n", flags=re.M) if margin else code
