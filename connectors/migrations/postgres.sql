-- Rowdock's progress table: how far each partition has been written, and who may write on.
--
-- Rowdock creates it by itself when it may. To create it by hand, with a role that may:
--
--     psql -v progress_table=rowdock_progress -f postgres.sql
--
-- and then grant Rowdock's role SELECT, INSERT and UPDATE on it. It may be run again at any time.
-- Never delete rows of a connector that is to go on: they are the only record of its positions.
--
-- Partition -1 of a topic is its guard row: it says that the topic has been started, so that a
-- partition without a row is a new one.
CREATE TABLE IF NOT EXISTS :progress_table (
    cluster_id     text COLLATE "C" NOT NULL, -- the Kafka cluster's own id
    connector      text COLLATE "C" NOT NULL,
    topic          text COLLATE "C" NOT NULL,
    partition      integer          NOT NULL,
    topic_id       text             NOT NULL DEFAULT '', -- tells a recreated topic from the old one
    next_offset    bigint           NOT NULL, -- the next offset to read
    leader_epoch   integer          NOT NULL DEFAULT -1,
    claim_id       uuid,                      -- who may write on
    claim_count    bigint           NOT NULL DEFAULT 0,
    generation     integer          NOT NULL DEFAULT -1, -- of the consumer group, at the claim
    owner          text             NOT NULL DEFAULT '', -- worker and task, for people
    session        text             NOT NULL DEFAULT '', -- backend's process id and start time
    reset_count    bigint           NOT NULL DEFAULT 0,
    schema_version integer          NOT NULL DEFAULT 1,
    updated_at     timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster_id, connector, topic, partition)
) WITH (fillfactor = 50); -- room for the new version of each row on its own page
