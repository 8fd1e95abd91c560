"""The directive ``readme``: a part of README.md, whose programs are tested, at another place.

    ```{readme} **UDP handler**
    ```

gives the text behind that on to the next part; the page has a title of its own.
"""

import pathlib
import re

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def part(text, beginning):
    """The part of the text that begins so at the beginning of a line."""
    pattern = r"^%s(?!\w).*?(?=^## |^\*\*[^*\n]+\*\*:|\Z)" % re.escape(beginning)
    found = re.findall(pattern, text, flags=re.S | re.M)
    if len(found) != 1:
        raise ExtensionError("%s: %d parts begin with %s" % (README, len(found), beginning))
    return found[0]


class Readme(SphinxDirective):
    required_arguments = 1
    final_argument_whitespace = True

    def run(self):
        self.env.note_dependency(str(README))
        text = part(README.read_text(), self.arguments[0])
        # As in "**Peer**: a socket".
        text = text[len(self.arguments[0]) :].lstrip(": \n")
        lines = (text[0].upper() + text[1:]).split("\n")
        node = nodes.Element()
        self.state.nested_parse(StringList(lines, source=str(README)), 0, node)
        return node.children


def setup(app):
    app.add_directive("readme", Readme)
    return {"parallel_read_safe": True}
