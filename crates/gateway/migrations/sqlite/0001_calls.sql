-- Calls, their turns, what else was said, and why. Times are microseconds since 1970 UTC, lengths microseconds.

CREATE TABLE calls (
    id TEXT NOT NULL PRIMARY KEY,
    wire_id TEXT NOT NULL DEFAULT '',
    caller TEXT NOT NULL DEFAULT '',
    called TEXT NOT NULL DEFAULT '',
    leg TEXT NOT NULL DEFAULT '',
    agent TEXT NOT NULL DEFAULT '',
    tenant TEXT NOT NULL DEFAULT 'default',
    started_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    ended_at INTEGER,
    duration_us INTEGER,
    outcome TEXT
) STRICT;

CREATE INDEX calls_by_wire_id ON calls (wire_id, id) WHERE wire_id <> '';
CREATE INDEX calls_open ON calls (id) WHERE ended_at IS NULL;
CREATE INDEX calls_by_outcome ON calls (outcome, id);

CREATE TABLE turns (
    call_id TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    turn INTEGER NOT NULL,
    heard TEXT,
    end_reason TEXT,
    silence_us INTEGER,
    end_probability REAL,
    speech_end_media_ms INTEGER,
    ended_at INTEGER,
    endpoint_us INTEGER,
    stt_us INTEGER,
    llm_first_token_us INTEGER,
    tts_first_audio_us INTEGER,
    playout_us INTEGER,
    reply_at INTEGER,
    reply TEXT,
    whole INTEGER,
    interrupted INTEGER,
    PRIMARY KEY (call_id, turn)
) STRICT, WITHOUT ROWID;

-- What was said that answers no turn: greetings, silence prompts, apologies, farewells.
CREATE TABLE prompts (
    call_id TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL,
    whole INTEGER NOT NULL,
    interrupted INTEGER NOT NULL,
    PRIMARY KEY (call_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE decisions (
    call_id TEXT NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT,
    evidence TEXT,
    PRIMARY KEY (call_id, position)
) STRICT, WITHOUT ROWID;

-- The last journal entry that is in these tables; it moves in the same transaction as they do.
CREATE TABLE journal_applied (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    position INTEGER NOT NULL
) STRICT;

INSERT INTO journal_applied (only_row, position) VALUES (1, 0);
