//! Goal: every door that settings come in by, with good and bad input, and which door wins.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::config::converter::{BUILT_IN, JsonOptions, Primitive};

fn from_overrides(overrides: &[&str]) -> Result<Loaded, SettingsError> {
    WorkerSettings::load(&SettingsSources::overriding(overrides))
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Loaded, SettingsError> {
    WorkerSettings::load(&SettingsSources {
        environment: variables
            .iter()
            .map(|(variable, value)| ((*variable).to_owned(), (*value).to_owned()))
            .collect(),
        ..SettingsSources::default()
    })
}

fn from_file(name: &str, content: &[u8]) -> Result<Loaded, SettingsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    WorkerSettings::load(&SettingsSources {
        file: Some(path),
        ..SettingsSources::default()
    })
}

fn settings(overrides: &[&str]) -> WorkerSettings {
    from_overrides(overrides).unwrap().settings
}

fn problems(result: Result<Loaded, SettingsError>) -> Vec<String> {
    match result {
        Ok(_) => Vec::new(),
        Err(SettingsError::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(other) => vec![other.to_string()],
    }
}

fn listener(host: &str, port: u16) -> Listener {
    Listener {
        host: host.to_owned(),
        port,
        tls: false,
    }
}

#[test]
fn without_sources_the_documented_defaults_stand() {
    let loaded = from_overrides(&[]).unwrap();
    assert!(loaded.warnings.is_empty());
    assert_eq!(loaded.settings, WorkerSettings::default());
    let envelope = Converter::Json(JsonOptions {
        schemas_enable: true,
        schemas_cache_size: 1000,
        default_for_null: true,
    });
    let expected = WorkerSettings {
        bootstrap_servers: "localhost:9092".to_owned(),
        group_id: None,
        override_policy: OverridePolicy::All,
        cluster: ClusterSettings {
            config_topic: None,
            config_replication: 3,
            status_topic: None,
            status_partitions: 5,
            status_replication: 3,
            session_timeout: Duration::from_secs(6),
            heartbeat_interval: Duration::from_secs(1),
        },
        listeners: vec![listener("127.0.0.1", 9398)],
        client_auth: ClientAuth::None,
        admin_listeners: AdminListeners::Same,
        allowed_origins: Vec::new(),
        allowed_methods: Vec::new(),
        response_headers: Vec::new(),
        advertised_host: None,
        advertised_port: None,
        advertised_listener: 0,
        fetch_memory_bytes: 512 * 1024 * 1024,
        topic_tracking: true,
        topic_tracking_reset: true,
        request_body_max_bytes: 1024 * 1024,
        key_converter: envelope.clone(),
        value_converter: envelope,
        header_converter: HeaderConverter::Simple,
        offset_flush_interval: Duration::from_secs(5),
        shutdown_timeout: Duration::from_secs(5),
        providers: crate::config::providers::ConfigProviders::default(),
        log_format: LogFormat::Auto,
        log_level: "info".to_owned(),
        clients: ClientSettings::default(),
    };
    assert_eq!(loaded.settings, expected);
}

#[test]
fn every_default_passes_its_own_check() {
    for key in keys::ALL {
        if let Some(default) = key.default {
            let given = format!("{}={default}", key.name);
            assert_eq!(problems(from_overrides(&[&given])), Vec::<String>::new());
        }
    }
    // Together: keys of config providers belong to each other.
    let examples: Vec<String> = keys::ALL
        .iter()
        .map(|key| format!("{}={}", key.name, key.example))
        .collect();
    let examples: Vec<&str> = examples.iter().map(String::as_str).collect();
    assert_eq!(problems(from_overrides(&examples)), Vec::<String>::new());
}

#[test]
fn every_key_arrives_in_its_field() {
    let settings = settings(&[
        "bootstrap.servers=a:1,b:2",
        "group.id=g",
        "connector.client.config.override.policy=principal",
        "listeners=http://:9398, http://[::1]:0",
        "rest.advertised.host.name=worker-1",
        "rest.advertised.port=80",
        "rest.request.body.max.bytes=2048",
        "key.converter=org.apache.kafka.connect.storage.StringConverter",
        "value.converter.schemas.enable=FALSE",
        "value.converter.schemas.cache.size=5",
        "offset.flush.interval.ms=100",
        "task.shutdown.graceful.timeout.ms=0",
        "log.format=JSON",
        "log.level=warn,rowdock::write=debug",
        "security.protocol=PLAINTEXT",
        "consumer.fetch.min.bytes=7",
    ]);
    assert_eq!(settings.bootstrap_servers, "a:1,b:2");
    assert_eq!(settings.group_id.as_deref(), Some("g"));
    assert_eq!(settings.override_policy, OverridePolicy::Principal);
    assert_eq!(settings.listeners, [listener("", 9398), listener("::1", 0)]);
    assert_eq!(settings.worker_id(9398), "worker-1:80");
    assert_eq!(settings.request_body_max_bytes, 2048);
    assert_eq!(
        settings.key_converter,
        Converter::Primitive(Primitive::Text)
    );
    let plain = Converter::Json(JsonOptions {
        schemas_enable: false,
        schemas_cache_size: 5,
        default_for_null: true,
    });
    assert_eq!(settings.value_converter, plain);
    assert_eq!(settings.offset_flush_interval, Duration::from_millis(100));
    assert_eq!(settings.shutdown_timeout, Duration::ZERO);
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(settings.log_level, "warn,rowdock::write=debug");
    assert_eq!(
        settings.clients.layer("").settings,
        [("security.protocol", "PLAINTEXT")]
    );
    assert_eq!(
        settings.clients.layer("consumer.").settings,
        [("fetch.min.bytes", "7")]
    );
}

#[test]
fn bad_values_name_key_place_value_and_what_is_allowed() {
    let check = |given: &str, expected: &str| {
        assert_eq!(problems(from_overrides(&[given])), [expected.to_owned()]);
    };
    check(
        "listeners=foo",
        "listeners (--set): \"foo\" is not possible; allowed: http://<host>:<port> or https://<host>:<port>, several separated by commas; no host: all interfaces; port 0: any free one",
    );
    check(
        "rest.advertised.port=0",
        "rest.advertised.port (--set): \"0\" is not possible; allowed: an integer from 1 to 65535",
    );
    check(
        "log.format=xml",
        "log.format (--set): \"xml\" is not possible; allowed: auto, human, json",
    );
    check(
        "key.converter.schemas.enable=1",
        "key.converter.schemas.enable (--set): \"1\" is not possible; allowed: true or false",
    );
    check(
        "value.converter=nope.Converter",
        &format!(
            "value.converter (--set): \"nope.Converter\" is not possible; allowed: {BUILT_IN}, or their full Java class names"
        ),
    );
    check(
        "listners=x",
        "listners (--set): unknown key; did you mean listeners?",
    );
    check(
        "entirely.different=x",
        "entirely.different (--set): unknown key",
    );
    check(
        "consumer.fetch.min.bytes=0",
        "consumer.fetch.min.bytes (--set): \"0\": Configuration property \"fetch.min.bytes\" value 0 is outside allowed range 1..100000000",
    );
    check(
        "consumer.fetch.mni.bytes=1",
        "consumer.fetch.mni.bytes (--set): unknown client setting; did you mean fetch.min.bytes?",
    );
    check("no value", "no (--set): must be given as key=value");
    check("=x", " (--set): must be given as key=value");
}

#[test]
fn more_bad_values_are_refused() {
    for given in [
        "listeners=ftp://h:1",
        "listeners=http://h",
        "listeners=http://h:65536",
        "listeners=http://a:b:1",
        "listeners=http://user@h:1",
        "listeners=http://h:1,",
        "rest.request.body.max.bytes=12",
        "offset.flush.interval.ms=5s",
        "offset.flush.interval.ms=-1",
        "log.level=verbose",
        "log.level=rowdock=loud",
        "log.level=info, A\u{2090}[",
        "header.converter=x",
        "connector.client.config.override.policy=Some",
        "rest.extension.classes=x.BasicAuth",
        "config.providers=file",
        "config.providers.file.class=FileConfigProvider",
        "key.converter=${env:HOME}",
        "consumer.group.id=x",
        "ssl.truststore.location=/x.jks",
        "producer.transactional.id=x",
    ] {
        assert_eq!(problems(from_overrides(&[given])).len(), 1, "{given}");
    }
}

#[test]
fn all_problems_are_reported_together() {
    let problems = problems(from_overrides(&[
        "log.format=x",
        "listners=y",
        "log.level=",
    ]));
    assert_eq!(problems.len(), 2, "{problems:?}");
    let rendered = from_overrides(&["log.format=x", "listners=y"])
        .unwrap_err()
        .to_string();
    assert!(
        rendered.starts_with("settings are wrong:\n  "),
        "{rendered}"
    );
    assert_eq!(rendered.lines().count(), 3, "{rendered}");
}

#[test]
fn an_empty_value_is_the_default() {
    let settings = settings(&["rest.advertised.host.name=", "log.format=", "group.id= "]);
    assert_eq!(settings, WorkerSettings::default());
}

#[test]
fn later_sources_win() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.toml");
    let file =
        "\"group.id\" = \"file\"\n\"log.format\" = \"json\"\n\"bootstrap.servers\" = \"file:1\"\n";
    std::fs::write(&path, file).unwrap();
    let environment = [
        ("CONNECT_GROUP_ID", "env"),
        ("CONNECT_BOOTSTRAP_SERVERS", "env:1"),
        ("GROUP_ID", "x"),
    ];
    let loaded = WorkerSettings::load(&SettingsSources {
        file: Some(path),
        environment: environment
            .map(|(variable, value)| (variable.to_owned(), value.to_owned()))
            .to_vec(),
        overrides: vec!["bootstrap.servers=set:1".to_owned()],
    });
    let settings = loaded.unwrap().settings;
    assert_eq!(settings.log_format, LogFormat::Json);
    assert_eq!(settings.group_id.as_deref(), Some("env"));
    assert_eq!(settings.bootstrap_servers, "set:1");
}

#[test]
fn toml_files_are_read_and_their_problems_placed() {
    let toml = "# worker\nlisteners = [\"http://:1\"]\n[key.converter.schemas]\nenable = false\n\
                [offset]\nflush.interval.ms = 250\n[consumer]\n\"session.timeout.ms\" = 9000\n";
    let settings = from_file("w.toml", toml.as_bytes()).unwrap().settings;
    assert_eq!(settings.listeners, [listener("", 1)]);
    assert_eq!(settings.offset_flush_interval, Duration::from_millis(250));
    assert_eq!(
        settings.clients.layer("consumer.").settings,
        [("session.timeout.ms", "9000")]
    );
    let check = |content: &[u8], parts: &[&str]| {
        let problems = problems(from_file("w.toml", content));
        assert_eq!(problems.len(), 1, "{problems:?}");
        for part in parts {
            assert!(
                problems[0].contains(part),
                "{problems:?} should contain {part}"
            );
        }
        assert!(!problems[0].contains("s3cret"), "{problems:?}");
    };
    check(
        b"\n[log]\nformat = \"xml\"\n",
        &["log.format (", "w.toml, line 3)", "auto, human, json"],
    );
    check(b"a.b = true\n", &["a.b (", "w.toml, line 1): unknown key"]);
    check(
        b"sasl.password = s3cret\n",
        &["settings file", "w.toml", "line 1"],
    );
    check(b"a = \"\xff\"", &["not UTF-8"]);
    check(&vec![b'#'; 1024 * 1024 + 1], &["larger than 1048576 bytes"]);
    check(
        b"security.protocol = \"SASL_SSL\"",
        &["line 1", "needs sasl.mechanism"],
    );
}

#[test]
fn connects_own_files_are_accepted_with_warnings() {
    let distributed = "bootstrap.servers=localhost:9092\ngroup.id=connect-cluster\n\
        key.converter=org.apache.kafka.connect.json.JsonConverter\n\
        value.converter=org.apache.kafka.connect.json.JsonConverter\n\
        key.converter.schemas.enable=true\nvalue.converter.schemas.enable=true\n\
        offset.storage.topic=connect-offsets\noffset.storage.replication.factor=1\n\
        config.storage.topic=connect-configs\nconfig.storage.replication.factor=1\n\
        status.storage.topic=connect-status\nstatus.storage.replication.factor=1\n\
        offset.flush.interval.ms=10000\nplugin.path=/usr/share/java\n";
    let loaded = from_file("connect-distributed.properties", distributed.as_bytes()).unwrap();
    assert_eq!(
        loaded.settings.offset_flush_interval,
        Duration::from_secs(10)
    );
    assert_eq!(
        loaded.settings.cluster.config_topic.as_deref(),
        Some("connect-configs")
    );
    assert_eq!(loaded.warnings.len(), 3, "{:?}", loaded.warnings);
    assert!(
        loaded
            .warnings
            .iter()
            .all(|warning| warning.contains("has no effect"))
    );
    let standalone = "bootstrap.servers=localhost:9092\noffset.storage.file.filename=/tmp/connect.offsets\n\
        key.converter=org.apache.kafka.connect.json.JsonConverter\n";
    let loaded = from_file("connect-standalone.properties", standalone.as_bytes()).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    let check = |content: &str, part: &str| {
        let problems = problems(from_file("w.properties", content.as_bytes()));
        assert!(
            problems.len() == 1 && problems[0].contains(part),
            "{problems:?}"
        );
    };
    check("a=1\n", "w.properties, line 1): unknown key");
    check("\n\nlog.format=\\u12\n", "malformed properties at line 3");
    check(
        "log.format=\\\n   xml\n",
        "line 1): \"xml\" is not possible",
    );
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let check = |result: Result<Loaded, SettingsError>, part: &str| {
        let message = result.unwrap_err().to_string();
        assert!(
            message.starts_with("settings file ") && message.contains(part),
            "{message}"
        );
    };
    check(from_file("w.yaml", b""), "must end in .toml or .properties");
    let missing = SettingsSources {
        file: Some(Path::new("no/such.toml").to_owned()),
        ..SettingsSources::default()
    };
    check(
        WorkerSettings::load(&missing),
        "no/such.toml: cannot be read",
    );
}

#[test]
fn the_environment_is_read_and_its_problems_placed() {
    let variables = [
        ("CONNECT_REST_ADVERTISED_HOST_NAME", "w"),
        ("CONNECT_CONSUMER_SESSION_TIMEOUT_MS", "9000"),
        ("CONNECTION", "x"),
        ("PATH", "/bin"),
    ];
    let settings = from_environment(&variables).unwrap().settings;
    assert_eq!(settings.advertised_host.as_deref(), Some("w"));
    assert_eq!(
        settings.clients.layer("consumer.").settings,
        [("session.timeout.ms", "9000")]
    );
    assert_eq!(
        problems(from_environment(&[("CONNECT_LISTNERS", "x")])),
        ["listners (environment variable CONNECT_LISTNERS): unknown key; did you mean listeners?"]
    );
    assert_eq!(
        problems(from_environment(&[("CONNECT_LOG_FORMAT", "xml")])),
        [
            "log.format (environment variable CONNECT_LOG_FORMAT): \"xml\" is not possible; allowed: auto, human, json"
        ]
    );
}

#[test]
fn variables_of_containers_are_no_mistakes() {
    let variables = [
        ("CONNECT_LOG4J_ROOT_LOGLEVEL", "INFO"),
        ("CONNECT_SERVICE_HOST", "10.0.0.1"),
        ("CONNECT_PORT_9398_TCP_ADDR", "10.0.0.1"),
        ("CONNECT_PLUGIN_PATH", "/usr/share/java"),
        ("CONNECT_API_SERVICE_HOST", "10.0.0.1"),
        ("CONNECT_API_SERVICE_PORT", "8083"),
        ("CONNECT_CONSUMER_SERVICE_PORT_HTTP", "8083"),
        ("CONNECT_API_PORT", "tcp://10.0.0.1:8083"),
        ("CONNECT_API_PORT_8083_TCP", "tcp://10.0.0.1:8083"),
        ("CONNECT_API_PORT_8083_TCP_ADDR", "10.0.0.1"),
        ("CONNECT_API_PORT_53_UDP_PROTO", "udp"),
    ];
    let loaded = from_environment(&variables).unwrap();
    assert_eq!(loaded.warnings.len(), 11, "{:?}", loaded.warnings);
    let wrong = [("CONNECT_API_PORT", "8083"), ("CONNECT_API_PORT_X", "1")];
    assert_eq!(problems(from_environment(&wrong)).len(), 2);
    let given = ["api.service.host=10.0.0.1"];
    assert_eq!(problems(from_overrides(&given)).len(), 1, "only there");
    assert_eq!(
        problems(from_overrides(&["log4j.root.loglevel=x"])).len(),
        1,
        "only there"
    );
}

/// As the images of Kafka Connect and its distributed properties give them.
#[test]
fn names_of_java_classes_and_keys_of_plugins_are_understood() {
    let policy =
        "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy";
    let given = [
        format!("connector.client.config.override.policy={policy}"),
        "header.converter=org.apache.kafka.connect.converters.ByteArrayConverter".to_owned(),
        "value.converter.normalize.schemas=true".to_owned(),
        "confluent.license=".to_owned(),
        "producer.interceptor.classes=io.confluent.monitoring.X".to_owned(),
        "producer.confluent.monitoring.interceptor.bootstrap.servers=b:9092".to_owned(),
    ];
    let given: Vec<&str> = given.iter().map(String::as_str).collect();
    let loaded = from_overrides(&given).unwrap();
    assert_eq!(loaded.settings.override_policy, OverridePolicy::Principal);
    let header = loaded.settings.header_converter;
    assert_eq!(header, HeaderConverter::Primitive(Primitive::Bytes));
    assert_eq!(loaded.warnings.len(), 4, "{:?}", loaded.warnings);
    let mistyped = ["value.converter.schemas.enabel=true"];
    assert_eq!(problems(from_overrides(&mistyped)).len(), 1);
    let avro = ["header.converter=AvroConverter"];
    assert_eq!(problems(from_overrides(&avro)).len(), 1);
}

#[test]
fn secrets_are_shown_nowhere() {
    let login = "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"s3cret\";";
    let loaded = from_overrides(&[login, "consumer.ssl.key.password=s3cret"]).unwrap();
    assert!(!format!("{loaded:?}").contains("s3cret"), "{loaded:?}");
    for given in [
        "sasl.jaas.config=s3cret",
        "consumer.sasl.pasword=s3cret",
        "sasl.password:s3cret",
        "ssl.keystore.password s3cret",
    ] {
        let problems = problems(from_overrides(&[given]));
        assert_eq!(problems.len(), 1, "{given}: {problems:?}");
        assert!(!problems[0].contains("s3cret"), "{problems:?}");
    }
}

#[test]
fn a_worker_is_known_by_its_advertised_address_or_its_listener() {
    let check = |overrides: &[&str], expected: &str| {
        assert_eq!(
            settings(overrides).worker_id(1234),
            expected,
            "{overrides:?}"
        );
    };
    check(&[], "127.0.0.1:1234");
    check(&["listeners=http://w:0"], "w:1234");
    check(&["listeners=http://[::1]:0"], "[::1]:1234");
    check(
        &["rest.advertised.host.name=x", "rest.advertised.port=1"],
        "x:1",
    );
    let both = "listeners=http://plain:0,https://safe:0";
    check(&[both], "plain:1234");
    check(&[both, "rest.advertised.listener=https"], "safe:1234");
    check(&[both, "rest.advertised.listener=HTTP"], "plain:1234");
    assert_eq!(
        problems(from_overrides(&["rest.advertised.listener=https"])),
        ["rest.advertised.listener (--set): listeners has none of this scheme"]
    );
    let of_machine = settings(&["listeners=http://:9398"]).worker_id(9398);
    assert!(
        of_machine.ends_with(":9398") && !of_machine.starts_with(':'),
        "{of_machine}"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}", content in prop::collection::vec(any::<u8>(), 0..200)) {
        let results = [
            from_overrides(&[&text]),
            from_environment(&[("CONNECT_LISTENERS", &text), ("CONNECT_LOG_LEVEL", &text)]),
            from_file("w.toml", &content),
            from_file("w.properties", &content),
        ];
        for result in results {
            match result {
                Ok(loaded) => prop_assert!(!loaded.settings.listeners.is_empty()),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}

#[test]
fn extra_headers_and_admin_listeners() {
    let header = |adds: bool, name: &str, value: &str| ResponseHeader {
        adds,
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let of = |setting: &str| from_overrides(&[setting]).map(|loaded| loaded.settings);
    let headers = |text: &str| {
        let settings = of(&format!("response.http.headers.config={text}"));
        settings.ok().map(|settings| settings.response_headers)
    };
    assert_eq!(
        headers("set X-A: b, \"add Cache-Control: no-cache, no-store\""),
        Some(vec![
            header(false, "X-A", "b"),
            header(true, "Cache-Control", "no-cache, no-store"),
        ])
    );
    for wrong in [
        "X-A: b",
        "setDate Expires: 1",
        "set X A: b",
        "set X-A",
        "\"set X-A: b",
    ] {
        assert_eq!(headers(wrong), None, "{wrong}");
    }
    let admin = |text: &str| {
        of(&format!("admin.listeners={text}"))
            .unwrap()
            .admin_listeners
    };
    assert_eq!(admin(""), AdminListeners::Off);
    assert_eq!(
        admin("http://127.0.0.1:1"),
        AdminListeners::Separate(vec![listener("127.0.0.1", 1)])
    );
}

#[test]
fn settings_come_from_config_providers_and_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("s.properties");
    std::fs::write(&secrets, "password=s3cret\nport=s3cret:x\n").unwrap();
    let secrets = secrets.display();
    let load = |overrides: &[&str]| {
        let provider = [
            "config.providers=file",
            "config.providers.file.class=FileConfigProvider",
        ];
        from_overrides(&[&provider[..], overrides].concat())
    };
    let loaded = load(&[
        &format!("sasl.password=${{file:{secrets}:password}}"),
        "security.protocol=SASL_PLAINTEXT",
        "sasl.mechanism=PLAIN",
    ])
    .unwrap();
    let layer = loaded.settings.clients.layer("");
    assert!(layer.settings.contains(&("sasl.password", "s3cret")));
    assert!(!format!("{:?}", loaded.settings).contains("s3cret"));
    for (given, part) in [
        (
            format!("listeners=${{file:{secrets}:port}}"),
            "listeners (--set): \"${file:",
        ),
        (
            format!("fetch.min.bytes=${{file:{secrets}:port}}"),
            "unknown key",
        ),
        (
            format!("request.timeout.ms=${{file:{secrets}:port}}"),
            "\"${file:",
        ),
        (
            format!("listeners=${{file:{secrets}:none}}"),
            "has no key none",
        ),
    ] {
        let problems = problems(load(&[&given]));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(part), "{problems:?}");
        assert!(!problems[0].contains("s3cret"), "{problems:?}");
    }
}
