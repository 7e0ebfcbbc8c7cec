-- How often an alert left by SMS: a box that starts again and again keeps to its pauses.
CREATE TABLE sms_left (
    device INTEGER NOT NULL,
    press INTEGER NOT NULL,
    count INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (device, press)
) STRICT, WITHOUT ROWID;
