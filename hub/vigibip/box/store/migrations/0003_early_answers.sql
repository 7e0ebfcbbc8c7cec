-- Answers that came before their press was known here, acknowledged to the post all the same.
CREATE TABLE early_answers (
    device INTEGER NOT NULL,
    press INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (device, press)
) STRICT, WITHOUT ROWID;
