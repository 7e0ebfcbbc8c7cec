-- A store as schema 8 wrote it.
BEGIN TRANSACTION;
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
    answer_sequence INTEGER, gesture INTEGER NOT NULL DEFAULT 0, gesture_told INTEGER NOT NULL DEFAULT 0,
    UNIQUE (device, press)
) STRICT;
INSERT INTO "alerts" VALUES(1,439041101,1,'delivered',1767600100000,1,0,0,3900,-61,'accepted','',1767600100200,NULL,16,16);
INSERT INTO "alerts" VALUES(2,439041101,2,'heard',1767600300000,1,NULL,1,NULL,NULL,NULL,'',NULL,NULL,0,0);
CREATE TABLE bip_days (
    device INTEGER NOT NULL,
    -- Days since 1970, in UTC.
    day INTEGER NOT NULL,
    statuses INTEGER NOT NULL,
    presses INTEGER NOT NULL,
    polls INTEGER NOT NULL,
    -- Of the voltages told under load: their sum and their number.
    battery_sum_mv INTEGER NOT NULL,
    battery_count INTEGER NOT NULL,
    PRIMARY KEY (device, day)
) STRICT, WITHOUT ROWID;
INSERT INTO "bip_days" VALUES(439041101,20458,24,1,0,92500,25);
CREATE TABLE bip_settings (
    device INTEGER PRIMARY KEY,
    -- Names these settings on the wire; another one with each change.
    edition INTEGER NOT NULL CHECK (edition BETWEEN 1 AND 65535),
    strength_pct INTEGER NOT NULL CHECK (strength_pct BETWEEN 0 AND 100),
    led INTEGER NOT NULL CHECK (led IN (0, 1)),
    status_min INTEGER NOT NULL CHECK (status_min BETWEEN 5 AND 1440),
    gestures INTEGER NOT NULL CHECK (gestures BETWEEN 0 AND 255),
    udp_after_ms INTEGER NOT NULL CHECK (udp_after_ms BETWEEN 0 AND 65535),
    battery_low_mv INTEGER NOT NULL CHECK (battery_low_mv BETWEEN 0 AND 65535)
) STRICT;
INSERT INTO "bip_settings" VALUES(439041101,3,60,0,240,2,0,0);
CREATE TABLE bip_status (
    device INTEGER PRIMARY KEY,
    told_ms INTEGER NOT NULL,
    -- The sealed payload as it came: its fields are only ever appended.
    payload BLOB NOT NULL CHECK (length(payload) = 32),
    -- As the receiver heard it.
    rssi_dbm INTEGER NOT NULL
) STRICT;
INSERT INTO "bip_status" VALUES(439041101,1767600300000,X'0ED8010004C40000000000000007000000000000000000000000000000000000',-61);
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
, heard_ms INTEGER, battery_mv INTEGER) STRICT;
INSERT INTO "devices" VALUES(439041101,X'000102030405060708090A0B0C0D0E0F','comptoir',12,X'0000000000000FFF',257,1767600000000,NULL,1767600300000,3850);
INSERT INTO "devices" VALUES(439041102,X'0F0E0D0C0B0A09080706050403020100','reserve',-1,X'0000000000000000',1,1767600000000,1767700000000,NULL,NULL);
CREATE TABLE early_answers (
    device INTEGER NOT NULL,
    press INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (device, press)
) STRICT, WITHOUT ROWID;
INSERT INTO "early_answers" VALUES(439041101,3,7,'coming');
CREATE TABLE facts (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "facts" VALUES('last_ms',1767600300000);
INSERT INTO "facts" VALUES('wrong_codes',2);
CREATE TABLE frames (
    device INTEGER NOT NULL,
    counter INTEGER NOT NULL,
    tag BLOB NOT NULL CHECK (length(tag) = 8),
    PRIMARY KEY (device, counter)
) STRICT, WITHOUT ROWID;
INSERT INTO "frames" VALUES(439041101,1,X'0102030405060708');
INSERT INTO "frames" VALUES(439041101,2,X'1112131415161718');
CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_ms INTEGER NOT NULL) STRICT;
INSERT INTO "migrations" VALUES(1,'devices_and_alerts',1767600000000);
INSERT INTO "migrations" VALUES(2,'last_heard',1767650000000);
INSERT INTO "migrations" VALUES(3,'early_answers',1767700000000);
INSERT INTO "migrations" VALUES(4,'second_path',1767750000000);
INSERT INTO "migrations" VALUES(5,'sms_left',1767800000000);
INSERT INTO "migrations" VALUES(6,'bips',1767850000000);
INSERT INTO "migrations" VALUES(7,'bip_settings',1767900000000);
INSERT INTO "migrations" VALUES(8,'gestures',1767950000000);
CREATE TABLE officer_calls (
    device INTEGER NOT NULL,
    press INTEGER NOT NULL,
    word TEXT NOT NULL,
    -- Of the code with which he answered; NULL while he has not.
    digest BLOB,
    answered_ms INTEGER,
    PRIMARY KEY (device, press)
) STRICT;
INSERT INTO "officer_calls" VALUES(439041101,2,'lilas',NULL,NULL);
CREATE TABLE officer_codes (
    digest BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO "officer_codes" VALUES(X'000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F');
CREATE TABLE sms_left (
    device INTEGER NOT NULL,
    press INTEGER NOT NULL,
    count INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (device, press)
) STRICT, WITHOUT ROWID;
INSERT INTO "sms_left" VALUES(439041101,2,3,1767600400000);
CREATE TABLE sms_paths (
    -- Names the keys, and tells nothing of them.
    keys BLOB PRIMARY KEY CHECK (length(keys) = 16),
    -- No sequence from here on was ever given under this up key.
    up_reserved INTEGER NOT NULL,
    -- The replay window over the post's sequences.
    down_highest INTEGER NOT NULL,
    down_bits BLOB NOT NULL CHECK (length(down_bits) = 8),
    -- The post's Contacts as JSON; NULL: none yet.
    contacts TEXT,
    -- When an authenticated word of the post last came back by SMS.
    proven_ms INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO "sms_paths" VALUES(X'000102030405060708090A0B0C0D0E0F',500,9,X'0000000000000007',NULL,1767600200000);
CREATE INDEX alerts_waiting ON alerts (number) WHERE receipt IS NULL;
CREATE VIEW outbox AS
    SELECT number, device, press, state, opened_ms, late FROM alerts
    WHERE receipt IS NULL ORDER BY number;
COMMIT;
