"""The picture of the town says, in French, what happened and what can be done."""

import io

from rich.console import Console

from vigibip.town.timeline import STAGES, timeline
from vigibip.town.view import Scene, ShopLine, render

MS = 1_000_000


def picture(scene: Scene) -> str:
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(render(scene))
    return console.export_text()


def scene() -> Scene:
    return Scene(
        shops=[
            ShopLine(1, "Tabac de la Gare", {"bip 1": "bip.delivered", "bip 2": ""}, queued=0),
            ShopLine(2, "Pharmacie du Pont", {"bip 1": "press"}, queued=3, incident_number=23),
        ],
        pressed="Pharmacie du Pont, bip 1",
        stamps={"press": 5 * MS, "bip.sent": 8 * MS + 250_000, "box.opened": 12 * MS},
    )


def test_each_stage_stands_with_its_milliseconds() -> None:
    text = picture(scene())
    assert "3,2" in text
    assert STAGES["bip.sent"] in text
    assert "7,0" in text
    assert STAGES["box.opened"] in text
    assert STAGES["bip.coming"] not in text


def test_shops_show_what_their_bearers_felt_and_what_waits() -> None:
    lines = picture(scene()).splitlines()
    first = next(line for line in lines if "Tabac de la Gare" in line)
    second = next(line for line in lines if "Pharmacie du Pont" in line and "23" in line)
    assert "bip 1 transmis" in first
    assert "bip 1 appuyé" in second
    assert " 3 " in second


def test_a_cut_network_is_told() -> None:
    cut = scene()
    cut.network_open = False
    assert "données coupées" in picture(cut)
    assert "données ouvertes" in picture(scene())


def test_an_alert_that_went_by_sms_shows_modem_and_operator() -> None:
    sms = scene()
    assert "opérateur" not in picture(sms)
    sms.stamps = {
        "press": 5 * MS,
        "sms.alert.modem": 30 * MS,
        "sms.alert.operator": 3030 * MS,
        "sms.alert.delivered": 6030 * MS,
    }
    text = picture(sms)
    (chain,) = [line for line in text.splitlines() if " disque " in line]
    assert " modem " in chain
    assert " opérateur " in chain
    assert "réseau" not in chain
    assert "6 025,0" in text
    assert text.count("(simulé)") == 3, "what is simulated says so"


def test_an_unknown_queue_is_not_shown_as_empty() -> None:
    line = scene()
    line.shops[0].queued = None
    shown = next(text for text in picture(line).splitlines() if "Tabac" in text)
    assert "?" in shown


def test_without_a_press_the_picture_says_what_to_do() -> None:
    assert "Choisissez un commerce" in picture(Scene([ShopLine(1, "Tabac", {})]))


def test_names_are_shown_as_they_are_not_as_markup() -> None:
    assert "[bold]Chez Max" in picture(Scene([ShopLine(1, "[bold]Chez Max", {})]))


def test_a_timeline_is_ordered_by_time_from_the_press() -> None:
    stages = timeline({"radio.ptt": 40 * MS, "press": 10 * MS, "bip.sent": 13 * MS})
    assert [(stage.stage, stage.ms) for stage in stages] == [
        ("press", 0.0),
        ("bip.sent", 3.0),
        ("radio.ptt", 30.0),
    ]
    assert timeline({"radio.ptt": 40 * MS}) == []


def low_picture(shown: Scene, *, width: int = 80, height: int = 24) -> list[str]:
    """What a terminal of this size holds of the scene."""
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(render(shown), height=height)
    return console.export_text().splitlines()[:height]


def test_a_low_window_keeps_the_keys_the_link_and_the_newest() -> None:
    shown = scene()
    shown.console_url = "http://127.0.0.1:47325/"
    shown.console_login = "http://127.0.0.1:47325/entree/" + "x" * 43
    shown.radio_wav = "/tmp/vigibip-town-73cti5nd/radio/transmission-0008.wav"
    shown.radio_text = "Alerte. Boulangerie des Tilleuls, 2 place de la Halle. Incident 1."
    shown.stamps = {stage: (5 + index) * MS for index, stage in enumerate(STAGES)}
    shown.messages = [f"message {number}" for number in range(5)]
    lines = low_picture(shown)
    whole = "\n".join(lines)
    assert lines[-1].startswith("╰")
    assert "1-2 appuyer" in lines[-2]
    assert "quitter" in lines[-2]
    assert shown.console_login in whole, "in one piece, to be clicked or copied"
    assert "message 4" in whole
    assert "message 3" not in whole
    last = timeline(shown.stamps)[-1].stage
    assert STAGES[last] in whole
    assert STAGES["press"] not in whole
    assert all(STAGES[stage] in picture(shown) for stage in STAGES)
