"""The main module of a child of multiprocessing's that is not forked: the script once more."""

from pyhelpers.compat._script import run_again

run_again(globals())
