"""``python -m pyhelpers.compat``: see :mod:`pyhelpers.compat`."""

import sys

from pyhelpers.compat import _script

USAGE = "usage: python -m pyhelpers.compat [-h] (SCRIPT | -m MODULE) [ARGS ...]\n"

HELP = USAGE + """
Runs a script, or a folder or zip file with a __main__.py, as `python SCRIPT ARGS` would, on
pyhelpers under the names that it imports:
  hio.core.udp.udping, pyed and its modules, receive_queue, named_pipe_wrapper, libvirt_wrapper,
  time_manager, pyhelpers.udp_handler
The classes of their documents, such as BroadCastReceiver and NamedPipeWrapper, need no import.
"""


def main(arguments):
    """Gives the exit status where nothing was run."""
    if arguments[:1] in (["-h"], ["--help"]):
        sys.stdout.write(HELP)
        return 0
    run = _script.run
    if arguments[:1] == ["-m"]:
        run, arguments = _script.run_module, arguments[1:]
    if not arguments or arguments[0].startswith("-"):
        sys.stderr.write(USAGE)
        return 2
    try:
        return run(arguments[0], arguments[1:])
    except _script.CannotRun as error:
        sys.stderr.write("%s: %s\n" % (sys.executable, error))
        return 2


if __name__ == "__main__":
    # `python -i` would show an exit where there is none.
    status = main(sys.argv[1:])
    if status:
        sys.exit(status)
