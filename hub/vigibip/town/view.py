"""What the demonstration shows in the terminal: one picture of the town, in French."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from vigibip.town.timeline import (
    ALERT_ARRIVED,
    ALERT_HANDED,
    ALERT_TAKEN,
    COMING,
    DELIVERED,
    HEARD,
    PRESS,
    STAGES,
    Stage,
    timeline,
)

# The chain as it is drawn, and the stage that lights each of its links.
_CHAIN: tuple[tuple[str, str], ...] = (
    ("bip", "bip.sent"),
    ("boîtier", "box.opened"),
    ("disque", "box.stored"),
    ("réseau", "post.received"),
    ("poste", "post.committed"),
    ("radio", "radio.ptt"),
    ("agent", "officer.keyed"),
    ("paume", "bip.coming"),
)
# What stands in the place of the network when an SMS carried the alert.
_SMS_LINKS = (("modem", ALERT_HANDED), ("opérateur", ALERT_TAKEN), ("SMS", ALERT_ARRIVED))

_CUT = "[bold red]données coupées : place aux SMS (modems et opérateur simulés)[/]"

_FELT = {
    PRESS: "appuyé",
    HEARD: "entendu",
    DELIVERED: "transmis",
    COMING: "on arrive",
    "bip.not_sent": "non émis",
    "bip.not_reached": "poste non joint",
    "bip.unanswered": "sans réponse",
}

# With the shops' digits before them: one line of a terminal of 80 columns.
_KEYS_HELP = (
    "[b]c[/b] données oui/non  [b]r[/b] répondre  [b]f[/b] finir  "
    "[b]e[/b] écouter  [b]q[/b] quitter"
)


@dataclass(slots=True)
class ShopLine:
    """One shop as the view knows it."""

    number: int
    name: str
    felt: dict[str, str] = field(default_factory=dict)
    """Bip's name -> the last stage that its bearer felt or did."""
    queued: int | None = None
    """Alerts that wait in the box for the post's receipt; None when unknown."""
    incident_number: int | None = None


@dataclass(slots=True)
class Scene:
    """Everything that one picture shows."""

    shops: list[ShopLine]
    network_open: bool = True
    pressed: str = ""
    """Who pressed last: shop and bip."""
    stamps: Mapping[str, int] = field(default_factory=dict)
    """Of the last press."""
    radio_text: str = ""
    radio_wav: str = ""
    console_url: str = ""
    console_login: str = ""
    messages: Sequence[str] = ()


def render(scene: Scene) -> RenderableType:
    """Return the whole picture."""
    return Panel(
        _Body(scene),
        title="VigiBip, ville de démonstration",
        subtitle="données ouvertes" if scene.network_open else _CUT,
        border_style="green" if scene.network_open else "red",
    )


class _Body:
    """What stands in the frame. In a low window the oldest stages and messages give way: never
    the keys, nor the way to the console."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        scene = self._scene
        head = (_shops(scene), Text(), _chain(scene), Text())
        foot = (Text(), _keys(scene))
        radio = (Text(), _radio(scene))
        stages, messages = timeline(scene.stamps), list(scene.messages)
        if options.height is not None:
            free = options.update(height=None)
            room = options.height - len(console.render_lines(Group(*head, *radio, *foot), free))
            messages = messages[-max(1, room - len(stages) - 1) :]
            stages = stages[-max(1, room - len(messages) - 1) :]
        yield from head
        yield _stages(scene.pressed, stages)
        yield from radio
        yield from (Text(f"  {message}", style="dim") for message in messages)
        yield from foot


def _shops(scene: Scene) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for column in ("n°", "commerce", "bips", "file d'attente", "intervention"):
        table.add_column(column)
    table.add_row(
        *(Text(title, style="dim") for title in ("", "commerce", "bips", "en attente", "n°"))
    )
    for shop in scene.shops:
        bips = Text("  ").join(_bip(name, stage) for name, stage in shop.felt.items())
        queued = "?" if shop.queued is None else str(shop.queued)
        table.add_row(
            Text(str(shop.number), style="bold"),
            Text(shop.name),
            bips,
            Text(queued, style="bold yellow" if shop.queued else "dim"),
            Text(f"{shop.incident_number:02d}" if shop.incident_number else "", style="bold red"),
        )
    return table


def _bip(name: str, stage: str) -> Text:
    style = {COMING: "bold green", DELIVERED: "green", HEARD: "cyan", PRESS: "bold"}
    return Text.assemble((f"{name} ", "dim"), (_FELT.get(stage, "·"), style.get(stage, "yellow")))


def _chain(scene: Scene) -> RenderableType:
    parts: list[tuple[str, str]] = []
    links = list(_CHAIN)
    if ALERT_HANDED in scene.stamps:
        links[3:4] = _SMS_LINKS
    for name, stage in links:
        lit = stage in scene.stamps
        parts.append((f" {name} ", "bold black on green" if lit else "dim"))
        parts.append((" → ", "green" if lit else "dim"))
    return Text.assemble(*parts[:-1])


def _stages(pressed: str, reached: Sequence[Stage]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column("ms", justify="right")
    table.add_column("étape")
    if not reached:
        return Text("Choisissez un commerce : tapez son numéro.", style="italic")
    table.add_row(Text("ms", style="dim"), Text(pressed, style="dim"))
    for stage in reached:
        milliseconds = f"{stage.ms:,.1f}".replace(",", " ").replace(".", ",")
        table.add_row(Text(milliseconds, style="bold"), Text(STAGES.get(stage.stage, stage.stage)))
    return table


def _radio(scene: Scene) -> RenderableType:
    lines = [Text.assemble(("La radio dit : ", "dim"), scene.radio_text or "(rien encore)")]
    if scene.radio_wav:
        lines.append(Text.assemble(("Son : ", "dim"), scene.radio_wav))
    if scene.console_url:
        first = "  (la première fois, par ce lien)" if scene.console_login else ""
        lines.append(Text.assemble(("Console : ", "dim"), scene.console_url, (first, "dim")))
    if scene.console_login:
        # A line of its own: 80 columns hold it whole, to be clicked or copied.
        lines.append(Text(scene.console_login))
    return Group(*lines)


def _keys(scene: Scene) -> RenderableType:
    last = len(scene.shops)
    digits = "1" if last == 1 else f"1-{last}"
    return Text.from_markup(f"[b]{digits}[/b] appuyer  {_KEYS_HELP}")
