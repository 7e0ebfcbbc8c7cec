"""mosquitto's configuration: who may connect, and what each identity may say and hear.

Everything that mosquitto reads is put into one directory, so that the authority's own, with its
key, stays closed to the broker's user.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vigibip.alert.messages import MESSAGE_MAX_BYTES
from vigibip.alert.topics import POST_IDENTITY, ROOT
from vigibip.base.errors import StorageError
from vigibip.base.private_files import make_private_directory, write_atomically
from vigibip.post.authority import Authority

# A packet holds a topic and properties besides its message.
PACKET_MAX_BYTES = MESSAGE_MAX_BYTES + 1024

_CONFIGURATION = """\
# Made by `vigibip post broker-config`: changes here are lost, make them there.

per_listener_settings true
user {user}

# Nothing is kept on disk. An alert is safe once the post's receipt is at the box, and until then
# the box keeps it: a broker that restarts empty loses nothing, and writing would wear the card.
persistence false
retain_available false

# A press is one small packet: without this it waits for the ACK of the one before.
set_tcp_nodelay true

# Bounds: what one client can make the broker hold.
max_packet_size {packet_max_bytes}
message_size_limit {packet_max_bytes}
max_inflight_messages 64
max_queued_messages 1000
max_queued_bytes 4194304
max_keepalive 120
persistent_client_expiration 1h
sys_interval 0

log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages true
log_timestamp_format %Y-%m-%dT%H:%M:%S

listener {port} {bind_address}
protocol mqtt
max_connections {max_connections}
allow_anonymous false
tls_version tlsv1.2
cafile {directory}/authority.pem
crlfile {directory}/crl.pem
certfile {directory}/server.pem
keyfile {directory}/server.key
require_certificate true
# The certificate's name is the user, and the client id too: nobody connects under another's id and
# throws the other off.
use_identity_as_username true
use_username_as_clientid true
acl_file {directory}/acl
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    """What may differ between two brokers."""

    hosts: Sequence[str]
    """The names and addresses that boxes and post reach it by; they stand in its certificate."""
    port: int = 8883
    bind_address: str = "0.0.0.0"  # noqa: S104 - boxes come from outside
    user: str = "mosquitto"
    """Whom mosquitto runs as; the files are handed to it when we may."""
    max_connections: int = 12_000


def access_rules(revoked: Sequence[str] = ()) -> str:
    """Return the text of mosquitto's ACL file.

    `revoked` are identities that may do nothing: the revocation list keeps them from connecting,
    and this silences one that is connected still.
    """
    lines = [
        f"user {POST_IDENTITY}",
        f"topic write {ROOT}/+/down/+",
        f"topic read {ROOT}/+/up/+",
        "",
        "# every box, in its own topics alone",
        f"pattern write {ROOT}/%u/up/+",
        f"pattern read {ROOT}/%u/down/+",
    ]
    for identity in revoked:
        lines += ["", f"user {identity}", "topic deny #"]
    return "\n".join(lines) + "\n"


def write_broker_config(directory: Path, authority: Authority, config: BrokerConfig) -> Path:
    """Write everything that mosquitto reads into `directory`; return the configuration's path.

    Called again, after a revocation, it renews what changed. Raises StorageError.
    """
    directory = directory.absolute()
    make_private_directory(directory)
    server = authority.server_files("broker", list(config.hosts))
    text = _CONFIGURATION.format(
        user=config.user,
        port=config.port,
        bind_address=config.bind_address,
        max_connections=config.max_connections,
        packet_max_bytes=PACKET_MAX_BYTES,
        directory=directory,
    )
    contents = {
        "authority.pem": authority.certificate_pem.encode(),
        "crl.pem": authority.crl_path.read_bytes(),
        "server.key": server.key.read_bytes(),
        "server.pem": server.certificate.read_bytes(),
        "acl": access_rules(sorted(authority.revoked_identities())).encode(),
        "mosquitto.conf": text.encode(),
    }
    for name, content in contents.items():
        write_atomically(directory / name, content)
    if os.geteuid() == 0:
        _hand_over(directory, list(contents), config.user)
    return directory / "mosquitto.conf"


def _hand_over(directory: Path, names: Sequence[str], user: str) -> None:
    """Give the files to the broker's user: since 2.0 mosquitto reads them after dropping root."""
    try:
        for path in (directory, *(directory / name for name in names)):
            shutil.chown(path, user)
    except (LookupError, OSError) as error:
        raise StorageError(f"{directory} cannot be given to {user!r}: {error}") from error
