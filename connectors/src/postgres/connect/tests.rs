use secrecy::SecretString;
use tokio_postgres::config::Host;

use super::*;
use crate::error::ErrorClass;

#[test]
fn settings_override_the_url() {
    let mut options =
        SinkOptions::fixture("jdbc:postgresql://a,b:7/app?user=u&password=p&connectTimeout=3");
    options.user = Some("me".to_owned());
    options.password = Some(SecretString::from("mine"));
    let connector = Connector::new(&options).expect("fits");
    let config = &connector.config;
    assert_eq!(config.get_user(), Some("me"));
    assert_eq!(config.get_password(), Some(b"mine".as_slice()));
    assert_eq!(config.get_ports(), [5432, 7]);
    let hosts = [Host::Tcp("a".to_owned()), Host::Tcp("b".to_owned())];
    assert_eq!(config.get_hosts(), hosts);
    assert_eq!(config.get_application_name(), Some("rowdock/orders-0"));
    assert_eq!(config.get_ssl_mode(), SslMode::Prefer);
    assert_eq!(
        config.get_target_session_attrs(),
        TargetSessionAttrs::ReadWrite
    );
    assert_eq!(connector.connect_deadline, Duration::from_secs(6));
}

#[test]
fn what_cannot_work_stops() {
    let check = |url: &str, expected: &str| {
        let Err(error) = Connector::new(&SinkOptions::fixture(url)) else {
            panic!("{url} is refused");
        };
        assert_eq!(error.class(), ErrorClass::Stop, "{url}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    check("jdbc:oracle:thin:@db", "jdbc:postgresql:");
    check("jdbc:postgresql://db/app?password=s3cret&x=y", "\"x\"");
    check(
        "jdbc:postgresql://db/app?sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
        "sslrootcert",
    );
}

#[test]
fn versions() {
    for (text, expected) in [
        ("15.18 (Debian 15.18-0+deb12u1)", 15),
        ("12.0", 12),
        ("18beta1", 18),
        ("9.6.24", 9),
        ("", 0),
        ("devel", 0),
    ] {
        assert_eq!(major_version(text), expected, "{text}");
    }
}

#[test]
fn sessions_set_their_time_outs() {
    let text = set_up_text(&SinkTimeouts::default(), &["Old \"x\"".to_owned()]);
    for expected in [
        "SET statement_timeout = 54000; ",
        "SET lock_timeout = 10000; ",
        "SET idle_in_transaction_session_timeout = 10000; ",
        "SET search_path = \"Old \"\"x\"\"\"; ",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    let no_time = SinkTimeouts {
        lock: Duration::ZERO,
        ..SinkTimeouts::default()
    };
    assert!(set_up_text(&no_time, &[]).contains("SET lock_timeout = 1; "));
    let short = SinkTimeouts {
        statement: Duration::from_secs(4),
        ..SinkTimeouts::default()
    };
    assert!(set_up_text(&short, &[]).contains("SET lock_timeout = 1800; "));
}
