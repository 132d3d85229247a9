//! TLS with certificates at a MariaDB of the test's own; MySQL's own certificates are in
//! [`super::connection`].

use rowdock_connectors::mysql::MySqlSink;
use rowdock_connectors::{ErrorClass, Sink, SinkError};

use crate::conformance::databases::mysql::{connect, mariadb};
use crate::conformance::support::{Database as _, options};
use crate::own::{Authority, Own};

async fn opened(url: &str) -> Result<(), SinkError> {
    let sink = MySqlSink::new(options(url, "orders", true))?;
    sink.open().await?.close().await;
    Ok(())
}

async fn refused(url: &str) {
    let error = opened(url).await.expect_err(url);
    assert_eq!(error.class(), ErrorClass::Stop, "{url}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a server of its own: make chaos"]
async fn chaos_of_tls_in_mariadb() {
    let authority = Authority::new();
    authority.issue("server");
    authority.issue("client");
    let file = |name: &str| authority.path(name).display().to_string();
    let settings = format!(
        "ssl_ca = {}\nssl_cert = {}\nssl_key = {}",
        file("authority.pem"),
        file("server.pem"),
        file("server.key")
    );
    let own = Own::start("mariadb", &settings);
    let admin_url = own.setting("ROWDOCK_TEST_MARIADB");
    let (_, address) = admin_url.rsplit_once('@').expect("a user");
    {
        use mysql_async::prelude::Queryable as _;
        let mut admin = connect(admin_url).await;
        for sql in [
            "CREATE DATABASE shop",
            "CREATE USER encrypted IDENTIFIED BY 'right' REQUIRE SSL",
            "CREATE USER certified IDENTIFIED BY 'right' REQUIRE X509",
            "GRANT ALL ON shop.* TO encrypted",
            "GRANT ALL ON shop.* TO certified",
        ] {
            admin.query_drop(sql).await.expect(sql);
        }
    }
    let url = |user: &str, host: &str, parameters: &str| {
        let address = address.replacen("127.0.0.1", host, 1);
        format!("jdbc:mariadb://{address}shop?user={user}&password=right&{parameters}")
    };
    let root = format!("serverSslCert={}", file("authority.pem"));
    let full = format!("sslMode=verify-full&{root}");
    for parameters in ["sslMode=trust", &format!("sslMode=verify-ca&{root}"), &full] {
        let opened = opened(&url("encrypted", "127.0.0.1", parameters)).await;
        opened.expect(parameters);
    }
    let by_name = format!("sslMode=verify-ca&{root}");
    opened(&url("encrypted", "localhost", &by_name))
        .await
        .expect("signed");
    refused(&url("encrypted", "localhost", &full)).await;
    refused(&url("encrypted", "127.0.0.1", "sslMode=verify-full")).await;
    refused(&url("encrypted", "127.0.0.1", "sslMode=disable")).await;
    let own_certificate = format!(
        "{full}&ssl-cert={}&ssl-key={}",
        file("client.pem"),
        file("client.key")
    );
    opened(&url("certified", "127.0.0.1", &own_certificate))
        .await
        .expect("by its certificate");
    refused(&url("certified", "127.0.0.1", &full)).await;
    read_only_hosts_are_passed_over(admin_url).await;
}

/// As when the host that is named first is a replica.
async fn read_only_hosts_are_passed_over(first: &str) {
    use mysql_async::prelude::Queryable as _;
    let second = mariadb().await;
    let mut admin = connect(first).await;
    for sql in [
        &format!("CREATE DATABASE {}", second.name),
        "SET GLOBAL read_only = ON",
    ] {
        admin.query_drop(sql).await.expect(sql);
    }
    let alone = format!("{first}{}", second.name);
    let error = opened(&alone).await.expect_err("read-only");
    assert_eq!(error.class(), ErrorClass::Retry, "{error}");
    let (_, address) = first.rsplit_once('@').expect("a user");
    let both = second
        .url()
        .replacen('@', &format!("@{},", address.trim_end_matches('/')), 1);
    opened(&both).await.expect("the second");
    assert_eq!(
        second.rows("rowdock_progress", &["1"]).await.len(),
        0,
        "the second has the table"
    );
}
