//! Goal: what Java's clients are told becomes what librdkafka must be told, or a clear error.

use super::*;
use crate::config::worker::SettingsSources;

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn worker(overrides: &[&str]) -> WorkerSettings {
    let sources = SettingsSources::overriding(overrides);
    WorkerSettings::load(&sources).unwrap().settings
}

/// Translates a connector's settings; the worker has none of its own.
fn connector(pairs: &[(&str, &str)]) -> Translation {
    consumer(&WorkerSettings::default(), "orders", &settings(pairs))
}

fn problems(translation: &Translation) -> Vec<String> {
    translation.problems.iter().map(Problem::message).collect()
}

/// These settings become exactly these properties, beside the two that are always there.
fn becomes(pairs: &[(&str, &str)], expected: &[(&str, &str)]) {
    let translation = connector(pairs);
    assert_eq!(problems(&translation), Vec::<String>::new(), "{pairs:?}");
    let mut expected = settings(expected);
    for (name, value) in [
        ("bootstrap.servers", "localhost:9092"),
        ("group.id", "connect-orders"),
    ] {
        expected
            .entry(name.to_owned())
            .or_insert_with(|| value.to_owned());
    }
    assert_eq!(translation.properties, expected, "{pairs:?}");
}

/// One problem, of this key, with this part.
fn refused(pairs: &[(&str, &str)], key: &str, part: &str) {
    let translation = connector(pairs);
    let messages = problems(&translation);
    assert_eq!(messages.len(), 1, "{pairs:?}: {messages:?}");
    assert_eq!(
        translation.problems[0].key,
        format!("consumer.override.{key}")
    );
    assert!(messages[0].contains(part), "{messages:?}");
    assert!(!messages[0].contains("s3cret"), "{messages:?}");
}

fn no_effect(pairs: &[(&str, &str)], key: &str) {
    let translation = connector(pairs);
    assert_eq!(problems(&translation), Vec::<String>::new(), "{pairs:?}");
    let keys: Vec<&str> = translation
        .without_effect
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    assert_eq!(keys, [key]);
}

#[test]
fn names_and_values_are_translated() {
    becomes(&[], &[]);
    becomes(&[("group.id", "own")], &[("group.id", "own")]);
    becomes(
        &[("bootstrap.servers", "b:1")],
        &[("bootstrap.servers", "b:1")],
    );
    becomes(
        &[("fetch.max.wait.ms", "20")],
        &[("fetch.wait.max.ms", "20")],
    );
    becomes(
        &[("max.partition.fetch.bytes", "9999")],
        &[("fetch.message.max.bytes", "9999")],
    );
    becomes(
        &[("request.timeout.ms", "30000")],
        &[("socket.timeout.ms", "30000")],
    );
    becomes(
        &[("receive.buffer.bytes", "-1")],
        &[("socket.receive.buffer.bytes", "0")],
    );
    becomes(
        &[("send.buffer.bytes", "131072")],
        &[("socket.send.buffer.bytes", "131072")],
    );
    becomes(
        &[("isolation.level", "READ_UNCOMMITTED")],
        &[("isolation.level", "read_uncommitted")],
    );
    becomes(
        &[("security.protocol", "SSL")],
        &[("security.protocol", "ssl")],
    );
    becomes(
        &[("ssl.endpoint.identification.algorithm", "")],
        &[("ssl.endpoint.identification.algorithm", "none")],
    );
    becomes(
        &[("session.timeout.ms", " 10000 ")],
        &[("session.timeout.ms", "10000")],
    );
    becomes(
        &[("queued.min.messages", "5")],
        &[("queued.min.messages", "5")],
    );
    becomes(&[("enable.auto.commit", "false")], &[]);
    becomes(
        &[(
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.RangeAssignor, org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        )],
        &[],
    );
}

#[test]
fn logins_become_user_and_password() {
    let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"ann\" password=\"s3cret\";";
    becomes(
        &[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "plain"),
            ("sasl.jaas.config", plain),
        ],
        &[
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanisms", "PLAIN"),
            ("sasl.username", "ann"),
            ("sasl.password", "s3cret"),
        ],
    );
    refused(
        &[("sasl.jaas.config", "s3cret")],
        "sasl.jaas.config",
        "Invalid value [hidden]",
    );
    refused(
        &[("sasl.mechanism", "GSSAPI")],
        "sasl.mechanism",
        "PLAIN, SCRAM-SHA-256",
    );
    refused(
        &[("sasl.mechanism", "OAUTHBEARER")],
        "sasl.mechanism",
        "needs sasl.oauthbearer.token.endpoint.url",
    );
    refused(
        &[("sasl.login.callback.handler.class", "org.acme.Handler")],
        "sasl.login.callback.handler.class",
        "OAuthBearerLoginCallbackHandler",
    );
    refused(
        &[("security.protocol", "SASL_PLAINTEXT")],
        "security.protocol",
        "needs sasl.mechanism",
    );
    refused(
        &[("sasl.kerberos.service.name", "kafka")],
        "sasl.kerberos.service.name",
        "Kerberos",
    );
}

#[test]
fn stores_become_files_that_openssl_reads() {
    becomes(
        &[
            ("ssl.truststore.location", "/ca.pem"),
            ("ssl.truststore.type", "PEM"),
        ],
        &[("ssl.ca.location", "/ca.pem")],
    );
    becomes(
        &[("ssl.truststore.location", "/ca.crt")],
        &[("ssl.ca.location", "/ca.crt")],
    );
    becomes(
        &[
            ("ssl.keystore.location", "/me.pem"),
            ("ssl.keystore.type", "pem"),
            ("ssl.key.password", "p"),
        ],
        &[
            ("ssl.certificate.location", "/me.pem"),
            ("ssl.key.location", "/me.pem"),
            ("ssl.key.password", "p"),
        ],
    );
    becomes(
        &[
            ("ssl.keystore.location", "/me.p12"),
            ("ssl.keystore.password", "s3cret"),
        ],
        &[
            ("ssl.keystore.location", "/me.p12"),
            ("ssl.keystore.password", "s3cret"),
        ],
    );
    for (settings, key) in [
        (
            &[("ssl.truststore.location", "/no/trust.jks")][..],
            "ssl.truststore.location",
        ),
        (
            &[
                ("ssl.keystore.location", "/no/k"),
                ("ssl.keystore.type", "JKS"),
            ],
            "ssl.keystore.location",
        ),
    ] {
        refused(settings, key, "cannot be read");
    }
    refused(
        &[
            ("ssl.keystore.location", "/k"),
            ("ssl.keystore.type", "BCFKS"),
        ],
        "ssl.keystore.type",
        "PEM, PKCS12, JKS",
    );
    no_effect(
        &[("ssl.truststore.password", "s3cret")],
        "consumer.override.ssl.truststore.password",
    );
}

#[test]
fn java_stores_are_read_and_a_client_takes_what_was_in_them() {
    let fixture = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/kafka/fixtures");
        format!("{folder}/{name}")
    };
    let (key, trusts) = (fixture("key.jks"), ["trust.jks", "trust.p12"].map(fixture));
    for trust in &trusts {
        let settings = [
            ("security.protocol", "SSL"),
            ("ssl.truststore.location", trust.as_str()),
            ("ssl.truststore.password", "s3cret"),
            ("ssl.keystore.location", key.as_str()),
            ("ssl.keystore.password", "s3cret"),
            ("ssl.key.password", "k3ypass"),
        ];
        let translation = connector(&settings);
        assert_eq!(problems(&translation), Vec::<String>::new());
        assert!(translation.without_effect.is_empty());
        let mut client = rdkafka::ClientConfig::new();
        for (name, value) in &translation.properties {
            client.set(name, value);
        }
        let consumer: Result<rdkafka::consumer::BaseConsumer, _> = client.create();
        assert!(consumer.is_ok(), "{:?}", consumer.err());
    }
    let wrong = |password: &'static str| {
        [
            ("ssl.truststore.location", trusts[0].as_str()),
            ("ssl.truststore.password", password),
        ]
    };
    refused(
        &wrong("s3cretx"),
        "ssl.truststore.location",
        "password is wrong",
    );
    let no_key = [
        ("ssl.keystore.location", trusts[0].as_str()),
        ("ssl.keystore.password", "s3cret"),
    ];
    refused(&no_key, "ssl.keystore.location", "no private key");
}

#[test]
fn inline_pem_is_taken_over() {
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
    becomes(
        &[("ssl.truststore.certificates", pem)],
        &[("ssl.ca.pem", pem)],
    );
    becomes(
        &[
            ("ssl.keystore.key", pem),
            ("ssl.keystore.certificate.chain", pem),
        ],
        &[("ssl.key.pem", pem), ("ssl.certificate.pem", pem)],
    );
}

#[test]
fn bad_values_get_kafkas_words_or_librdkafkas() {
    refused(
        &[("fetch.min.bytes", "dog")],
        "fetch.min.bytes",
        "Invalid value dog for configuration consumer.override.fetch.min.bytes: Not a number of type INT",
    );
    refused(
        &[("fetch.min.bytes", "0")],
        "fetch.min.bytes",
        "outside allowed range 1..100000000",
    );
    refused(&[("check.crcs", "x")], "check.crcs", "either true or false");
    refused(
        &[("isolation.level", "x")],
        "isolation.level",
        "read_uncommitted, read_committed",
    );
    refused(
        &[("enable.auto.commit", "true")],
        "enable.auto.commit",
        "must be false",
    );
    refused(
        &[("auto.offset.reset", "none")],
        "auto.offset.reset",
        "earliest, latest",
    );
    refused(
        &[(
            "partition.assignment.strategy",
            "org.apache.kafka.clients.consumer.RangeAssignor",
        )],
        "partition.assignment.strategy",
        "CooperativeSticky",
    );
    refused(
        &[("interceptor.classes", "x.Y")],
        "interceptor.classes",
        "Java classes",
    );
    refused(
        &[("fetch.mni.bytes", "1")],
        "fetch.mni.bytes",
        "did you mean fetch.min.bytes?",
    );
    refused(&[("linger.ms", "1")], "linger.ms", "unknown client setting");
    for dangerous in [
        "plugin.library.paths",
        "ssl.engine.location",
        "rebalance_cb",
        "test.mock.num.brokers",
    ] {
        refused(&[(dangerous, "x")], dangerous, "unknown client setting");
    }
    refused(
        &[("sasl.kerberos.kinit.cmd", "rm -rf")],
        "sasl.kerberos.kinit.cmd",
        "Kerberos",
    );
}

#[test]
fn what_has_no_effect_is_named() {
    no_effect(
        &[("max.poll.records", "500")],
        "consumer.override.max.poll.records",
    );
    no_effect(
        &[("ssl.protocol", "TLSv1.3")],
        "consumer.override.ssl.protocol",
    );
    no_effect(
        &[("auto.commit.interval.ms", "5")],
        "consumer.override.auto.commit.interval.ms",
    );
    let translation = connector(&[("interceptor.classes", "")]);
    assert!(translation.problems.is_empty() && translation.without_effect.is_empty());
}

#[test]
fn the_new_group_protocol_goes_without_what_it_refuses() {
    let translation = connector(&[
        ("group.protocol", "CONSUMER"),
        ("session.timeout.ms", "10000"),
    ]);
    assert_eq!(translation.property("group.protocol"), Some("consumer"));
    assert_eq!(translation.property("session.timeout.ms"), None);
    assert_eq!(translation.without_effect.len(), 1);
}

#[test]
fn later_layers_win() {
    let worker = worker(&[
        "bootstrap.servers=broker:1",
        "security.protocol=SASL_PLAINTEXT",
        "sasl.mechanism=PLAIN",
        "sasl.username=worker",
        "sasl.password=w",
        "consumer.fetch.max.wait.ms=50",
        "consumer.session.timeout.ms=8000",
        "producer.linger.ms=7",
        "consumer.auto.offset.reset=latest",
        "admin.client.id=adm",
    ]);
    let login = "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"own\" password=\"o\";";
    let own = settings(&[
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.jaas.config", login),
        ("fetch.wait.max.ms", "10"),
        ("auto.offset.reset", "earliest"),
    ]);
    let translation = consumer(&worker, "orders", &own);
    assert_eq!(problems(&translation), Vec::<String>::new());
    assert_eq!(translation.start, Some(StartPosition::Earliest));
    let expected = [
        ("bootstrap.servers", "broker:1"),
        ("fetch.wait.max.ms", "10"),
        ("group.id", "connect-orders"),
        ("sasl.mechanisms", "SCRAM-SHA-256"),
        ("sasl.password", "o"),
        ("sasl.username", "own"),
        ("security.protocol", "sasl_plaintext"),
        ("session.timeout.ms", "8000"),
    ];
    assert_eq!(translation.properties, settings(&expected));

    let producer = producer(&worker, &settings(&[("buffer.memory", "33554432")])).into_result();
    let common = [
        ("bootstrap.servers", "broker:1"),
        ("sasl.mechanisms", "PLAIN"),
        ("sasl.password", "w"),
        ("sasl.username", "worker"),
        ("security.protocol", "sasl_plaintext"),
    ];
    let mut expected = settings(&common);
    expected.extend(settings(&[
        ("linger.ms", "7"),
        ("queue.buffering.max.kbytes", "32768"),
    ]));
    assert_eq!(producer.map(BTreeMap::from_iter), Ok(expected));
    let mut expected = settings(&common);
    expected.extend(settings(&[("client.id", "adm")]));
    assert_eq!(
        admin_properties(&worker).map(BTreeMap::from_iter),
        Ok(expected)
    );
}

#[test]
fn a_client_can_be_made_of_what_comes_out() {
    let worker = worker(&["consumer.session.timeout.ms=10000"]);
    let translation = consumer(
        &worker,
        "orders",
        &settings(&[("fetch.max.bytes", "1000000")]),
    );
    let config: ClientConfig = translation.into_result().unwrap().into_iter().collect();
    let consumer: Result<rdkafka::consumer::BaseConsumer, _> = config.create();
    assert!(consumer.is_ok(), "{:?}", consumer.err());
}

#[test]
fn logins_by_token_are_put_together() {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
    let handler =
        "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler";
    let expected = r#"{"url":"https://id/token","client_id":"shop","client_secret":"s3cret","scope":"a b","connect_timeout_ms":700,"read_timeout_ms":5000}"#;
    let common = [
        ("sasl.mechanism", "OAUTHBEARER"),
        ("sasl.login.callback.handler.class", handler),
        ("sasl.oauthbearer.token.endpoint.url", "https://id/token"),
        ("sasl.login.connect.timeout.ms", "700"),
    ];
    let jaas = format!("{module} clientId=\"shop\" clientSecret=\"s3cret\" scope=\"a b\";");
    let in_module = [&common[..], &[("sasl.jaas.config", &*jaas)]].concat();
    let apart = [
        ("sasl.oauthbearer.client.credentials.client.id", "shop"),
        (
            "sasl.oauthbearer.client.credentials.client.secret",
            "s3cret",
        ),
        ("sasl.oauthbearer.scope", "a b"),
    ];
    for given in [in_module, [&common[..], &apart[..]].concat()] {
        becomes(
            &given,
            &[
                ("sasl.mechanisms", "OAUTHBEARER"),
                ("sasl.oauthbearer.config", expected),
            ],
        );
    }
}
