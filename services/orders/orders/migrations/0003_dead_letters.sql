-- The index of dead letters: one row a message that a consumer group gave up, whatever happens to it afterwards.

CREATE TABLE dead_letters (
    id             uuid PRIMARY KEY,
    -- The order of arrival, which is that of the deaths of one key: lists and redrives follow it.
    ordinal        bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    -- Who gave up which message: its first place in the log, whatever detours it took.
    consumer_group text COLLATE "C" NOT NULL,
    topic          text COLLATE "C" NOT NULL,
    partition      integer NOT NULL,
    message_offset bigint NOT NULL,
    key            bytea,
    event_type     text COLLATE "C",
    reason         text NOT NULL,
    error_class    text COLLATE "C" NOT NULL,
    error          text NOT NULL,
    attempts       integer NOT NULL,
    -- How often it was sent to its group again; what tells of a lower number is old news.
    redrives       integer NOT NULL DEFAULT 0,
    trace_id       text,
    failed_at      timestamptz NOT NULL,
    state          text NOT NULL DEFAULT 'dead' CHECK (state IN ('dead', 'redriven', 'resolved', 'discarded')),
    header_names   text[] NOT NULL,
    header_values  bytea[] NOT NULL,
    value          bytea,
    -- Where the index read of its last death.
    dlq_topic      text NOT NULL,
    dlq_partition  integer NOT NULL,
    dlq_offset     bigint NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (consumer_group, topic, partition, message_offset)
) WITH (fillfactor = 80);

CREATE INDEX dead_letters_open ON dead_letters (ordinal) WHERE state IN ('dead', 'redriven');
-- By hash: a key may be longer than a B-tree takes.
CREATE INDEX dead_letters_key ON dead_letters USING hash (key);
CREATE INDEX dead_letters_settled ON dead_letters (updated_at) WHERE state IN ('resolved', 'discarded');

-- A redrive or a discard: whoever holds the lease takes the next letters, and a dead owner's run is taken over.
CREATE TABLE redrive_runs (
    id           uuid PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('redrive', 'discard')),
    filter       jsonb NOT NULL,
    rate         double precision NOT NULL CHECK (rate > 0),
    letters_max  integer NOT NULL CHECK (letters_max > 0),
    dry_run      boolean NOT NULL,
    actor        text NOT NULL,
    -- Letters that fitted the filter when the run began, and how many of them were dealt with.
    matched      integer NOT NULL,
    done         integer NOT NULL DEFAULT 0,
    -- The last letter dealt with, and the last that the run may reach: later deaths are not its business.
    ordinal      bigint NOT NULL DEFAULT 0,
    ordinal_max  bigint NOT NULL,
    state        text NOT NULL CHECK (state IN ('running', 'done', 'stopped')),
    locked_until timestamptz NOT NULL DEFAULT '-infinity',
    -- Grows with every owner: one that stalled and wakes finds another number here and may write no more.
    fencing      bigint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    CHECK ((state = 'running') = (finished_at IS NULL)),
    CHECK (state = 'done' OR NOT dry_run)
) WITH (fillfactor = 80);

CREATE INDEX redrive_runs_open ON redrive_runs (created_at) WHERE state = 'running';
CREATE INDEX redrive_runs_finished ON redrive_runs (finished_at) WHERE state <> 'running';

-- What was done to each letter, by whom, and what became of it.
CREATE TABLE dead_letter_actions (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    letter_id uuid NOT NULL REFERENCES dead_letters (id) ON DELETE CASCADE,
    action    text NOT NULL CHECK (action IN ('died', 'redriven', 'resolved', 'discarded')),
    redrives  integer NOT NULL,
    actor     text NOT NULL,
    run_id    uuid,
    at        timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX dead_letter_actions_letter ON dead_letter_actions (letter_id, id);
