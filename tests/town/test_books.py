"""The town's own look into the stores sees what is committed there, and nothing else."""

from pathlib import Path

import pytest

from vigibip.alert.messages import Alert
from vigibip.base.clock import DrivenClock
from vigibip.base.errors import StorageError
from vigibip.post.store import Store
from vigibip.post.store.incidents import IntakeRules
from vigibip.town.books import BoxBook, PostBook
from vigibip.town.driven.town import DrivenTown
from vigibip.town.network import Cut

ALERT = "00000001000000aa"
RULES = IntakeRules(worker="test")


async def test_the_posts_alerts_are_seen_while_the_post_runs(tmp_path: Path) -> None:
    store = Store(tmp_path / "post.sqlite", clock=DrivenClock())
    store.start()
    try:
        book = PostBook(tmp_path / "post.sqlite")
        shop = await store.create_shop(name="Tabac", spoken="Tabac", address="1 rue des Lilas")
        assert not book.has(ALERT)
        for _ in range(2):
            await store.accept_alert(shop.box_id, Alert(alert=ALERT, age_s=0), rules=RULES)
        assert book.has(ALERT)
        assert book.alert_ids() == {ALERT: 1}
        assert book.presses_of_incidents() == 1
        assert not book.is_answered(ALERT)
        (incident,) = await store.incidents()
        await store.answer_incident(incident.id, by="Alpha 1")
        assert book.is_answered(ALERT)
    finally:
        store.close()


async def test_a_boxs_queue_is_seen_while_the_box_runs(tmp_path: Path) -> None:
    async with DrivenTown(tmp_path, shops=1) as town:
        (shop,) = town.shops
        book = BoxBook(shop.settings.store_path)
        await shop.network.cut(Cut.REFUSED)
        shop.bips[0].press()
        await town.advance(2)
        (alert_id,) = shop.bips[0].alert_ids
        assert book.has(alert_id)
        assert book.alert_ids() == {alert_id: 1}
        assert book.waiting() == 1
        await shop.network.restore()
        await town.advance(30)
        assert book.waiting() == 0
        assert book.has(alert_id)


@pytest.mark.parametrize("book", [BoxBook, PostBook])
def test_a_store_that_is_not_there_is_no_empty_store(
    book: type[BoxBook] | type[PostBook], tmp_path: Path
) -> None:
    with pytest.raises(StorageError):
        book(tmp_path / "none.sqlite").alert_ids()
    assert not (tmp_path / "none.sqlite").exists()
