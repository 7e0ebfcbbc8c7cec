-- What a hand said beyond its press, as the wire writes it, and what of it the post has confirmed.
ALTER TABLE alerts ADD COLUMN gesture INTEGER NOT NULL DEFAULT 0;
ALTER TABLE alerts ADD COLUMN gesture_told INTEGER NOT NULL DEFAULT 0;
