//! The Lenses sinks' configs, key by key and whole.

use rowdock_connectors::cassandra::RowConsistency;

use super::*;
use crate::config::mapping::{MappedColumn, Source};

const KCQL: &str = "connect.cassandra.kcql";

pub(super) const DOCUMENTED: &[&str] = &[
    "connect.cassandra.contact.points",
    "connect.cassandra.port",
    "connect.cassandra.max.concurrent.requests",
    "connect.cassandra.connection.pool.size",
    "connect.cassandra.compression",
    "connect.cassandra.query.timeout.ms",
    "connect.cassandra.max.batch.size",
    "connect.cassandra.load.balancing.local.dc",
    "connect.cassandra.auth.provider",
    "connect.cassandra.auth.username",
    "connect.cassandra.auth.password",
    "connect.cassandra.auth.gssapi.keytab",
    "connect.cassandra.auth.gssapi.principal",
    "connect.cassandra.auth.gssapi.service",
    "connect.cassandra.ssl.enabled",
    "connect.cassandra.ssl.provider",
    "connect.cassandra.ssl.truststore.path",
    "connect.cassandra.ssl.truststore.password",
    "connect.cassandra.ssl.keystore.path",
    "connect.cassandra.ssl.keystore.password",
    "connect.cassandra.ssl.cipher.suites",
    "connect.cassandra.ssl.hostname.verification",
    "connect.cassandra.ssl.openssl.key.cert.chain",
    "connect.cassandra.ssl.openssl.private.key",
    "connect.cassandra.ignore.errors.mode",
    "connect.cassandra.retry.interval",
    "connect.cassandra.error.policy",
    "connect.cassandra.max.retries",
    "connect.cassandra.driver.basic.request.timeout",
    "connect.progress.enabled",
    KCQL,
];

pub(super) const DOCUMENTED_OF_OLDER: &[&str] = &[
    "connect.cassandra.contact.points",
    "connect.cassandra.port",
    "connect.cassandra.key.space",
    "connect.cassandra.username",
    "connect.cassandra.password",
    "connect.cassandra.ssl.enabled",
    "connect.cassandra.trust.store.path",
    "connect.cassandra.trust.store.password",
    "connect.cassandra.trust.store.type",
    "connect.cassandra.key.store.type",
    "connect.cassandra.ssl.client.cert.auth",
    "connect.cassandra.key.store.path",
    "connect.cassandra.key.store.password",
    "connect.cassandra.consistency.level",
    "connect.cassandra.fetch.size",
    "connect.cassandra.load.balancing.policy",
    "connect.cassandra.connect.timeout.ms",
    "connect.cassandra.read.timeout.ms",
    "connect.cassandra.error.policy",
    "connect.cassandra.max.retries",
    "connect.cassandra.retry.interval",
    "connect.cassandra.threadpool.size",
    "connect.progress.enabled",
    "connect.cassandra.delete.enabled",
    "connect.cassandra.delete.statement",
    "connect.cassandra.delete.struct_flds",
    "connect.cassandra.default.value",
    KCQL,
];

pub(super) fn base(class: &str) -> &'static [(&'static str, &'static str)] {
    if class == LENSES {
        return &[
            ("connect.cassandra.contact.points", "h1, h2:9043"),
            ("connect.cassandra.load.balancing.local.dc", "dc1"),
            (
                KCQL,
                "INSERT INTO shop.t SELECT _key.id, n AS m FROM orders",
            ),
        ];
    }
    &[
        ("connect.cassandra.contact.points", "h1"),
        ("connect.cassandra.key.space", "shop"),
        (KCQL, "INSERT INTO T SELECT * FROM orders"),
    ]
}

#[test]
fn keys_mean_what_they_meant() {
    let same = |key: &str, value: &str, expected: &[(&str, &str)]| {
        becomes(LENSES, key, value, expected);
    };
    let url = "cassandra://h1:9042,h2:9043/shop?localDc=dc1";
    let with = |parameter: &str| format!("{url}&{parameter}");
    let mapping = "orders -> shop.t: id=key.id, m=value.n";
    same(
        "connect.progress.enabled",
        "true",
        &[
            ("connection.url", url),
            ("cassandra.mapping", mapping),
            ("delete.enabled", "true"),
            ("cassandra.requests.max", "100"),
        ],
    );
    for (key, value, parameter) in [
        ("connect.cassandra.compression", "LZ4", "compression=LZ4"),
        (
            "connect.cassandra.connection.pool.size",
            "4",
            "connections=4",
        ),
        (
            "connect.cassandra.query.timeout.ms",
            "20000",
            "requestTimeout=20000",
        ),
    ] {
        same(key, value, &[("connection.url", with(parameter).as_str())]);
    }
    same(
        "connect.cassandra.max.concurrent.requests",
        "9",
        &[("cassandra.requests.max", "9")],
    );
    same(
        "connect.cassandra.auth.username",
        "ann",
        &[("connection.user", "ann")],
    );
    same(
        "connect.cassandra.auth.password",
        "s3cret",
        &[("connection.password", "s3cret")],
    );
    same(
        "connection.url",
        "cassandra://h/shop?sslmode=require",
        &[("connection.url", "cassandra://h/shop?sslmode=require")],
    );
    same(
        KCQL,
        "INSERT INTO shop.t SELECT a FROM orders PROPERTIES('ttl'='60', 'deletesEnabled'='false', \
         'consistencyLevel'='QUORUM', 'nullToUnset'='false', 'ttlTimeUnit'='SECONDS')",
        &[
            ("cassandra.ttl.seconds", "60"),
            ("delete.enabled", "false"),
            ("cassandra.consistency", "QUORUM"),
            ("cassandra.null.to.unset", "false"),
        ],
    );
    same(
        KCQL,
        "INSERT INTO shop.t SELECT *, now() AS at FROM orders TTL=5; INSERT INTO shop.u SELECT a.b FROM orders TTL=5",
        &[
            ("cassandra.ttl.seconds", "5"),
            (
                "cassandra.mapping",
                "orders -> shop.t: *=value, at=now(); orders -> shop.u: b=value.a.b",
            ),
        ],
    );
    let ignoring = config(
        LENSES,
        &[("connect.cassandra.ignore.errors.mode", "driver")],
    );
    let ignoring = Dialect::of_class(LENSES).unwrap().translate(&ignoring);
    assert_eq!(ignoring.ours["errors.tolerance"].as_deref(), Some("all"));
}

#[test]
fn keys_of_the_older_sink_mean_what_they_meant() {
    let same = |key: &str, value: &str, expected: &[(&str, &str)]| {
        becomes(OLDER_LENSES, key, value, expected);
    };
    same(
        "connect.cassandra.port",
        "9043",
        &[
            ("connection.url", "cassandra://h1:9043/shop"),
            ("cassandra.mapping", "orders -> shop.t: *=value"),
            ("cassandra.null.to.unset", "false"),
        ],
    );
    same(
        "connect.cassandra.connect.timeout.ms",
        "5",
        &[(
            "connection.url",
            "cassandra://h1:9042/shop?connectTimeout=5",
        )],
    );
    same(
        "connect.cassandra.read.timeout.ms",
        "12000",
        &[(
            "connection.url",
            "cassandra://h1:9042/shop?requestTimeout=12000",
        )],
    );
    same(
        "connect.cassandra.username",
        "ann",
        &[("connection.user", "ann")],
    );
    same(
        "connect.cassandra.password",
        "s3cret",
        &[("connection.password", "s3cret")],
    );
    same(
        "connect.cassandra.consistency.level",
        "LOCAL_ONE",
        &[("cassandra.consistency", "LOCAL_ONE")],
    );
    let retrying = ours(
        OLDER_LENSES,
        &[
            ("connect.cassandra.error.policy", "RETRY"),
            ("connect.cassandra.max.retries", "7"),
            ("connect.cassandra.retry.interval", "50"),
        ],
    );
    assert_eq!(retrying["max.retries"], "7");
    assert_eq!(retrying["retry.backoff.ms"], "50");
    let swallowing = config(OLDER_LENSES, &[("connect.cassandra.error.policy", "noop")]);
    let swallowing = Dialect::of_class(OLDER_LENSES)
        .unwrap()
        .translate(&swallowing);
    assert_eq!(swallowing.ours["errors.tolerance"].as_deref(), Some("all"));
    let deleting = ours(
        OLDER_LENSES,
        &[
            ("connect.cassandra.delete.enabled", "true"),
            (
                "connect.cassandra.delete.statement",
                "DELETE FROM t WHERE id = ? AND Day = ?",
            ),
            ("connect.cassandra.delete.struct_flds", "id,at"),
        ],
    );
    assert_eq!(deleting["delete.enabled"], "true");
    assert_eq!(deleting["cassandra.delete.prefix"], "true");
    assert_eq!(
        deleting["cassandra.mapping"],
        "orders -> shop.t: id=key.id, day=key.at, *=value"
    );
}

#[test]
fn what_cannot_be_honoured_is_refused_with_the_reason() {
    for (key, value, part) in [
        ("connect.cassandra.ssl.enabled", "true", "PEM"),
        ("connect.cassandra.ssl.provider", "JDK", "PEM"),
        ("connect.cassandra.ssl.truststore.path", "/x", "PEM"),
        ("connect.cassandra.auth.provider", "GSSAPI", "only user"),
        ("connect.cassandra.auth.gssapi.keytab", "/x", "only user"),
        (
            "connect.cassandra.ignore.errors.mode",
            "some",
            "none, driver, all",
        ),
        (KCQL, "", "Missing required"),
        (KCQL, "SELECT", "INSERT INTO"),
        (KCQL, "INSERT INTO t SELECT * FROM orders", "keyspace.table"),
        (
            KCQL,
            "INSERT INTO k.t SELECT * FROM orders PROPERTIES('query'='x')",
            "written again",
        ),
        (
            KCQL,
            "INSERT INTO k.t SELECT * FROM orders PROPERTIES('ttlTimeUnit'='HOURS')",
            "only SECONDS",
        ),
        (
            KCQL,
            "INSERT INTO k.t SELECT a FROM orders TTL=5; INSERT INTO k.u SELECT a FROM orders",
            "all say the same",
        ),
        (KCQL, "INSERT INTO k.t SELECT * FROM other", "orders is not"),
    ] {
        refused(LENSES, key, value, part);
    }
    let without: RawConfig = config(OLDER_LENSES, &[])
        .into_iter()
        .filter(|(key, _)| key != "connect.cassandra.key.space")
        .collect();
    let found = errors(&without);
    assert_eq!(found[0].0, "connect.cassandra.key.space", "{found:?}");
    for (key, value, part) in [
        ("connect.cassandra.ssl.enabled", "true", "PEM"),
        ("connect.cassandra.ssl.client.cert.auth", "true", "PEM"),
        ("connect.cassandra.trust.store.path", "/x", "PEM"),
        ("connect.cassandra.key.store.password", "s3cret", "PEM"),
        (
            "connect.cassandra.error.policy",
            "MAYBE",
            "NOOP, THROW, RETRY",
        ),
        ("connect.cassandra.default.value", "NULL", "left as it is"),
        (KCQL, "INSERT INTO k.t SELECT * FROM orders", "a table of"),
    ] {
        refused(OLDER_LENSES, key, value, part);
    }
    let delete = |statement: &str, fields: &str, part: &str| {
        let config = config(
            OLDER_LENSES,
            &[
                ("connect.cassandra.delete.enabled", "true"),
                ("connect.cassandra.delete.statement", statement),
                ("connect.cassandra.delete.struct_flds", fields),
            ],
        );
        let found = errors(&config);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "connect.cassandra.delete.statement");
        assert!(found[0].1.contains(part), "{found:?}");
    };
    delete("", "", "must be DELETE FROM");
    delete(
        "DELETE FROM u WHERE id = ?",
        "",
        "the table of every statement",
    );
    delete("DELETE FROM t WHERE id = ?", "a,b", "1 parameters");
}

#[test]
fn what_changes_nothing_is_told() {
    for (key, value, part) in [
        ("connect.progress.enabled", "true", "/progress"),
        ("connect.cassandra.max.batch.size", "64", "by their size"),
        ("connect.cassandra.error.policy", "NOOP", "does not use it"),
        ("connect.cassandra.driver.x", "1", "driver's own"),
        (
            KCQL,
            "INSERT INTO shop.t SELECT a FROM orders AUTOCREATE",
            "has AUTOCREATE",
        ),
        (
            KCQL,
            "INSERT INTO shop.t SELECT a FROM orders PROPERTIES('behavior.on.null.values'='IGNORE')",
            "behavior.on.null.values",
        ),
    ] {
        warned(LENSES, key, value, part);
    }
    for (key, value, part) in [
        ("connect.cassandra.fetch.size", "5000", "reads nothing"),
        ("connect.cassandra.threadpool.size", "4", "threads"),
        ("connect.cassandra.max.retries", "4", "is not RETRY"),
        ("connect.cassandra.trust.store.type", "JKS", "PEM"),
        (
            "connect.cassandra.load.balancing.policy",
            "TOKEN_AWARE",
            "replica",
        ),
        (KCQL, "INSERT INTO t SELECT * FROM orders PK id", "has PK"),
    ] {
        warned(OLDER_LENSES, key, value, part);
    }
    let both = config(LENSES, &[("connection.url", "cassandra://h/shop")]);
    assert_eq!(errors(&both), []);
    let warnings = ConnectorConfig::warnings(&both, &worker());
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings
            .iter()
            .all(|warning| warning.contains("connection.url is given"))
    );
}

#[test]
fn whole_configs() {
    let config = accepted(
        LENSES,
        &[(
            KCQL,
            "INSERT INTO shop.t SELECT _key.id AS id, total FROM orders PROPERTIES('consistencyLevel'='QUORUM')",
        )],
    );
    assert_eq!(config.class, SinkClass::Cassandra);
    assert_eq!(config.sink.cassandra.consistency, RowConsistency::Quorum);
    assert_eq!(config.sink.cassandra.requests_max, 100);
    assert!(config.sink.delete_enabled && config.sink.cassandra.null_to_unset);
    assert_eq!(config.sink.tables_of_topics["orders -> shop.t"], "shop.t");
    let older = "com.datamountaineer.streamreactor.connect.cassandra.sink.CassandraSinkConnector";
    let mut raw = self::config(OLDER_LENSES, &[]);
    raw.insert("connector.class".to_owned(), Some(older.to_owned()));
    let config = ConnectorConfig::parse(&raw, &worker()).unwrap();
    assert!(!config.sink.delete_enabled && !config.sink.cassandra.null_to_unset);
    assert_eq!(
        config.sink.mappings[0].columns,
        [MappedColumn::all_fields()]
    );
    assert_ne!(config.sink.mappings[0].columns[0].source, Source::Now);
}

/// TLS is a matter of `connection.url`, which may be added to any config for Cassandra.
#[test]
fn tls_is_had_by_a_url() {
    for (class, switch) in [
        (LENSES, "connect.cassandra.ssl.enabled"),
        (OLDER_LENSES, "connect.cassandra.ssl.enabled"),
        (DATASTAX, "connection.url"),
    ] {
        let url = "cassandra://h:9042/shop?sslmode=verify-full&sslrootcert=/ca.pem";
        let mut raw = config(class, &[(switch, "true"), ("connection.url", url)]);
        raw.retain(|key, _| !key.ends_with("ontactPoints") && !key.ends_with("contact.points"));
        raw.retain(|key, _| !key.ends_with("localDc") && !key.ends_with("local.dc"));
        let parsed = ConnectorConfig::parse(&raw, &worker()).unwrap();
        assert_eq!(parsed.sink.url, url);
        assert_eq!(
            ConnectorConfig::warnings(&raw, &worker()),
            Vec::<String>::new()
        );
        // What is wrong with it is said of it.
        raw.insert("connection.url".to_owned(), Some("redis://h".to_owned()));
        let found = errors(&raw);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "connection.url", "{found:?}");
    }
}
