-- What a device last said of itself, written in batches: it binds nothing.
ALTER TABLE devices ADD COLUMN heard_ms INTEGER;
ALTER TABLE devices ADD COLUMN battery_mv INTEGER;
