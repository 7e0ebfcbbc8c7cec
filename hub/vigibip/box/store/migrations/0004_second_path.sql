-- What the SMS path remembers, under each pair of keys: a new enrolment begins again.
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

-- Alerts for which the officer was called, until the post has answered or the word has run out.
CREATE TABLE officer_calls (
    device INTEGER NOT NULL,
    press INTEGER NOT NULL,
    word TEXT NOT NULL,
    -- Of the code with which he answered; NULL while he has not.
    digest BLOB,
    answered_ms INTEGER,
    PRIMARY KEY (device, press)
) STRICT;

-- Each code counts once for ever, whatever later contacts say.
CREATE TABLE officer_codes (
    digest BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;
