"""Small parts that all widgets share: code to copy, words that are spoken, work under way."""

import pytest
import traitlets as tl

from endmember.widgets.code_field import CodeField
from endmember.widgets.message import Message
from endmember.widgets.work_row import WorkRow


class Work(tl.HasTraits):
    """Work that only notes what was asked of it."""

    status = tl.Unicode("idle")
    progress = tl.Float(0.0)
    seconds_left = tl.Float(allow_none=True, default_value=None)

    def __init__(self):
        super().__init__()
        self.asked = []

    def cancel(self):
        self.asked.append("cancel")
        self.status = "stale"

    def compute(self):
        self.asked.append("compute")
        self.status = "running"


def test_a_row_shows_how_far_the_work_has_come():
    work = Work()
    row = WorkRow(work)
    work.status, work.progress, work.seconds_left = "running", 0.4, 3.0
    assert (row.status, row.progress, row.seconds_left) == ("running", 0.4, 3.0)
    work.status, work.seconds_left = "idle", None
    assert (row.status, row.seconds_left) == ("idle", None)


def test_the_button_cancels_what_runs_and_begins_what_is_left():
    work = Work()
    row = WorkRow(work)
    for _ in range(3):
        row.press()
    assert work.asked == ["compute", "cancel", "compute"]


def test_a_click_does_what_the_button_said_when_it_was_pressed():
    work = Work()
    row = WorkRow(work)
    row._handle_custom_msg({"kind": "cancel"}, [])  # the work has ended while it travelled
    assert work.asked == []
    row._handle_custom_msg({"kind": "compute"}, [])
    row._handle_custom_msg({"kind": "compute"}, [])  # of a second view
    row._handle_custom_msg({"kind": "cancel"}, [])
    assert work.asked == ["compute", "cancel"]


def test_a_message_changes_words_and_kind_together():
    message, seen = Message("first"), []
    message.observe(lambda change: seen.append((message.value, message.kind)), ["value", "kind"])
    message.say("drift is suspected", kind="warning")
    assert seen[-1] == ("drift is suspected", "warning")
    with pytest.raises(tl.TraitError, match="kind"):
        message.kind = "shout"


def test_code_is_kept_letter_for_letter():
    code = "a < b and '<i>'\n\tindent & more"
    field = CodeField(code)
    assert field.get_state()["value"] == code
