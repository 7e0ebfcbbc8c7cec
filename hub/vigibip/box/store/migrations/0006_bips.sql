-- What bips say of themselves, written in batches: it binds nothing.
CREATE TABLE bip_status (
    device INTEGER PRIMARY KEY,
    told_ms INTEGER NOT NULL,
    -- The sealed payload as it came: its fields are only ever appended.
    payload BLOB NOT NULL CHECK (length(payload) = 32),
    -- As the receiver heard it.
    rssi_dbm INTEGER NOT NULL
) STRICT;

-- What a bip did on one day, counted by what the box heard of it: what its battery is judged by.
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
