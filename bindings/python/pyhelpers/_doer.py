"""What PeerDoer is based on where the hio package is not installed."""


class Doer(object):
    """The protocol of ``hio.base.doing.Doer``: a generator that a scheduler runs, or a program by
    hand.

    Calling it gives the generator: ``doer(tymth=tymth)``, ``tymth()`` being the scheduler's cycle
    time in seconds. ``next(generator)`` enters and gives ``tock``, the seconds until the next run;
    ``generator.send(tyme)`` runs :meth:`recur`; ``generator.close()`` ends it. Subclasses override
    :meth:`enter`, :meth:`recur`, a plain method here, :meth:`clean`, :meth:`cease`, :meth:`abort`
    and :meth:`exit`.

    ``tymth``: see above. ``tock``: wanted seconds between runs; 0: as soon as possible. ``opts``:
    a dict for the scheduler's use. ``temp``: whether resources that are files are temporary.
    ``done``: None at first, then what the last :meth:`recur` gave; true: it has come to its end.

    Not for several threads at once.
    """

    def __init__(self, tymth=None, tock=0.0, opts=None, temp=False, **kwa):
        super(Doer, self).__init__()
        self.tymth = tymth
        self.done = None
        self.tock = tock
        self.opts = {} if opts is None else opts
        self.temp = bool(temp)

    def __call__(self, *pa, **kwa):
        return self.do(*pa, **kwa)

    @property
    def tyme(self):
        """The scheduler's cycle time in seconds; None when there is no scheduler yet."""
        return self.tymth() if self.tymth else None

    @property
    def tock(self):
        """Wanted seconds between runs, 0 or more; 0: as soon as possible."""
        return self._tock

    @tock.setter
    def tock(self, tock):
        self._tock = abs(float(tock))

    def wind(self, tymth):
        """Takes the cycle time from another scheduler."""
        self.tymth = tymth

    def do(self, tymth, tock=0.0, temp=None, **opts):
        """The generator: enter, recur until it is done, clean, exit. It ends early by cease when it
        is closed, by abort when something is raised; exit comes last in any case."""
        try:
            self.wind(tymth)
            self.tock = tock
            self.enter(temp=temp or self.temp or temp)
            while not self.done:
                tyme = yield self.tock
                self.done = self.recur(tyme=tyme)
        except GeneratorExit:
            self.cease()
        except Exception as error:
            self.abort(ex=error)
            raise
        else:
            self.clean()
        finally:
            self.exit()

    def enter(self, temp=None):
        """Sets resources up; ``temp``: as of the constructor, None for what was said there."""

    def recur(self, tyme):
        """What is to be done in each run, ``tyme`` being the cycle time. True: it is done."""
        return False

    def clean(self):
        """Follows the last recur."""

    def cease(self):
        """Follows a forced end."""

    def abort(self, ex):
        """Follows the exception ``ex``."""

    def exit(self):
        """Takes resources down."""
