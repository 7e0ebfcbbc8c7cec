-- Times are UTC in milliseconds since 1970.

CREATE TABLE devices (
    id INTEGER PRIMARY KEY CHECK (id BETWEEN 1 AND 4294967295),
    key BLOB NOT NULL CHECK (length(key) = 16),
    name TEXT NOT NULL,
    -- The replay window: the highest counter accepted (-1: none) and the 64 bits below it.
    highest INTEGER NOT NULL DEFAULT -1,
    bits BLOB NOT NULL DEFAULT x'0000000000000000' CHECK (length(bits) = 8),
    -- No counter from here on has ever sealed a reply.
    down_reserved INTEGER NOT NULL DEFAULT 1,
    paired_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT;

CREATE TABLE alerts (
    -- In the order in which the box opened them, whatever its clock said.
    number INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    press INTEGER NOT NULL,
    state TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    -- 0: the box did not know the time when it opened this; opened_ms tells no age.
    clock_sure INTEGER NOT NULL,
    -- Age when opened, in seconds; NULL when the bip had lost the time.
    age_s INTEGER,
    late INTEGER NOT NULL,
    battery_mv INTEGER,
    rssi_dbm INTEGER,
    -- NULL while the post has not spoken; then 'accepted' or 'refused'.
    receipt TEXT,
    receipt_reason TEXT NOT NULL DEFAULT '',
    receipt_ms INTEGER,
    -- The last answer that was taken: its number at the post.
    answer_sequence INTEGER,
    UNIQUE (device, press)
) STRICT;

CREATE INDEX alerts_waiting ON alerts (number) WHERE receipt IS NULL;

-- What still has to reach the post.
CREATE VIEW outbox AS
    SELECT number, device, press, state, opened_ms, late FROM alerts
    WHERE receipt IS NULL ORDER BY number;

-- The tag of each accepted press frame within its device's window: tells a retransmission
-- (identical) from a counter used twice (different).
CREATE TABLE frames (
    device INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    tag BLOB NOT NULL CHECK (length(tag) = 8),
    PRIMARY KEY (device, counter)
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
