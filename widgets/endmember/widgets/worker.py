"""One thread for slow work, of which only the latest matters."""

from __future__ import annotations

import sys
import threading


class Worker:
    """Runs the latest job on one thread; jobs that were overtaken are told to stop.

    The thread ends when nothing is left to do.

    Examples
    --------
    >>> worker, done = Worker(), []
    >>> token = worker.start(lambda is_stopped: done.append(is_stopped()))
    >>> worker.wait(5)
    True
    >>> done
    [False]
    """

    def __init__(self):
        self.lock = threading.RLock()  # held by whoever publishes a result or takes one back
        self._token = 0
        self._next = None
        self._thread = None
        self._rest = threading.Event()
        self._rest.set()

    def start(self, job):
        """Run a job of one argument, a function that tells whether it is to stop; overtake others.

        Returns its token.
        """
        with self.lock:
            self._token += 1
            self._next = (self._token, job)
            self._rest.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            return self._token

    def cancel(self):
        """Tell the present job to stop, and forget one that waits; returns at once."""
        with self.lock:
            self._token += 1
            self._next = None

    def is_latest(self, token):
        """Whether nothing was started or cancelled since."""
        return token == self._token

    def wait(self, seconds=None):
        """Wait until nothing runs; return whether that is so."""
        return self._rest.wait(seconds)

    def _run(self):
        while True:
            with self.lock:
                if self._next is None:
                    self._thread = None
                    self._rest.set()
                    return
                (token, job), self._next = self._next, None
            self._do(job, lambda token=token: not self.is_latest(token))

    def _do(self, job, is_stopped):
        """Do a job; one that fails is told of as threads tell, and the next one is done."""
        try:
            job(is_stopped)
        except Exception:
            told = (*sys.exc_info(), threading.current_thread())
            threading.excepthook(threading.ExceptHookArgs(told))
