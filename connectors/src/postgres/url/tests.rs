use secrecy::ExposeSecret;

use super::*;

fn parsed(text: &str) -> ConnectionUrl {
    parse(text).expect(text)
}

fn hosts(url: &ConnectionUrl) -> Vec<(&str, u16)> {
    let hosts = url.hosts.iter();
    hosts.map(|host| (host.name.as_str(), host.port)).collect()
}

#[test]
fn addresses_and_databases() {
    let check = |text: &str, expected: &[(&str, u16)], database: Option<&str>| {
        let url = parsed(text);
        assert_eq!(hosts(&url), expected, "{text}");
        assert_eq!(url.database.as_deref(), database, "{text}");
    };
    check("jdbc:postgresql://db/app", &[("db", 5432)], Some("app"));
    check("JDBC:PostgreSQL://db/app", &[("db", 5432)], Some("app"));
    check(
        "jdbc:postgresql://db:6432/app",
        &[("db", 6432)],
        Some("app"),
    );
    check("jdbc:postgresql:app", &[("localhost", 5432)], Some("app"));
    check("jdbc:postgresql:/", &[("localhost", 5432)], None);
    check("jdbc:postgresql:///", &[("localhost", 5432)], None);
    check("jdbc:postgresql://db/", &[("db", 5432)], None);
    check("postgres://db", &[("db", 5432)], None);
    check(
        "jdbc:postgresql://a:1,b,[::1]:3,[fe80::2]/my%20db",
        &[("a", 1), ("b", 5432), ("::1", 3), ("fe80::2", 5432)],
        Some("my db"),
    );
    check(
        "postgresql:///app?host=/var/run/postgresql&port=5433",
        &[("/var/run/postgresql", 5433)],
        Some("app"),
    );
    check(
        "postgresql://?host=a,b&port=1,2&dbname=app",
        &[("a", 1), ("b", 2)],
        Some("app"),
    );
    check(
        "postgresql://%2Frun%2Fpg/app",
        &[("/run/pg", 5432)],
        Some("app"),
    );
}

#[test]
fn logins() {
    let check = |text: &str, user: Option<&str>, password: Option<&str>| {
        let url = parsed(text);
        assert_eq!(url.user.as_deref(), user, "{text}");
        let found = url.password.as_ref().map(ExposeSecret::expose_secret);
        assert_eq!(found, password, "{text}");
    };
    check("jdbc:postgresql://db/app", None, None);
    check(
        "jdbc:postgresql://db/app?user=u&password=p%26q",
        Some("u"),
        Some("p&q"),
    );
    check(
        "jdbc:postgresql://db/app?user=u&password=a+b",
        Some("u"),
        Some("a b"),
    );
    check(
        "postgresql://db/app?user=u&password=a+b",
        Some("u"),
        Some("a+b"),
    );
    check("postgresql://u:p%40w@db/app", Some("u"), Some("p@w"));
    check("postgresql://u:p@w@db/app", Some("u"), Some("p@w"));
    check("postgresql://u@db/app?password=p=q", Some("u"), Some("p=q"));
}

#[test]
fn tls() {
    let check = |query: &str, mode: TlsMode| {
        let url = parsed(&format!("jdbc:postgresql://db/app?{query}"));
        assert_eq!(url.tls.mode, mode, "{query}");
    };
    check("", TlsMode::Prefer);
    check("sslmode=disable", TlsMode::Disable);
    check("sslmode=allow", TlsMode::Prefer);
    check("sslmode=require", TlsMode::Require);
    check("sslmode=require&sslrootcert=/etc/ca.pem", TlsMode::VerifyCa);
    check("sslmode=verify-ca", TlsMode::VerifyCa);
    check("sslmode=verify-full", TlsMode::VerifyFull);
    check("ssl=true", TlsMode::VerifyFull);
    check("ssl", TlsMode::VerifyFull);
    check("ssl=true&sslmode=require", TlsMode::Require);
    check("sslmode=require&ssl=true", TlsMode::Require);
    check("ssl=false", TlsMode::Prefer);
    check(
        "ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory",
        TlsMode::Require,
    );
}

#[test]
fn other_parameters() {
    let url = parsed(
        "jdbc:postgresql://a,b/app?currentSchema=sales,%22Old%20Stuff%22, public&ApplicationName=x\
         &connectTimeout=7&socketTimeout=9&targetServerType=primary&loadBalanceHosts=true&options=-c%20a=b\
         &reWriteBatchedInserts=true&tcpKeepAlive=true&channelBinding=require&readOnly=false",
    );
    assert_eq!(url.search_path, ["sales", "Old Stuff", "public"]);
    assert_eq!(url.application_name.as_deref(), Some("x"));
    assert_eq!(url.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(url.socket_timeout, Some(Duration::from_secs(9)));
    assert!(url.balances_hosts);
    assert_eq!(url.server_options.as_deref(), Some("-c a=b"));
    assert_eq!(url.channel_binding, ChannelBinding::Require);
    assert_eq!(url.passed_over, ["reWriteBatchedInserts", "tcpKeepAlive"]);
    let unlimited = parsed("postgresql://db?connect_timeout=0&socketTimeout=0");
    assert_eq!(unlimited.connect_timeout, None);
    assert_eq!(unlimited.socket_timeout, None);
}

#[test]
fn what_is_not_understood_is_named_without_its_value() {
    let check = |text: &str, expected: &str| {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("s3cret"), "{text}: {error}");
    };
    check("jdbc:mysql://db/app?password=s3cret", "does not start with");
    check("", "does not start with");
    check("jdbc:postgresql://db:s3cret/app", "not host or host:port");
    check("jdbc:postgresql://:1/app", "not host or host:port");
    check("jdbc:postgresql://[::1/app", "not host or host:port");
    check("jdbc:postgresql://[::1]x/app", "not host or host:port");
    check("jdbc:postgresql://db/app?password=s3cret%2", "percent");
    check("jdbc:postgresql://db/app?password=%ff", "percent");
    check("jdbc:postgresql://db/app?pasword=s3cret", "\"pasword\"");
    check("jdbc:postgresql://db/app?sslmode=s3cret", "verify-full");
    check("jdbc:postgresql://db/app?connectTimeout=s3cret", "seconds");
    check("jdbc:postgresql://db/app?connectTimeout=-1", "seconds");
    check(
        "jdbc:postgresql://db/app?targetServerType=secondary",
        "primary",
    );
    check("jdbc:postgresql://db/app?readOnly=true", "must write");
    check("jdbc:postgresql://db/app?sslpassword=s3cret", "key file");
    check(
        "jdbc:postgresql://db/app?sslfactory=com.acme.Factory",
        "\"sslfactory\"",
    );
    check("jdbc:postgresql://db/app?gssEncMode=require", "sslmode");
    check("postgresql://?host=a,b&port=1,2,3", "one port");
    check("postgresql://?host=a,,b", "host names");
}

proptest::proptest! {
    #[test]
    fn no_input_panics(text in "(jdbc:)?postgresql:.{0,60}") {
        if let Err(error) = parse(&text) {
            proptest::prop_assert!(!error.to_string().is_empty());
        }
    }
}
