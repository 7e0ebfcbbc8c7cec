"""The operator: what it carries, what befalls it, and what it counts."""

import random

import pytest

from vigibip.base.clock import DrivenClock
from vigibip.modem.simulated import NetworkRefusedError
from vigibip.sms.pdu import Deliver, StatusReport, Submit, decode, encode_submit
from vigibip.sms.segments import segment
from vigibip.town.operator import FAIR, Operator, OperatorWeather

SHOP, POST, NOBODY = "+33639980101", "+33639980102", "+33639980199"


class Modem:
    """A Subscriber that keeps what it gets; `room` is what its store still takes."""

    def __init__(self, number: str, room: int = 1_000_000) -> None:
        self.number = number
        self.room = room
        self.got: list[Deliver | StatusReport] = []

    def deliver(self, pdu: bytes) -> bool:
        if len(self.got) >= self.room:
            return False
        self.got.append(decode(pdu))
        return True

    @property
    def texts(self) -> list[str | None]:
        return [one.data.text for one in self.got if isinstance(one, Deliver)]

    @property
    def reports(self) -> list[StatusReport]:
        return [one for one in self.got if isinstance(one, StatusReport)]


class Bench:
    def __init__(self, weather: OperatorWeather = FAIR, seed: int = 1) -> None:
        self.clock = DrivenClock()
        self.operator = Operator(self.clock, random.Random(seed), weather)
        self.shop, self.post = Modem(SHOP), Modem(POST)
        self.operator.attach(self.shop)
        self.operator.attach(self.post)

    def send(
        self,
        text: str = "Bonjour",
        to: str = POST,
        report: bool = False,
        validity_s: float | None = None,
    ) -> int:
        [part] = segment(text)
        pdu = encode_submit(to, part, status_report=report, validity_s=validity_s)
        return self.operator.submit(self.shop, pdu)


async def test_a_message_arrives_after_its_delay_from_its_sender() -> None:
    bench = Bench()
    bench.send("Bonjour à tous")
    await bench.clock.advance(2.9)
    assert bench.post.got == []
    await bench.clock.advance(0.2)
    [message] = bench.post.got
    assert isinstance(message, Deliver)
    assert message.sender.e164() == SHOP
    assert message.data.text == "Bonjour à tous"
    assert message.sent_utc == bench.clock.utc().replace(second=0, microsecond=0)


async def test_parts_and_other_alphabets_are_carried_as_they_are() -> None:
    bench = Bench()
    text = "Très long ☎ " * 12
    for part in segment(text, 9):
        bench.operator.submit(bench.shop, encode_submit(POST, part))
    await bench.clock.advance(3)
    parts = [one.data for one in bench.post.got if isinstance(one, Deliver)]
    assert [one.concatenation.part for one in parts if one.concatenation] == [1, 2, 3]
    assert "".join(one.text or "" for one in parts) == text


async def test_references_count_up_for_each_number() -> None:
    bench = Bench()
    assert [bench.send() for _ in range(3)] == [0, 1, 2]
    [part] = segment("x")
    assert bench.operator.submit(bench.post, encode_submit(SHOP, part)) == 0


async def test_the_report_says_what_became_of_it() -> None:
    bench = Bench()
    reference = bench.send(report=True)
    bench.send(report=False)
    await bench.clock.advance(10)
    [report] = bench.shop.reports
    assert report.reference == reference
    assert report.recipient.e164() == POST
    assert report.status.delivered
    bench.send(to=NOBODY, report=True)
    await bench.clock.advance(10)
    assert bench.shop.reports[-1].status.delivered is False
    assert bench.operator.counts["nobody"] == 1


async def test_what_nobody_takes_waits_and_comes_in_order() -> None:
    bench = Bench()
    bench.operator.detach(bench.post)
    for number in range(3):
        bench.send(str(number), report=True)
    await bench.clock.advance(3600)
    assert bench.post.texts == []
    assert bench.shop.reports == []
    assert bench.operator.waiting == 3
    bench.operator.attach(bench.post)
    await bench.clock.advance(1)
    assert bench.post.texts == ["0", "1", "2"]
    assert len(bench.shop.reports) == 3


async def test_what_waits_too_long_expires_and_the_report_says_so() -> None:
    bench = Bench()
    bench.operator.detach(bench.post)
    bench.send(report=True, validity_s=300)
    await bench.clock.advance(301)
    bench.operator.attach(bench.post)
    await bench.clock.advance(2)
    assert bench.post.texts == []
    assert bench.shop.reports[0].status.delivered is False
    assert bench.operator.counts["expired"] == 1


async def test_a_full_store_is_tried_again_once_there_is_room() -> None:
    bench = Bench()
    bench.post.room = 1
    bench.send("1")
    bench.send("2")
    await bench.clock.advance(10)
    assert bench.post.texts == ["1"]
    bench.post.room = 2
    bench.operator.memory_available(bench.post)
    assert bench.post.texts == ["1", "2"]


async def test_what_waits_for_one_number_is_bounded() -> None:
    bench = Bench()
    bench.operator.detach(bench.post)
    for _ in range(250):
        bench.send()
    await bench.clock.advance(10)
    assert bench.operator.waiting == 200
    assert bench.operator.counts["dropped"] == 50


async def test_losses_duplicates_and_lost_reports_come_as_often_as_was_set() -> None:
    weather = OperatorWeather(lost=0.2, duplicated=0.3, report_lost=0.5, report_late=0.25)
    bench = Bench(weather)
    for _ in range(2000):
        bench.send(report=True)
    await bench.clock.advance(30)
    counts = bench.operator.counts
    assert counts["taken"] == 2000
    assert counts["lost"] == pytest.approx(400, rel=0.15)
    assert counts["duplicated"] == pytest.approx(480, rel=0.15)
    assert len(bench.post.got) == 2000 - counts["lost"] + counts["duplicated"]
    early = len(bench.shop.reports)
    assert early == pytest.approx(600, rel=0.15)
    await bench.clock.advance(600)
    assert len(bench.shop.reports) == pytest.approx(800, rel=0.15)
    assert counts["reports"] == len(bench.shop.reports)
    assert counts["reports"] + counts["reports lost"] == 2000 - counts["lost"]


async def test_messages_overtake_one_another() -> None:
    bench = Bench(OperatorWeather(held_back=0.3))
    for number in range(20):
        bench.send(str(number))
        await bench.clock.advance(1)
    await bench.clock.advance(60)
    assert sorted(bench.post.texts, key=str) == sorted(map(str, range(20)))
    assert bench.post.texts != [str(number) for number in range(20)]
    assert 0 < bench.operator.counts["held back"] < 20


async def test_a_sim_may_write_to_so_many_numbers_in_a_month() -> None:
    bench = Bench(OperatorWeather(correspondents_max=2))
    for _ in range(5):
        bench.send(to=POST)
    bench.send(to=NOBODY)
    with pytest.raises(NetworkRefusedError) as caught:
        bench.send(to="+33639980150")
    assert caught.value.cms == 8
    bench.send(to=POST)
    await bench.clock.advance(31 * 86400)
    bench.send(to="+33639980150")
    assert bench.operator.counts["refused: correspondents"] == 1


async def test_a_sim_may_send_so_many_a_minute() -> None:
    bench = Bench(OperatorWeather(rate_per_min=20))
    for _ in range(20):
        bench.send()
        await bench.clock.advance(1)
    with pytest.raises(NetworkRefusedError) as caught:
        bench.send()
    assert caught.value.cms == 42
    await bench.clock.advance(40)
    bench.send()


async def test_it_refuses_everything_while_it_is_out_of_order() -> None:
    bench = Bench()
    bench.operator.refuses_with = 38
    with pytest.raises(NetworkRefusedError) as caught:
        bench.send()
    assert caught.value.cms == 38
    bench.operator.refuses_with = None
    bench.send()


async def test_anybodys_pdu_can_be_brought_and_submits_be_seen() -> None:
    bench = Bench()
    seen: list[tuple[str, Submit]] = []
    bench.operator.submitted.append(lambda sender, submit: seen.append((sender, submit)))
    bench.send("vu")
    assert [(sender, submit.data.text) for sender, submit in seen] == [(SHOP, "vu")]
    raw: list[bytes] = []
    bench.post.deliver = lambda pdu: not raw.append(pdu)  # type: ignore[method-assign]
    bench.operator.bring(POST, b"\x00garbage")
    assert raw == [b"\x00garbage"]


async def test_garbage_is_refused_and_never_harms() -> None:
    bench = Bench()
    chance = random.Random(5)
    taken = 0
    for _ in range(5000):
        try:
            bench.operator.submit(bench.shop, chance.randbytes(chance.randrange(1, 176)))
        except NetworkRefusedError:
            continue
        taken += 1
    assert bench.operator.counts["taken"] == taken
    await bench.clock.advance(60)
    bench.send("still there")
    await bench.clock.advance(3)
    assert bench.post.texts[-1] == "still there"


async def test_the_same_seed_gives_the_same() -> None:
    async def texts(seed: int) -> list[str | None]:
        weather = OperatorWeather(jitter_s=9, lost=0.2, duplicated=0.2)
        bench = Bench(weather, seed)
        for number in range(50):
            bench.send(str(number))
        await bench.clock.advance(30)
        return bench.post.texts

    assert await texts(1) == await texts(1)
    assert await texts(1) != await texts(2)


@pytest.mark.parametrize("what", [{"lost": 1.1}, {"report_lost": -0.1}, {"delay_s": -1.0}])
def test_a_weather_that_cannot_be_is_refused(what: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="is"):
        OperatorWeather(**what)


async def test_it_closes_with_messages_under_way() -> None:
    bench = Bench()
    bench.send()
    await bench.operator.close()
    await bench.clock.advance(10)
    assert bench.post.got == []
