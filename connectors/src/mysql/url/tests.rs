use secrecy::ExposeSecret;

use super::*;

fn hosts(url: &ConnectionUrl) -> Vec<(&str, u16)> {
    let hosts = url.hosts.iter();
    hosts.map(|host| (host.name.as_str(), host.port)).collect()
}

#[test]
fn locations() {
    let check = |text: &str, expected: &[(&str, u16)], database: Option<&str>| {
        let url = parse(text).expect(text);
        assert_eq!(hosts(&url), expected, "{text}");
        assert_eq!(url.database.as_deref(), database, "{text}");
    };
    check("jdbc:mysql://db/shop", &[("db", 3306)], Some("shop"));
    check("jdbc:mysql://db:3307", &[("db", 3307)], None);
    check("jdbc:mysql:///shop", &[("localhost", 3306)], Some("shop"));
    check("mysql://db/", &[("db", 3306)], None);
    check(
        "JDBC:MariaDB://a,b:1/x%20y",
        &[("a", 3306), ("b", 1)],
        Some("x y"),
    );
    check("mariadb://[::1]:33/x", &[("::1", 33)], Some("x"));
    check(
        "jdbc:mariadb:sequential://a,b/x",
        &[("a", 3306), ("b", 3306)],
        Some("x"),
    );
    check(
        "jdbc:mysql:loadbalance://a,b/x",
        &[("a", 3306), ("b", 3306)],
        Some("x"),
    );
}

#[test]
fn logins() {
    let check = |text: &str, user: Option<&str>, password: Option<&str>| {
        let url = parse(text).expect(text);
        assert_eq!(url.user.as_deref(), user, "{text}");
        let found = url
            .password
            .as_ref()
            .map(|password| password.expose_secret());
        assert_eq!(found, password, "{text}");
    };
    check("mysql://me:a%40b+c@db/x", Some("me"), Some("a@b+c"));
    check(
        "jdbc:mysql://db/x?user=me&password=a+b",
        Some("me"),
        Some("a b"),
    );
    check("mysql://me@db", Some("me"), None);
    check("mysql://db", None, None);
}

#[test]
fn parameters() {
    let tls = |text: &str| parse(&format!("jdbc:mysql://db/x?{text}")).expect(text).tls;
    assert_eq!(tls("").mode, TlsMode::Preferred);
    assert_eq!(tls("sslMode=VERIFY_IDENTITY").mode, TlsMode::VerifyIdentity);
    assert_eq!(tls("sslMode=verify-full").mode, TlsMode::VerifyIdentity);
    assert_eq!(tls("sslMode=trust").mode, TlsMode::Required);
    assert_eq!(tls("ssl-mode=disabled").mode, TlsMode::Disabled);
    assert_eq!(tls("useSSL=false").mode, TlsMode::Disabled);
    assert_eq!(tls("useSSL=true").mode, TlsMode::Required);
    assert_eq!(
        tls("useSSL=true&verifyServerCertificate=true").mode,
        TlsMode::VerifyCa
    );
    let files = tls("ssl-ca=/ca.pem&ssl-cert=/c.pem&ssl-key=/k.pem&sslMode=VERIFY_CA");
    assert_eq!(files.root_certificates, Some(PathBuf::from("/ca.pem")));
    assert_eq!(files.client_certificate, Some(PathBuf::from("/c.pem")));
    assert_eq!(files.client_key, Some(PathBuf::from("/k.pem")));
    let url = parse(
        "jdbc:mysql://db/x?connectTimeout=1500&socketTimeout=0&localSocket=/s&\
         rewriteBatchedStatements=true&allowPublicKeyRetrieval=true",
    )
    .expect("usual");
    assert_eq!(url.connect_timeout, Some(Duration::from_millis(1500)));
    assert_eq!(url.socket_timeout, None);
    assert_eq!(url.socket, Some(PathBuf::from("/s")));
    assert_eq!(url.passed_over, ["rewriteBatchedStatements"]);
    assert!(
        parse("jdbc:mysql:loadbalance://a,b/x")
            .expect("balanced")
            .balances_hosts
    );
}

#[test]
fn what_is_not_understood_is_named_without_its_value() {
    let check = |text: &str, expected: &str| {
        let message = parse(text).expect_err(text).to_string();
        assert!(message.contains(expected), "{text}: {message}");
        assert!(!message.contains("s3cret"), "{message}");
    };
    check("jdbc:postgresql://db/x", "jdbc:mysql:");
    check("jdbc:mysql:db", "jdbc:mysql:");
    check("s3cret", "jdbc:mysql:");
    check("mysql://db:s3cret/x", "host:port");
    check("mysql://address=(host=db)(port=1)/x", "host:port");
    check("mysql://me:s3cret%4@db/x", "hexadecimal");
    check(
        "jdbc:mysql://db/x?sslMode=s3cret",
        "\"sslMode\" must be one of",
    );
    check("jdbc:mysql://db/x?connectTimeout=s3cret", "milliseconds");
    check("jdbc:mysql://db/x?useSSL=s3cret", "true or false");
    check("jdbc:mysql://db/x?nonsense=s3cret", "\"nonsense\"");
    check(
        "jdbc:mysql://db/x?sessionVariables=s3cret",
        "sets its sessions up",
    );
    check(
        "jdbc:mysql://db/x?trustCertificateKeyStoreUrl=s3cret",
        "PEM",
    );
    check(
        "jdbc:mysql://db/x?allowPublicKeyRetrieval=false",
        "sslMode=REQUIRED",
    );
    check("jdbc:mysql:replication://a,b/x", "replication");
}
