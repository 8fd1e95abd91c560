"""An event loop that the program drives, as of pyed, over the native one.

The program makes a ``tcpserver``, ``events`` and ``timers``, and calls in turn::

    while 1:
        t = tms.processtimer()
        evs.processevent(t)

All objects take the events and timers that they belong to as ``evs`` and ``tms``. Those that are
made without belong to the default ones of the process: the first events and timers that a program
makes take over what was made before them. A forked child has default ones of its own: it
makes its servers and connections itself.
"""
