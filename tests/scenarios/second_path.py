"""A town whose boxes and post have modems, and what the stories about it look at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from vigibip.sms.pdu import Submit
from vigibip.town.books import PostBook
from vigibip.town.driven.bip import DrivenBip
from vigibip.town.driven.shop import DrivenShop
from vigibip.town.driven.town import DrivenTown
from vigibip.town.mobile import Mobile, MobilePlan, about
from vigibip.town.network import Cut


class SmsTown(DrivenTown):
    """A driven town with a second path; keeps every text that the operator was handed."""

    texts: list[tuple[str, str]]
    """Sender and text, in the order in which the network took them."""

    @property
    def phones(self) -> Mobile:
        assert self.mobile is not None
        return self.mobile

    @property
    def kinds(self) -> list[str]:
        """What each text of ours that named an alert was."""
        return [kind for _, text in self.texts if (kind := about(text)[0])]

    @property
    def book(self) -> PostBook:
        return PostBook(self.post_settings.store_path)

    @property
    def at_post(self) -> tuple[dict[str, int], int]:
        """How often the post holds each alert, and the presses that its incidents count."""
        return self.book.alert_ids(), self.book.presses_of_incidents()

    async def cut_data(self, shop: DrivenShop) -> None:
        """Cut this shop's data; return once its box knows."""
        await shop.network.cut(Cut.REFUSED)
        await self.advance(2)

    async def press_without_data(self, bip: DrivenBip, within_s: float) -> str:
        """Have `bip` press, its shop's data cut, and let `within_s` pass; return the alert."""
        shop = next(shop for shop in self.shops if bip in shop.bips)
        await self.cut_data(shop)
        bip.press()
        await self.advance(within_s)
        return bip.alert_ids[-1]

    def at_s(self, stage: str, subject: str) -> list[float]:
        """When `subject` reached `stage`, each time."""
        return [
            entry.at_s
            for entry in self.journal
            if entry.stage == stage and entry.subject == subject
        ]

    async def advance_to(self, stage: str, subject: str, within_s: float = 30) -> None:
        """Let time pass until `subject` has reached `stage` once more than now."""
        before = len(self.at_s(stage, subject))
        end_s = self.clock.monotonic_s() + within_s
        while len(self.at_s(stage, subject)) == before:
            assert self.clock.monotonic_s() < end_s, f"{stage} did not come in {within_s} s"
            await self.advance(0.1)


@asynccontextmanager
async def sms_town(
    tmp_path: Path, *, shops: int = 1, post_modems: int = 1
) -> AsyncIterator[SmsTown]:
    """A town whose boxes have been told the post's numbers."""
    plan = MobilePlan(post_modems=post_modems)
    async with SmsTown(tmp_path, shops=shops, mobile=plan) as town:
        town.texts = []

        def submitted(sender: str, submit: Submit) -> None:
            town.texts.append((sender, submit.data.text or ""))

        town.phones.operator.submitted.append(submitted)
        await town.advance(90)
        for shop in town.shops:
            assert shop.box is not None
            assert shop.box.description()["sms"]["post_numbers"] == post_modems
        yield town
