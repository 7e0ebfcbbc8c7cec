-- How strongly each bip is heard, in dBm, written in batches: it binds nothing.
CREATE TABLE bip_reach (
    device INTEGER PRIMARY KEY,
    -- The day that goes on, since 1970 in UTC, and what was heard in it: a signed byte each.
    day INTEGER NOT NULL,
    samples BLOB NOT NULL,
    -- Of its first full day here, of its last and of the one before; NULL: that is not over.
    first_dbm INTEGER,
    day_dbm INTEGER,
    before_dbm INTEGER
) STRICT;
