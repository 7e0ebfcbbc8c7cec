"""`vigibip workshop …`: the installer. Thin; the work is in vigibip.workshop."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vigibip.base.errors import UsageError
from vigibip.cli import workshop_images

if TYPE_CHECKING:
    from vigibip.cli.workshop_bench import Bench
    from vigibip.cli.workshop_box import BoxPairing
    from vigibip.workshop.image import Image
    from vigibip.workshop.job import Done, Order

app = typer.Typer()
app.add_typer(workshop_images.keys, name="key", help="Les clés qui signent des images.")
app.add_typer(workshop_images.images, name="image", help="Les images du programme d'un appareil.")

BOX_CONFIG = Path("/etc/vigibip/box.toml")
LABELS = Path("etiquettes-vigibip")
_COUNT_MAX = 1000


@app.callback()
def workshop() -> None:
    """Garder « flash » comme un mot de la commande, fût-il le seul."""


@app.command()
def flash(
    role: Annotated[str, typer.Argument(help="bip ou receiver.", metavar="bip|receiver")],
    port: Annotated[
        str | None, typer.Option("--port", help="Le port série ; sans lui, il est cherché.")
    ] = None,
    board: Annotated[
        str | None, typer.Option("--board", help="La carte, si ce n'est pas la carte générique.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", help="Le .bin de MicroPython à écrire d'abord.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="L'empreinte de l'image ; sinon IMAGE.sha256.")
    ] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="Effacer toute la puce avant d'écrire l'image.")
    ] = False,
    name: Annotated[str, typer.Option("--name", help="Où ou à qui est ce bip.")] = "",
    count: Annotated[
        int, typer.Option("--count", min=1, max=_COUNT_MAX, help="Combien de bips à la suite.")
    ] = 1,
    new_identity: Annotated[
        bool, typer.Option("--new-identity", help="Faire un autre bip de celui qui en est un.")
    ] = False,
    box_config: Annotated[
        Path | None, typer.Option("--box-config", help=f"Le boîtier ; d'office {BOX_CONFIG}.")
    ] = None,
    label: Annotated[
        Path | None,
        typer.Option("--label", help=f"Écrire l'étiquette ici ; sans boîtier : {LABELS}."),
    ] = None,
    signer: Annotated[
        list[Path] | None,
        typer.Option("--signer", help="Une clé publique (CLE.pub) dont le bip prend les images."),
    ] = None,
    self_test: Annotated[
        bool,
        typer.Option("--self-test/--no-self-test", help="Essayer bouton, moteur, pile, radio."),
    ] = True,
    frozen: Annotated[
        Path | None,
        typer.Option(
            "--frozen", help="Préparer ici une image figée (réveil plus court), et finir."
        ),
    ] = None,
    lang: Annotated[str, typer.Option("--lang", help="fr ou en.")] = "fr",
    as_json: Annotated[bool, typer.Option("--json", help="En JSON, pour les programmes.")] = False,
) -> None:
    """Flasher, essayer et appairer un bip ou un récepteur ; peut être arrêté et relancé partout."""
    from vigibip.base.catalogue import LANGUAGES
    from vigibip.workshop import boards

    if role not in ("bip", "receiver"):
        raise UsageError("un « bip » ou un « receiver »")
    if lang not in LANGUAGES:
        raise UsageError(f"langues : {', '.join(LANGUAGES)}")
    if board is not None and board not in boards.names():
        raise UsageError(f"cartes connues : {', '.join(boards.names())}")
    workshop_images.need_tools()
    if frozen is not None:
        _prepare_frozen(role, board, frozen, lang)
        return
    if role == "receiver" and (count > 1 or new_identity or label or name or signer):
        raise UsageError("un récepteur n'a ni nom, ni identité, ni étiquette, ni signataire")
    if erase and image is None:
        raise UsageError("--erase veut --image : une puce effacée n'a plus rien")
    from vigibip.cli.workshop_bench import Bench
    from vigibip.workshop.job import Order

    pairing = _pairing(box_config) if role == "bip" else None
    bench = Bench(lang, None if pairing is None else pairing.receiver_port)
    if role == "bip" and pairing is None and label is None:
        label = LABELS
    order = Order(
        role="bip" if role == "bip" else "receiver",
        port=port or "",
        board=board,
        image=None if image is None else _image(image, sha256, bench),
        name=name.strip(),
        pairing=pairing,
        label_folder=label,
        new_identity=new_identity,
        erase=erase,
        signers=_signers(signer or []),
        self_test=self_test,
    )
    if count == 1:
        done = bench.work(order)
        if done is None:
            raise typer.Exit(1)
        _tell(bench, done, as_json)
        return
    _many(bench, order, count, as_json)


def _many(bench: "Bench", order: "Order", count: int, as_json: bool) -> None:
    """One bip after another; one that fails is tried again until it or the person gives up."""
    from vigibip.workshop import words

    made: dict[int, str] = {}
    while len(made) < count:
        if not bench.wait(words.NEXT, number=len(made) + 1, count=count):
            raise typer.Exit(1)
        one = replace(order, made_here=frozenset(made))
        if order.name:
            one = replace(one, name=f"{order.name} {len(made) + 1}")
        done = bench.work(one)
        if done is None or done.bip is None:
            continue
        bip = int(done.bip, 16)
        if bip in made:
            bench.say(words.SAME)
            continue
        made[bip] = done.bip
        _tell(bench, done, as_json)


def _tell(bench: "Bench", done: "Done", as_json: bool) -> None:
    from vigibip.workshop import words

    if as_json:
        print(json.dumps(asdict(done), ensure_ascii=False), flush=True)
    elif done.bip is not None:
        print(bench.words(words.DONE, bip=done.bip), flush=True)
    else:
        print(bench.words(words.DONE_RECEIVER), flush=True)
    for path in done.labels:
        bench.say(path)
    if done.labels:
        bench.say(words.LABEL_IS_KEY)
    elif done.bip is not None and not done.paired:
        bench.say(words.NO_LABEL)


def _prepare_frozen(role: str, board: str | None, folder: Path, lang: str) -> None:
    from vigibip.workshop import frozen, words

    if board is None:
        raise UsageError("--frozen veut --board : une image figée est celle d'une carte")
    commands = frozen.prepare("bip" if role == "bip" else "receiver", board, folder)
    print(words.say(lang, words.FROZEN), file=sys.stderr)
    print("\n".join(commands))


def _pairing(config: Path | None) -> "BoxPairing | None":
    if config is None and not BOX_CONFIG.is_file():
        return None
    from vigibip.base.config import load_settings
    from vigibip.box.config import BoxSettings
    from vigibip.cli.workshop_box import BoxPairing

    return BoxPairing(load_settings(BoxSettings, config or BOX_CONFIG))


def _signers(paths: list[Path]) -> tuple[bytes, ...]:
    if not paths:
        return ()
    from vigibip.workshop import signers, signing

    found = tuple(signing.public_key_of(path) for path in paths)
    signers.checked(found)
    return found


def _image(path: Path, sha256: str | None, bench: "Bench") -> "Image":
    from vigibip.workshop.errors import Cause, StepError
    from vigibip.workshop.image import read_image

    try:
        if sha256 is None and not path.with_name(path.name + ".sha256").is_file():
            sha256 = bench.hash_of(path.name)
        return read_image(path, sha256)
    except StepError as error:
        bench.explain(error)
        raise typer.Exit(2 if error.cause is Cause.IMAGE_HASH else 1) from error
