"""How Sphinx builds the documentation: `make docs`. Nothing is fetched from the network."""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "docs" / "_ext"), str(ROOT / "bindings" / "python")]
# The back end that needs nothing but the standard library.
os.environ.setdefault("PYHELPERS_BACKEND", "ctypes")

import pyhelpers  # noqa: E402

project = "pyhelpers"
version = release = pyhelpers.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "c_header", "readme", "complete"]
# Pages are Markdown, as README.md and CHANGELOG.md are, parts of which they show. The two
# references are reStructuredText, as docstrings are.

# "" is a string of C.
smartquotes = False
# Python where it is some.
highlight_language = "default"
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

autodoc_member_order = "bysource"
autodoc_default_options = {
    "members": True,
    # What a public class has of a private one is public too; what it has of Python's is known.
    "inherited-members": "object, tuple, dict, bytes, bytearray, int, Exception, namedtuple",
}

nitpick_ignore_regex = [
    # Other people's, whose own documentation is not at hand offline.
    ("py:mod", "errno"),
    ("c:identifier", r"u?int\d+_t|size_t"),
]

html_theme = "furo"
html_title = "pyhelpers %s" % release
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["_static"]
html_css_files = ["page.css"]


def skipped(app, what, name, member, skip, options):
    """Fields of a namedtuple have nothing to say; its own text names them."""
    return True if type(member).__name__ == "_tuplegetter" else None


def linked(app, what, name, found, options, lines):
    """What a docstring says is told by the header has its place here too."""
    text = re.sub(r"``(\w+_t)``(?=\s+in\s+pyhelpers\.h)", r":c:type:`\1`", "\n".join(lines))
    lines[:] = text.split("\n")


def setup(app):
    app.connect("autodoc-skip-member", skipped)
    app.connect("autodoc-process-docstring", linked)
