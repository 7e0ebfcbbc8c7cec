"""Topics: each box in its own tree, and no id that opens another's."""

from __future__ import annotations

import re

import pytest

from vigibip.alert import topics

BOX = "box-1a2b3c4d"


def test_what_a_box_says_is_found_again() -> None:
    for kind in (topics.ALERT, topics.ANSWER_ACK, topics.STATUS):
        assert topics.parse_up(topics.up(BOX, kind)) == (BOX, kind)


def test_the_tree_is_the_one_that_brokers_are_configured_with() -> None:
    assert topics.up(BOX, topics.ALERT) == "vigibip/1/box-1a2b3c4d/up/alert"
    assert topics.down(BOX, topics.RECEIPT) == "vigibip/1/box-1a2b3c4d/down/receipt"
    assert topics.all_down(BOX) == "vigibip/1/box-1a2b3c4d/down/+"
    assert topics.ALL_UP == "vigibip/1/+/up/+"


def test_the_filters_cover_their_topics_and_no_others() -> None:
    def covers(pattern: str, topic: str) -> bool:
        return re.fullmatch(pattern.replace("+", "[^/]*"), topic) is not None

    assert covers(topics.ALL_UP, topics.up(BOX, topics.ALERT))
    assert not covers(topics.ALL_UP, topics.down(BOX, topics.RECEIPT))
    assert covers(topics.all_down(BOX), topics.down(BOX, topics.ANSWER))
    assert not covers(topics.all_down(BOX), topics.down("box-00000000", topics.ANSWER))


@pytest.mark.parametrize("box_id", ["", "+", "#", "box-1a2b3c4d/up", "../x", "box-1A2B3C4D"])
def test_an_id_that_is_no_boxs_has_no_topic(box_id: str) -> None:
    for topic in (
        lambda: topics.up(box_id, topics.ALERT),
        lambda: topics.down(box_id, topics.RECEIPT),
        lambda: topics.all_down(box_id),
    ):
        with pytest.raises(ValueError, match="not a box id"):
            topic()


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "vigibip/1",
        "vigibip/2/box-1a2b3c4d/up/alert",
        "vigibip/1/box-1a2b3c4d/down/receipt",
        "vigibip/1/box-1a2b3c4d/up",
        "vigibip/1/box-1a2b3c4d/up/alert/more",
        "/vigibip/1/box-1a2b3c4d/up/alert",
        "vigibip/1/post/up/alert",
        "vigibip/1//up/alert",
        "vigibip/1/+/up/+",
        "$SYS/broker/up/x/y",
    ],
)
def test_another_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        topics.parse_up(topic)
