"""The topic tree that each box has at the broker; its identity is its certificate's name."""

from __future__ import annotations

from vigibip.alert.ids import is_box_id

ROOT = "vigibip/1"
POST_IDENTITY = "post"

ALERT = "alert"
ANSWER_ACK = "answer_ack"
STATUS = "status"
OFFICER_ANSWER = "officer_answer"
RECEIPT = "receipt"
ANSWER = "answer"
CONTACTS = "contacts"

ALL_UP = f"{ROOT}/+/up/+"


def up(box_id: str, kind: str) -> str:
    """Return the topic on which the box says `kind` to the post."""
    return f"{_of_box(box_id)}/up/{kind}"


def down(box_id: str, kind: str) -> str:
    """Return the topic on which the post says `kind` to the box."""
    return f"{_of_box(box_id)}/down/{kind}"


def all_down(box_id: str) -> str:
    """Return the filter that a box subscribes to."""
    return f"{_of_box(box_id)}/down/+"


def parse_up(topic: str) -> tuple[str, str]:
    """Return (box id, kind) of a topic of ALL_UP. Raises ValueError."""
    parts = topic.split("/")
    if len(parts) != 5 or "/".join(parts[:2]) != ROOT or parts[3] != "up":
        raise ValueError("not a topic of a box")
    if not is_box_id(parts[2]):
        raise ValueError("not a box id")
    return parts[2], parts[4]


def _of_box(box_id: str) -> str:
    # A wildcard or a slash in an id would open another box's topics.
    if not is_box_id(box_id):
        raise ValueError("not a box id")
    return f"{ROOT}/{box_id}"
