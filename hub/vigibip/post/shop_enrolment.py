"""What `vigibip post enrol` and `vigibip post revoke` do: a shop comes, a box goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from vigibip.alert.enrolment_token import EnrolmentToken
from vigibip.base.clock import Clock
from vigibip.base.errors import UsageError, VigibipError
from vigibip.post.authority import Authority
from vigibip.post.config import PostSettings
from vigibip.post.enrolment import issue_token
from vigibip.post.sms_cards import read_number
from vigibip.post.store.store import Store
from vigibip.radio.clips import ClipStore, shop_clip_key


@dataclass(frozen=True, slots=True)
class ShopEnrolment:
    """A box that waits for its token to be used. `clip_fault`: why its clip is missing, or None."""

    box_id: str
    token: EnrolmentToken
    expires_utc: datetime
    clip_fault: str | None


async def enrol_shop(
    settings: PostSettings,
    clock: Clock,
    *,
    name: str,
    spoken: str,
    address: str,
    valid_for_s: float,
    phone: str | None = None,
) -> ShopEnrolment:
    """Make a shop and its box, render its clip, and return the one-time token for the box.

    `phone`: the number of the box's SIM. Raises ConfigurationError without an authority,
    UsageError for words or a number that cannot stand.
    """
    number = None if phone is None else read_number(phone)
    # First: a shop that could never be enrolled is not made.
    authority = Authority.load(settings.authority_dir, clock)
    async with _store(settings, clock) as store:
        shop = await store.create_shop(name=name, spoken=spoken, address=address, phone=number)
        clip_fault = await _render_clip(settings, shop.box_id, spoken, address)
        return await _new_token(
            settings, clock, store, authority, shop.box_id, valid_for_s, clip_fault
        )


async def enrol_again(
    settings: PostSettings, clock: Clock, *, box_id: str, valid_for_s: float
) -> ShopEnrolment:
    """Return a new token for a box whose first was never used. Raises UsageError for any other."""
    authority = Authority.load(settings.authority_dir, clock)
    async with _store(settings, clock) as store:
        box = next((one for one in await store.shops() if one.box_id == box_id), None)
        if box is None or box.revoked_at is not None:
            raise UsageError(f"le poste n'attend pas de boîtier {box_id}")
        if box.enrolled_at is not None:
            raise UsageError(
                f"{box_id} est déjà enrôlé : pour le remplacer, le révoquer et enrôler à nouveau"
            )
        return await _new_token(settings, clock, store, authority, box_id, valid_for_s, None)


async def revoke(settings: PostSettings, clock: Clock, box_id: str) -> None:
    """Refuse the box from now on, at the post and, once its configuration is renewed, the broker.

    Raises UnknownBoxError.
    """
    authority = Authority.load(settings.authority_dir, clock)
    async with _store(settings, clock) as store:
        await store.revoke_box(box_id)
    if any(one.identity == box_id for one in authority.issued()):
        await asyncio.to_thread(authority.revoke, box_id)


async def _new_token(
    settings: PostSettings,
    clock: Clock,
    store: Store,
    authority: Authority,
    box_id: str,
    valid_for_s: float,
    clip_fault: str | None,
) -> ShopEnrolment:
    token = await issue_token(
        store,
        authority,
        clock,
        box_id=box_id,
        host=settings.enrolment_public_host,
        port=settings.enrolment.port,
        valid_for_s=valid_for_s,
    )
    expires_utc = clock.utc() + timedelta(seconds=valid_for_s)
    return ShopEnrolment(box_id, token, expires_utc, clip_fault)


async def _render_clip(
    settings: PostSettings, box_id: str, spoken: str, address: str
) -> str | None:
    """Render the shop's sentence; a voice that fails leaves the shop protected, and is told."""
    voice = settings.radio.voice
    if voice is None:
        return None
    clips = ClipStore(settings.clips_dir, voice.sample_rate_hz)
    try:
        await clips.prepare_shop(shop_clip_key(box_id), spoken_name=spoken, address=address)
    except (VigibipError, ValueError, OSError) as error:
        return str(error)
    return None


@asynccontextmanager
async def _store(settings: PostSettings, clock: Clock) -> AsyncIterator[Store]:
    store = Store(settings.store_path, clock=clock)
    await asyncio.to_thread(store.start)
    try:
        yield store
    finally:
        await asyncio.to_thread(store.close)
