-- Rowdock's progress table: how far each partition has been written, and who may write on.
--
-- Rowdock creates it by itself when it may. To create it by hand, run this as a user who may, in the
-- database of connection.url, and grant Rowdock's user SELECT, INSERT and UPDATE on it. It may be run
-- again at any time. Never delete rows of a connector that is to go on: they are the only record of
-- its positions.
--
-- Partition -1 of a topic is its guard row: it says that the topic has been started, so that a
-- partition without a row is a new one.
CREATE TABLE IF NOT EXISTS `rowdock_progress` (
    `cluster_id`     varchar(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, -- the Kafka cluster's own id
    `connector`      varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    `topic`          varchar(249) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    `partition`      int NOT NULL,
    `topic_id`       varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '', -- tells a recreated topic from the old one
    `next_offset`    bigint NOT NULL, -- the next offset to read
    `leader_epoch`   int NOT NULL DEFAULT -1,
    `claim_id`       char(36) CHARACTER SET ascii COLLATE ascii_bin NULL, -- who may write on
    `claim_count`    bigint NOT NULL DEFAULT 0,
    `generation`     int NOT NULL DEFAULT -1, -- of the consumer group, at the claim
    `owner`          varchar(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '', -- worker and task, for people
    `session`        varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '', -- the user lock that its session holds
    `reset_count`    bigint NOT NULL DEFAULT 0,
    `schema_version` int NOT NULL DEFAULT 1,
    `updated_at`     timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (`cluster_id`, `connector`, `topic`, `partition`)
) ENGINE=InnoDB;
