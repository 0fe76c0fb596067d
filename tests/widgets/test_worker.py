"""A worker goes on whatever its jobs do."""

import threading

from endmember.widgets.worker import Worker


def test_a_job_that_fails_is_told_of_and_the_next_one_is_done(monkeypatch):
    told, done, worker = [], [], Worker()
    monkeypatch.setattr(threading, "excepthook", lambda args: told.append(args.exc_type))

    def fail(_):
        raise MemoryError("no room")

    worker.start(fail)
    assert worker.wait(5)
    worker.start(lambda _: done.append("next"))
    assert worker.wait(5)
    assert (told, done) == ([MemoryError], ["next"])
