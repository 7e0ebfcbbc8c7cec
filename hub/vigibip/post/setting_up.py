"""What must be there before the post runs: its authority, its store, its spoken numbers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from vigibip.base.errors import ConfigurationError, StorageError, VigibipError
from vigibip.base.private_files import make_private_directory
from vigibip.post.authority import Authority
from vigibip.post.config import PostSettings
from vigibip.post.store import Store
from vigibip.radio.clips import ClipStore


def set_up(settings: PostSettings, tell: Callable[[str], None]) -> Authority:
    """Make what is missing, and leave alone what is there. Raises StorageError, SynthesisError."""
    make_private_directory(settings.data_dir)
    if (settings.authority_dir / "authority.key").exists():
        authority = Authority.load(settings.authority_dir)
    else:
        tell("l'autorité de certification est créée")
        authority = Authority.create(settings.authority_dir)
    authority.client_files("post")
    store = Store(settings.store_path)
    store.start()
    store.close()
    if settings.radio.voice is not None:
        tell("les nombres et les phrases sont préparés pour la voix")
        clips = ClipStore(settings.clips_dir, sample_rate_hz=settings.radio.voice.sample_rate_hz)
        asyncio.run(clips.prepare_common())
    return authority


def check(settings: PostSettings, source: str) -> None:
    """Look at what the settings point to. Raises ConfigurationError with every mistake."""
    mistakes: list[tuple[str, str]] = []
    if not settings.data_dir.is_dir():
        mistakes.append(("data_dir", "this directory does not exist"))
    else:
        try:
            Authority.load(settings.authority_dir)
        except VigibipError as error:
            mistakes.append(("data_dir", f"no authority: run `vigibip post init` ({error})"))
        if not settings.store_path.is_file():
            mistakes.append(("data_dir", "no store: run `vigibip post init`"))
    voice = settings.radio.voice
    if voice is not None and not any(settings.clips_dir.glob("common-*.wav")):
        mistakes.append(("radio.voice", "nothing is spoken yet: run `vigibip post init`"))
    if settings.answers.static_code is not None:
        digits = len(settings.answers.static_code)
        if digits < settings.answers.code_digits:
            mistakes.append(("answers.static_code", f"{digits} digits, code_digits asks for more"))
    for index, modem in enumerate(settings.sms.modems):
        if not Path(modem.port).is_char_device():
            mistakes.append((f"sms.modems.{index}.port", "no device is there: see its cable"))
        elif not os.access(modem.port, os.R_OK | os.W_OK):
            mistakes.append((f"sms.modems.{index}.port", "this account may not open it"))
    ports = [settings.enrolment.port, settings.console.port]
    if settings.broker.host in ("127.0.0.1", "localhost"):
        ports.append(settings.broker.port)
    if len({port for port in ports if port}) != len([port for port in ports if port]):
        mistakes.append(("enrolment.port", "broker, enrolment and console need ports of their own"))
    if mistakes:
        raise ConfigurationError(source, mistakes)


async def require_store(settings: PostSettings) -> Store:
    """Open the store that `post init` made. Raises StorageError when there is none."""
    if not settings.store_path.is_file():
        raise StorageError(f"{settings.store_path} is not there: run `vigibip post init`")
    store = Store(settings.store_path)
    await asyncio.to_thread(store.start)
    return store
