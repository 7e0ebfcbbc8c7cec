"""The second path: numbers of boxes and officers, windows over SMS, what is known of modems.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("box", sa.Column("phone", sa.String(length=16), nullable=True))
    op.create_index("uq_box_phone", "box", ["phone"], unique=True)
    op.create_table(
        "box_path",
        sa.Column("box", sa.String(length=12), nullable=False),
        sa.Column("up_highest", sa.BigInteger(), nullable=False),
        sa.Column("up_bits", sa.String(length=16), nullable=False),
        sa.Column("down_reserved", sa.BigInteger(), nullable=False),
        sa.Column("expected_since", sa.DateTime(), nullable=True),
        sa.Column("proven_at", sa.DateTime(), nullable=True),
        sa.Column("alert_at", sa.DateTime(), nullable=True),
        sa.Column("heard_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["box"], ["box.id"], name=op.f("fk_box_path_box_box")),
        sa.PrimaryKeyConstraint("box", name=op.f("pk_box_path")),
    )
    op.create_table(
        "sms_contacts",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("edition", sa.BigInteger(), nullable=False),
        sa.Column("post_numbers", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sms_contacts")),
    )
    op.create_table(
        "sms_modem",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.String(length=200), nullable=False),
        sa.Column("advice", sa.String(length=400), nullable=False),
        sa.Column("operator", sa.String(length=40), nullable=False),
        sa.Column("technology", sa.String(length=10), nullable=False),
        sa.Column("signal_dbm", sa.Integer(), nullable=True),
        sa.Column("rate_per_min", sa.Float(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("minutes_to_empty", sa.Float(), nullable=False),
        sa.Column("seen_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sms_modem")),
    )
    op.create_table(
        "officer_phone",
        sa.Column("callsign", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("callsign", name=op.f("pk_officer_phone")),
    )
    op.create_table(
        "officer_phone_code",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("callsign", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.Column("used_for", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["callsign"],
            ["officer_phone.callsign"],
            name=op.f("fk_officer_phone_code_callsign_officer_phone"),
        ),
        sa.ForeignKeyConstraint(
            ["used_for"], ["incident.id"], name=op.f("fk_officer_phone_code_used_for_incident")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_officer_phone_code")),
        sa.UniqueConstraint(
            "callsign", "digest", name=op.f("uq_officer_phone_code_callsign_digest")
        ),
    )
    op.create_index(op.f("ix_officer_phone_code_digest"), "officer_phone_code", ["digest"])
