"""`vigibip post account …|console`: the web console and who may enter it. Thin, as all of cli."""

import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from vigibip.base.errors import UsageError
from vigibip.cli.post_place import DEFAULT_CONFIG, AsJson, Config, hour, post_settings

if TYPE_CHECKING:
    from vigibip.console.accounts import Accounts
    from vigibip.post.config import PostSettings

T = TypeVar("T")

app = typer.Typer()
account = typer.Typer(no_args_is_help=True)
app.add_typer(account, name="account", help="Les comptes de la console.")

Login = Annotated[str, typer.Argument(help="L'identifiant : a-z, chiffres, points, tirets.")]


@app.command()
def console(config: Config = DEFAULT_CONFIG) -> None:
    """Faire tourner la console web, jusqu'à SIGTERM."""
    settings = post_settings(config)
    from vigibip.console.serve import serve

    # In one piece: print's own end of line is a second write, and a line of the log between the
    # two would become a part of the address.
    serve(settings, lambda text: print(f"{text}\n", end="", file=sys.stderr, flush=True))


@account.command()
def add(login: Login, config: Config = DEFAULT_CONFIG) -> None:
    """Créer un compte, ou changer son mot de passe (ses sessions se ferment).

    Le mot de passe est demandé deux fois, ou lu sur une ligne de l'entrée standard.
    """
    settings = post_settings(config)
    from vigibip.console.accounts import check_login

    check_login(login)
    password = _password()
    is_new = _with_accounts(settings, lambda accounts: accounts.add(login, password))
    print(f"compte {login} créé" if is_new else f"mot de passe de {login} changé")


@account.command("list")
def list_all(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Énumérer les comptes."""
    found = _with_accounts(post_settings(config), lambda accounts: accounts.accounts())
    if as_json:
        rows = [
            {
                "login": one.login,
                "has_password": one.has_password,
                "created_utc": one.created_at.isoformat(timespec="seconds"),
            }
            for one in found
        ]
        print(json.dumps(rows))
        return
    if not found:
        print("aucun compte : `vigibip post account add LOGIN`", file=sys.stderr)
    for one in found:
        print(one.login if one.has_password else f"{one.login} (sans mot de passe)")


@account.command()
def remove(login: Login, config: Config = DEFAULT_CONFIG) -> None:
    """Supprimer un compte : ses sessions et ses liens cessent aussitôt."""
    _with_accounts(post_settings(config), lambda accounts: accounts.remove(login))
    print(f"compte {login} supprimé")


@account.command()
def link(
    login: Login,
    create: Annotated[
        bool, typer.Option("--create", help="Créer le compte, sans mot de passe, s'il manque.")
    ] = False,
    minutes: Annotated[
        int, typer.Option("--minutes", min=1, max=1440, help="Durée de validité du lien.")
    ] = 10,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Donner un lien de connexion, bon une fois."""
    settings = post_settings(config)

    async def make(accounts: "Accounts") -> tuple[str, datetime]:
        if create:
            await accounts.add(login, None)
        token, expires = await accounts.new_link(login, timedelta(minutes=minutes))
        return f"/entree/{token}", expires

    path, expires = _with_accounts(settings, make)
    base = settings.console.url
    url = None if base is None else base + path
    if as_json:
        until = expires.isoformat(timespec="seconds")
        print(json.dumps({"login": login, "path": path, "url": url, "expires_utc": until}))
        return
    print(url or path)
    print(f"bon une fois, avant le {hour(expires, settings)}", file=sys.stderr)


def _with_accounts(settings: "PostSettings", work: "Callable[[Accounts], Awaitable[T]]") -> T:
    from vigibip.console.accounts import Accounts, accounts_path

    async def run() -> T:
        accounts = Accounts(accounts_path(settings))
        accounts.start()
        try:
            return await work(accounts)
        finally:
            accounts.close()

    return asyncio.run(run())


def _password() -> str:
    """Return the password that was typed twice, or the one line of a pipe. Raises UsageError."""
    if not sys.stdin.isatty():
        return sys.stdin.readline(1000).rstrip("\r\n")
    password = getpass.getpass("Mot de passe : ")
    if getpass.getpass("Encore une fois : ") != password:
        raise UsageError("les deux mots de passe diffèrent")
    return password
