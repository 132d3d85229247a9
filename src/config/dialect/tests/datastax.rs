//! The DataStax sink's configs, key by key and whole.

use rowdock_connectors::cassandra::RowConsistency;

use super::*;

#[test]
fn keys_mean_what_they_meant() {
    let same = |key: &str, value: &str, expected: &[(&str, &str)]| {
        becomes(DATASTAX, key, value, expected);
    };
    let url = "cassandra://h1:9042,h2:9042/shop?localDc=dc1";
    same(
        "jmx",
        "false",
        &[("connection.url", url), ("delete.enabled", "true")],
    );
    same(
        "port",
        "9043",
        &[(
            "connection.url",
            "cassandra://h1:9043,h2:9043/shop?localDc=dc1",
        )],
    );
    same(
        "compression",
        "LZ4",
        &[("connection.url", format!("{url}&compression=LZ4").as_str())],
    );
    same(
        "queryExecutionTimeout",
        "30",
        &[(
            "connection.url",
            format!("{url}&requestTimeout=30000").as_str(),
        )],
    );
    same(
        "connectionPoolLocalSize",
        "4",
        &[("connection.url", format!("{url}&connections=4").as_str())],
    );
    same("auth.username", "ann", &[("connection.user", "ann")]);
    same(
        "auth.password",
        "s3cret",
        &[("connection.password", "s3cret")],
    );
    same(
        "maxConcurrentRequests",
        "9",
        &[("cassandra.requests.max", "9")],
    );
    let ignoring = config(DATASTAX, &[("ignoreErrors", "Driver")]);
    let ignoring = Dialect::of_class(DATASTAX).unwrap().translate(&ignoring);
    let tolerance = ignoring.ours.get("errors.tolerance").unwrap();
    assert_eq!(tolerance.as_deref(), Some("all"));
    same(
        "topic.orders.shop.t.consistencyLevel",
        "LOCAL_ONE",
        &[("cassandra.consistency", "LOCAL_ONE")],
    );
    same(
        "topic.orders.shop.t.ttl",
        "60",
        &[("cassandra.ttl.seconds", "60")],
    );
    same(
        "topic.orders.shop.t.ttl",
        "-1",
        &[("cassandra.ttl.seconds", "0")],
    );
    same(
        "topic.orders.shop.t.nullToUnset",
        "false",
        &[("cassandra.null.to.unset", "false")],
    );
    same(
        "topic.orders.shop.t.deletesEnabled",
        "false",
        &[("delete.enabled", "false")],
    );
    same(
        "topic.orders.shop.u.mapping",
        "day=value.day, __ttl=value.ttl",
        &[(
            "cassandra.mapping",
            "orders -> shop.t: id=key.id, n=value.n; orders -> shop.u: day=value.day, __ttl=value.ttl",
        )],
    );
}

#[test]
fn what_cannot_be_honoured_is_refused_with_the_reason() {
    refused(
        DATASTAX,
        "cloud.secureConnectBundle",
        "/x.zip",
        "name the nodes",
    );
    refused(
        DATASTAX,
        "auth.provider",
        "GSSAPI",
        "only user and password",
    );
    refused(DATASTAX, "ssl.keystore.path", "/x", "PEM");
    for (setting, part) in [
        ("advanced.ssl-engine-factory.class", "PEM"),
        ("advanced.auth-provider.password", "only user and password"),
        ("basic.contact-points", "own key"),
        ("basic.contact-points.0", "own key"),
        ("basic.load-balancing-policy.local-datacenter", "own key"),
        ("basic.cloud.secure-connect-bundle", "own key"),
    ] {
        refused(
            DATASTAX,
            &format!("datastax-java-driver.{setting}"),
            "x",
            part,
        );
        refused(
            LENSES,
            &format!("connect.cassandra.driver.{setting}"),
            "x",
            part,
        );
    }
    refused(DATASTAX, "ssl.provider", "JDK", "PEM");
    refused(
        DATASTAX,
        "topic.orders.shop.t.query",
        "INSERT",
        "written again",
    );
    refused(
        DATASTAX,
        "topic.orders.shop.t.ttlTimeUnit",
        "HOURS",
        "only SECONDS",
    );
    refused(
        DATASTAX,
        "topic.orders.shop.t.timestampTimeUnit",
        "MILLISECONDS",
        "only MICROSECONDS",
    );
    refused(
        DATASTAX,
        "topic.orders.codec.timeZone",
        "Europe/Berlin",
        "UTC",
    );
    refused(
        DATASTAX,
        "topic.orders.shop.t.mapping",
        "id",
        "is not column=field",
    );
    refused(DATASTAX, "contactPoints", "", "Missing required");
    warned(DATASTAX, "jmx", "true", "no JVM");
    warned(
        DATASTAX,
        "maxNumberOfRecordsInBatch",
        "32",
        "cassandra.batch.max.bytes",
    );
    warned(
        DATASTAX,
        "topic.orders.other.u.mapping",
        "id=key.id",
        "progress.table=other.rowdock_progress",
    );
    warned(
        DATASTAX,
        "topic.orders.shop.t.colour",
        "red",
        "no key of the DataStax sink",
    );
    warned(
        DATASTAX,
        "topic.orders.ttl",
        "60",
        "no key of the DataStax sink",
    );
}

/// Settings of tables are the connector's here, so they must agree.
#[test]
fn tables_agree_on_their_settings() {
    let mapping = ("topic.orders.shop.u.mapping", "id=key.id");
    let check = |given: &[(&str, &str)], ours: &str, expected: Option<&str>| {
        let given: Vec<(&str, &str)> = given.iter().copied().chain([mapping]).collect();
        let config = config(DATASTAX, &given);
        let translated = Dialect::of_class(DATASTAX).unwrap().translate(&config);
        match expected {
            Some(value) => {
                assert_eq!(translated.errors, [], "{given:?}");
                let found = translated.ours[ours].as_deref();
                assert_eq!(found, Some(value), "{given:?}");
            }
            None => {
                let [(key, problem)] = translated.errors.as_slice() else {
                    panic!("{given:?}: {:?}", translated.errors);
                };
                assert_eq!(key, given[0].0);
                assert!(
                    problem.contains("all tables must say the same"),
                    "{problem}"
                );
            }
        }
    };
    let of_t = |setting: &str| format!("topic.orders.shop.t.{setting}");
    let of_u = |setting: &str| format!("topic.orders.shop.u.{setting}");
    let (ttl, other_ttl) = (of_t("ttl"), of_u("ttl"));
    let seconds = "cassandra.ttl.seconds";
    check(&[(&ttl, "60"), (&other_ttl, "60")], seconds, Some("60"));
    check(&[(&ttl, "60"), (&other_ttl, "70")], seconds, None);
    check(&[(&ttl, "3600")], seconds, None);
    check(&[(&other_ttl, "3600")], seconds, None);
    check(&[(&ttl, "-1")], seconds, Some("0"));
    let consistency = of_t("consistencyLevel");
    check(&[(&consistency, "QUORUM")], "cassandra.consistency", None);
    check(
        &[(&of_t("nullToUnset"), "false")],
        "cassandra.null.to.unset",
        None,
    );
    check(
        &[(&of_t("deletesEnabled"), "false")],
        "delete.enabled",
        None,
    );
    check(
        &[(&of_t("deletesEnabled"), "true")],
        "delete.enabled",
        Some("true"),
    );
}

#[test]
fn a_whole_config() {
    let config = accepted(
        DATASTAX,
        &[
            ("topic.orders.shop.t.consistencyLevel", "QUORUM"),
            ("topic.orders.codec.unit", "MILLISECONDS"),
        ],
    );
    assert_eq!(config.class, SinkClass::Cassandra);
    assert_eq!(config.sink.cassandra.consistency, RowConsistency::Quorum);
    assert_eq!(config.sink.cassandra.requests_max, 500);
    assert_eq!(config.sink.mappings.len(), 1);
    assert!(config.sink.delete_enabled && config.sink.cassandra.null_to_unset);
    assert_eq!(config.sink.tables_of_topics["orders -> shop.t"], "shop.t");
}
