-- How a bip is set by its box; one without a row is as it was made.
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
