#!/usr/bin/env python3
"""Writes the Python declarations of the C ABI from include/pyhelpers.h.

Makes pyhelpers/_backend/_cffi_abi.py (cffi's out-of-line ABI mode: no compiler, nothing parsed at
import) and pyhelpers/_backend/_ctypes_abi.py. With --check it writes nothing and fails when a
committed file differs. Needs cffi (with pycparser), which only the project's developers need.
"""

import argparse
import pathlib
import re
import sys
import tempfile

import cffi
from pycparser import c_ast, c_parser

HERE = pathlib.Path(__file__).resolve().parent
HEADER = HERE.parent.parent / "include" / "pyhelpers.h"
BACKEND = HERE / "pyhelpers" / "_backend"

CTYPES_PROLOGUE = '''"""The C ABI for ctypes. Generated from include/pyhelpers.h by generate_abi.py; do not edit."""

import ctypes

'''

#: C types by value, and pointers to them where ctypes has a better name than POINTER(...).
#: Handles and byte buffers are plain addresses: they are numbers to Python.
VALUES = {
    "int32_t": "ctypes.c_int32",
    "uint32_t": "ctypes.c_uint32",
    "int64_t": "ctypes.c_int64",
    "uint64_t": "ctypes.c_uint64",
    "uint16_t": "ctypes.c_uint16",
    "uint8_t": "ctypes.c_uint8",
    "size_t": "ctypes.c_size_t",
}
STANDARD_TYPES = "".join("typedef int %s;\n" % name for name in VALUES)


def declarations(header):
    """The header without comments and preprocessor lines, and its constants as a dict."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", header, flags=re.S)
    constants = dict(re.findall(r"^#define\s+(\w+)\s+(-?\w+)\s*$", text, flags=re.M))
    text = re.sub(r"^#ifdef __cplusplus\n.*?^#endif.*?$", "", text, flags=re.S | re.M)
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    return re.sub(r"\n\s*\n+", "\n", text).strip() + "\n", constants


def cffi_module(text, constants):
    ffi = cffi.FFI()
    ffi.cdef(text + "".join("#define %s %s\n" % item for item in constants.items()))
    ffi.set_source("_cffi_abi", None)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "_cffi_abi.py"
        ffi.emit_python_code(str(path))
        code = path.read_text()
    return code.replace(
        "# auto-generated file\n",
        "# Generated from include/pyhelpers.h by generate_abi.py; do not edit.\n",
    )


def ctypes_module(text, constants):
    parts = [CTYPES_PROLOGUE]
    parts.extend("%s = %s\n" % item for item in sorted(constants.items()))
    functions = []
    for node in c_parser.CParser().parse(STANDARD_TYPES + text).ext:
        declared = node.type
        if isinstance(node, c_ast.Decl) and isinstance(declared, c_ast.FuncDecl):
            functions.append(function_entry(node))
        elif isinstance(node, c_ast.Typedef) and is_structure(declared):
            parts.append(structure_class(node))
    parts.append("\n\n#: name: (result, arguments)\nFUNCTIONS = {\n%s}\n" % "".join(functions))
    return "".join(parts)


def is_structure(declared):
    return isinstance(declared.type, c_ast.Struct) and declared.type.decls is not None


def structure_class(node):
    fields = [
        "        (%r, %s),\n" % (field.name, field_type(field.type)) for field in node.type.type.decls
    ]
    return "\n\nclass %s(ctypes.Structure):\n    _fields_ = [\n%s    ]\n" % (
        node.name,
        "".join(fields),
    )


def function_entry(node):
    arguments = [value_type(parameter.type) for parameter in node.type.args.params]
    arguments = [argument for argument in arguments if argument is not None]
    result = value_type(node.type.type)
    return "    %r: (%s, [%s]),\n" % (node.name, result, ", ".join(arguments))


def field_type(declared):
    if isinstance(declared, c_ast.ArrayDecl):
        return "%s * %s" % (value_type(declared.type), declared.dim.value)
    return value_type(declared)


def value_type(declared):
    if isinstance(declared, c_ast.PtrDecl):
        is_text = isinstance(declared.type, c_ast.TypeDecl) and name_of(declared.type) == "char"
        # What is handed in as text; everything else is handed over as an address.
        return "ctypes.c_char_p" if is_text and "const" in declared.type.quals else "ctypes.c_void_p"
    name = name_of(declared)
    if name == "void":
        return None
    if name.endswith("_fn"):
        return "ctypes.c_void_p"
    return VALUES.get(name, name)


def name_of(declared):
    return declared.type.names[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail when a committed file differs")
    is_check = parser.parse_args().check
    text, constants = declarations(HEADER.read_text())
    stale = []
    for name, make in (("_cffi_abi.py", cffi_module), ("_ctypes_abi.py", ctypes_module)):
        path, code = BACKEND / name, make(text, constants)
        if is_check and (not path.exists() or path.read_text() != code):
            stale.append(name)
        elif not is_check:
            path.write_text(code)
    if stale:
        sys.exit("%s: not what include/pyhelpers.h says; run `make header`" % ", ".join(stale))


if __name__ == "__main__":
    main()
