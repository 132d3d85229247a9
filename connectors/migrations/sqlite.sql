-- Progress of Rowdock's connectors, in the database that they write to: one row per partition.
-- Rowdock creates the table when it may; otherwise run this once by hand. It may be run again.
-- A row with partition -1 says that the topic has been started; see `next_offset` for the rest.
-- Do not edit or delete rows while a connector runs: it stops at whatever no longer fits.
CREATE TABLE IF NOT EXISTS "rowdock_progress" (
    "cluster_id"     TEXT    NOT NULL,              -- the Kafka cluster's own id
    "connector"      TEXT    NOT NULL,
    "topic"          TEXT    NOT NULL,
    "partition"      INTEGER NOT NULL,
    "topic_id"       TEXT    NOT NULL,              -- id of the topic incarnation, or empty
    "next_offset"    INTEGER NOT NULL,              -- next offset to read: all before it is written
    "leader_epoch"   INTEGER NOT NULL DEFAULT -1,   -- of the last record written, -1 when unknown
    "claim_id"       TEXT,                          -- who may write; null before the first claim
    "claim_count"    INTEGER NOT NULL DEFAULT 0,
    "generation"     INTEGER NOT NULL DEFAULT -1,   -- consumer group generation of the last claim
    "owner"          TEXT    NOT NULL DEFAULT '',   -- worker and task of the last claim
    "session"        TEXT    NOT NULL DEFAULT '',   -- program and process of the last claim
    "reset_count"    INTEGER NOT NULL DEFAULT 0,    -- how often the position was set by hand
    "schema_version" INTEGER NOT NULL DEFAULT 1,    -- of this table's layout
    "updated_at"     TEXT    NOT NULL,              -- UTC
    PRIMARY KEY ("cluster_id", "connector", "topic", "partition")
) WITHOUT ROWID;
