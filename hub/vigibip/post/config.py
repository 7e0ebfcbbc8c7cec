"""What the post is told about its installation: one file, `post.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints

from vigibip.base.config import Settings, TimeZoneName, load_settings
from vigibip.post.sms_settings import SmsSettings
from vigibip.radio.settings import VoiceSettings

DEFAULT_PATH = Path("/etc/vigibip/post.toml")

_Host = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[^\s/]+$")]
_Port = Annotated[int, Field(ge=1, le=65535)]
# A server that is ours may be given port 0 by a test: the machine picks a free one.
_OwnPort = Annotated[int, Field(ge=0, le=65535)]
_Seconds = Annotated[float, Field(gt=0, le=86_400)]


class BrokerSettings(Settings):
    """Where the MQTT broker listens."""

    host: _Host = "127.0.0.1"
    port: _Port = 8883


class EnrolmentSettings(Settings):
    """Where the post serves enrolment over HTTPS.

    `public_host` is how boxes reach it from their shops; None means as `public_broker` is reached.
    """

    host: _Host = "0.0.0.0"  # noqa: S104 - boxes come from outside
    port: _OwnPort = 8443
    public_host: _Host | None = None


class RelaySettings(Settings):
    """How an incident is put on the radios."""

    round_interval_s: _Seconds = 30
    """From the end of one announcement of an incident to the next, until somebody answers."""
    listen_gap_s: Annotated[float, Field(ge=0, le=60)] = 5
    """Silence kept before anything but a first announcement, so that officers can answer."""
    unanswered_after_s: _Seconds = 180
    """The box is told "unanswered" this long after the alert came; the relay goes on."""
    overdue_after_s: _Seconds = 900
    """ "Coming" without "on scene" for so long is announced again."""
    digest_older_than_s: _Seconds = 1800
    """An alert older than this when it arrives reaches the radios as part of one digest."""
    digest_gather_s: Annotated[float, Field(ge=0, le=300)] = 10
    """How long such alerts are gathered before the digest is spoken."""
    summary_from: Annotated[int, Field(ge=2, le=100)] = 4
    """With so many incidents waiting for their first announcement, their count is told first."""
    lease_s: Annotated[float, Field(ge=5, le=600)] = 30
    """A worker that has not been heard of for so long loses its rounds to the others."""
    transmission_limit_s: _Seconds = 200
    """A radio that has not ended one announcement by then counts as failed for this round."""
    worker: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")] = "post-1"
    """This process's name on its leases; the same after a restart, another on each machine."""


class AnswerSettings(Settings):
    """How officers' answers are proven."""

    static_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{4,8}$")] | None = None
    """One code for all, for encrypted channels only; None: one-time codes from cards alone."""
    code_digits: Annotated[int, Field(ge=4, le=8)] = 6
    codes_per_card: Annotated[int, Field(ge=1, le=100)] = 20
    wrong_codes_max: Annotated[int, Field(ge=1, le=100)] = 5
    """So many wrong codes within the window mean guessing: two codes of a card are then asked."""
    wrong_codes_window_s: _Seconds = 600


class RadioSettings(Settings):
    """The radio systems of this post; None: there is no such radio."""

    voice: VoiceSettings | None = None


class ConsoleSettings(Settings):
    """Where the web console listens: behind a reverse proxy unless on the machine itself."""

    host: _Host = "127.0.0.1"
    port: _OwnPort = 8080
    behind_https: bool = False
    """An HTTPS proxy on this machine stands before it: cookies are for HTTPS alone."""
    hosts: tuple[_Host, ...] = ()
    """The names by which browsers reach it, without port, beside `host` and this machine's own.

    A request for any other name is refused. Behind HTTPS, the first is the address in links.
    """

    @property
    def url(self) -> str | None:
        """Its address for a browser, without a slash at the end; None while port 0 leaves it open.

        Through a proxy it is the proxy's, on its usual port.
        """
        if self.behind_https and self.hosts:
            return f"https://{_in_url(self.hosts[0])}"
        if self.port == 0:
            return None
        everywhere = self.host in ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on
        name = (self.hosts or ("127.0.0.1",))[0] if everywhere else self.host
        return f"http://{_in_url(name)}:{self.port}"


class BoxWatchSettings(Settings):
    """When a box that is not heard is called silent, and when lost."""

    status_interval_s: _Seconds = 60
    """How often boxes speak over data; after three times that, silence is told."""
    lost_after_s: _Seconds = 1200
    """So long after that without a proof by SMS: lost. A probe takes its box 10 min and more."""
    press_counts_s: _Seconds = 7200
    """A box that is lost so soon after a press is a matter for the police."""
    look_each_s: Annotated[float, Field(ge=1, le=3600)] = 20


class PostSettings(Settings):
    """The whole of `post.toml`."""

    data_dir: Path = Path("/var/lib/vigibip-post")
    language: Literal["fr", "en"] = "fr"
    time_zone: TimeZoneName = "Europe/Paris"
    """Of the hours that the console shows."""
    broker: BrokerSettings = BrokerSettings()
    public_broker: BrokerSettings | None = None
    """The broker as boxes reach it; None: as the post itself does."""
    enrolment: EnrolmentSettings = EnrolmentSettings()
    relay: RelaySettings = RelaySettings()
    answers: AnswerSettings = AnswerSettings()
    radio: RadioSettings = RadioSettings()
    sms: SmsSettings = SmsSettings()
    boxes: BoxWatchSettings = BoxWatchSettings()
    console: ConsoleSettings = ConsoleSettings()
    store_watch_s: Annotated[float, Field(ge=0.01, le=3600)] = 0.1
    """How often the daemon looks for what another process, the console, has committed."""
    radio_watch_s: Annotated[float, Field(ge=0.1, le=3600)] = 2
    """How often it looks at what each radio says of itself."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def store_path(self) -> Path:
        return self.data_dir / "post.sqlite"

    @property
    def authority_dir(self) -> Path:
        return self.data_dir / "authority"

    @property
    def clips_dir(self) -> Path:
        return self.data_dir / "clips"

    @property
    def boxes_broker(self) -> BrokerSettings:
        """The broker's address that boxes are given."""
        return self.public_broker or self.broker

    @property
    def enrolment_public_host(self) -> str:
        """The host that boxes are given for enrolment."""
        return self.enrolment.public_host or self.boxes_broker.host


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def load_post_settings(path: Path) -> PostSettings:
    """Read `post.toml`. Raises ConfigurationError with every mistake in it."""
    return load_settings(PostSettings, path)
