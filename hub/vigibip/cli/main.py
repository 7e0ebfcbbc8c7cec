"""`vigibip`: the root of the commands.

A room's commands live in `vigibip.cli.<room>` and are imported only when that room is asked for:
a box with 80 MB to live in does not load the post's web and database stack.

Exit codes: 0 done; 1 it failed; 2 the command or a configuration is wrong; 130 interrupted.
An expected error is told in its own words on stderr, never as a traceback.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

import vigibip
from vigibip.base.errors import ConfigurationError, UsageError, VigibipError

# room: what `vigibip --help` says of it
ROOMS = {
    "box": "Le boîtier d'un commerce.",
    "post": "Le poste de police et sa console.",
    "workshop": "L'atelier : flasher, essayer et appairer bips et récepteurs.",
    "town": "Une ville simulée : démonstration, mesures.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command (None: the process's own arguments) and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        build_root(arguments)(args=arguments, prog_name="vigibip")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except VigibipError as error:
        print(f"vigibip: {error}", file=sys.stderr)
        return 2 if isinstance(error, (ConfigurationError, UsageError)) else 1
    except KeyboardInterrupt:
        return 130
    return 0


def build_root(arguments: Sequence[str]) -> typer.Typer:
    """Return the root command with the room that `arguments` ask for; the others are names only."""
    root = typer.Typer(
        help="VigiBip : un appui chez le commerçant, la police municipale l'entend à la radio.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    root.callback()(options)
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    for room, text in ROOMS.items():
        if room == wanted:
            app = import_module(f"vigibip.cli.{room}").app
        else:
            app = typer.Typer()
        root.add_typer(app, name=room, help=text, no_args_is_help=True)
    return root


def tell_version(asked: bool) -> None:
    if asked:
        print(f"vigibip {vigibip.__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=tell_version, is_eager=True, help="Dire la version et s'arrêter."
        ),
    ] = False,
) -> None:
    del version  # told by its callback


if __name__ == "__main__":
    sys.exit(main())
