"""Runs programs of the five projects without a change::

    python -m pyhelpers.compat SCRIPT [ARGS]

The modules of pyhelpers stand under the names that the script imports: ``hio.core.udp.udping``,
``pyed`` and its modules, ``receive_queue``, ``named_pipe_wrapper``, ``libvirt_wrapper`` and
``time_manager``. They are the same modules, so classes are the same under either name. They come
before copies that lie beside the script or are installed; of an installed hio all the rest is its
own.
"""

from pyhelpers.compat._finder import install

__all__ = ["install"]
