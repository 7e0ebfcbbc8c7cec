"""The first tables: shops and boxes, alerts and incidents, relay, answers, messages, faults.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fault",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=80), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("detail", sa.String(length=200), nullable=False),
        sa.Column("cleared_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_fault")),
    )
    op.create_table(
        "officer_card",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("callsign", sa.String(length=40), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("voided_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_officer_card")),
    )
    op.create_index(op.f("ix_officer_card_callsign"), "officer_card", ["callsign"], unique=False)
    op.create_table(
        "parked_message",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("topic", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parked_message")),
    )
    op.create_table(
        "shop",
        sa.Column("id", sa.String(length=21), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("spoken", sa.String(length=120), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shop")),
    )
    op.create_table(
        "box",
        sa.Column("id", sa.String(length=12), nullable=False),
        sa.Column("shop", sa.String(length=21), nullable=False),
        sa.Column("up_key", sa.LargeBinary(), nullable=True),
        sa.Column("down_key", sa.LargeBinary(), nullable=True),
        sa.Column("certificate_serial", sa.String(length=42), nullable=True),
        sa.Column("enrolled_at", sa.DateTime(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.Column("last_sequence", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["shop"], ["shop.id"], name=op.f("fk_box_shop_shop")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_box")),
    )
    op.create_index(op.f("ix_box_shop"), "box", ["shop"], unique=False)
    op.create_table(
        "incident",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("shop", sa.String(length=21), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("opened_at", sa.DateTime(), nullable=False),
        sa.Column("last_press_at", sa.DateTime(), nullable=False),
        sa.Column("presses", sa.Integer(), nullable=False),
        sa.Column("coming_since", sa.DateTime(), nullable=True),
        sa.Column("answered_at", sa.DateTime(), nullable=True),
        sa.Column("answered_by", sa.String(length=80), nullable=True),
        sa.Column("on_scene_at", sa.DateTime(), nullable=True),
        sa.Column("closed_at", sa.DateTime(), nullable=True),
        sa.Column("closed_by", sa.String(length=80), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["shop"], ["shop.id"], name=op.f("fk_incident_shop_shop")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
    )
    op.create_index("ix_incident_closed_at", "incident", ["closed_at"], unique=False)
    op.create_index("ix_incident_last_press_at", "incident", ["last_press_at"], unique=False)
    op.create_index("ix_incident_opened_at", "incident", ["opened_at"], unique=False)
    op.create_index(
        "uq_incident_open_number",
        "incident",
        ["number"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "uq_incident_open_shop",
        "incident",
        ["shop"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "alert",
        sa.Column("box", sa.String(length=12), nullable=False),
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("incident", sa.String(length=16), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("pressed_at", sa.DateTime(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("battery_mv", sa.Integer(), nullable=True),
        sa.Column("rssi_dbm", sa.Integer(), nullable=True),
        sa.Column("told", sa.String(length=10), nullable=True),
        sa.ForeignKeyConstraint(["box"], ["box.id"], name=op.f("fk_alert_box_box")),
        sa.ForeignKeyConstraint(
            ["incident"], ["incident.id"], name=op.f("fk_alert_incident_incident")
        ),
        sa.PrimaryKeyConstraint("box", "id", name=op.f("pk_alert")),
    )
    op.create_index(op.f("ix_alert_incident"), "alert", ["incident"], unique=False)
    op.create_table(
        "answer",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("incident", sa.String(length=16), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("by", sa.String(length=80), nullable=False),
        sa.Column("via", sa.String(length=20), nullable=False),
        sa.Column("proven", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"], ["incident.id"], name=op.f("fk_answer_incident_incident")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
    )
    op.create_index(op.f("ix_answer_at"), "answer", ["at"], unique=False)
    op.create_index(op.f("ix_answer_incident"), "answer", ["incident"], unique=False)
    op.create_table(
        "box_message",
        sa.Column("box", sa.String(length=12), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("alerts", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("settled_at", sa.DateTime(), nullable=True),
        sa.Column("acknowledged", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["box"], ["box.id"], name=op.f("fk_box_message_box_box")),
        sa.PrimaryKeyConstraint("box", "sequence", name=op.f("pk_box_message")),
    )
    op.create_index(
        "ix_box_message_outstanding",
        "box_message",
        ["box"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "enrolment_token",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("box", sa.String(length=12), nullable=False),
        sa.Column("proof_key", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=False),
        sa.Column("claimed_key", sa.LargeBinary(), nullable=True),
        sa.Column("certificate_pem", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["box"], ["box.id"], name=op.f("fk_enrolment_token_box_box")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment_token")),
    )
    op.create_index(op.f("ix_enrolment_token_box"), "enrolment_token", ["box"], unique=False)
    op.create_table(
        "officer_code",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("card", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("used_at", sa.DateTime(), nullable=True),
        sa.Column("used_for", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["card"], ["officer_card.id"], name=op.f("fk_officer_code_card_officer_card")
        ),
        sa.ForeignKeyConstraint(
            ["used_for"], ["incident.id"], name=op.f("fk_officer_code_used_for_incident")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_officer_code")),
        sa.UniqueConstraint("card", "digest", name=op.f("uq_officer_code_card_digest")),
    )
    op.create_index(op.f("ix_officer_code_digest"), "officer_code", ["digest"], unique=False)
    op.create_table(
        "relay_round",
        sa.Column("incident", sa.String(length=16), nullable=False),
        sa.Column("round_no", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Boolean(), nullable=False),
        sa.Column("caused_by", sa.String(length=16), nullable=True),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("leased_by", sa.String(length=40), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("done_at", sa.DateTime(), nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident"], ["incident.id"], name=op.f("fk_relay_round_incident_incident")
        ),
        sa.PrimaryKeyConstraint("incident", "round_no", name=op.f("pk_relay_round")),
    )
    op.create_index(
        "ix_relay_round_undone",
        "relay_round",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )
