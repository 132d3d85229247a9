//! Reaching a server: addresses, users, TLS, and settings that cannot work.

use rowdock_connectors::mysql::MySqlSink;
use rowdock_connectors::{ErrorClass, Sink, SinkError};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::servers;
use crate::conformance::databases::mysql::{Schema, connect, mariadb, mysql};
use crate::conformance::support::{Server, options, session};
use crate::services;
use crate::wire::{End, dying_amid_handshakes};

async fn opened(url: &str) -> Result<(), SinkError> {
    let sink = MySqlSink::new(options(url, "orders", false))?;
    sink.open().await?.close().await;
    Ok(())
}

/// The ciphers, or whatever else a session of that URL says about itself.
fn address(server: &Schema) -> String {
    let (_, address) = server.server.rsplit_once('@').expect("a user");
    address.trim_end_matches('/').to_owned()
}

#[tokio::test]
async fn servers_that_cannot_be_used_say_why() {
    for server in servers().await {
        let address = address(&server);
        let unreachable = opened("mysql://rowdock:s3cret@127.0.0.1:1/x").await;
        let wrong_password = opened(&format!("mysql://rowdock:s3cret@{address}/x")).await;
        let no_database = opened(&format!("{}no_such_database", server.server)).await;
        for (result, class) in [
            (unreachable, ErrorClass::Retry),
            (wrong_password, ErrorClass::Stop),
            (no_database, ErrorClass::Stop),
        ] {
            let error = result.expect_err("cannot be used");
            assert_eq!(error.class(), class, "{error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        // The next host is tried.
        let several = format!(
            "mysql://rowdock:rowdock@127.0.0.1:1,{address}/{}",
            server.name
        );
        opened(&several).await.expect("the second");
    }
}

#[tokio::test]
async fn unix_sockets_and_tls() {
    let server = mysql().await;
    let socket = services::address("ROWDOCK_TEST_MYSQL_SOCKET");
    let url = format!(
        "jdbc:mysql://rowdock:rowdock@localhost/{}?localSocket={socket}",
        server.name
    );
    opened(&url).await.expect("by the socket");

    let authority = services::address("ROWDOCK_TEST_MYSQL_AUTHORITY");
    let base = server.url();
    for verified in ["sslMode=REQUIRED", "sslMode=PREFERRED", "sslMode=DISABLED"] {
        opened(&format!("{base}?{verified}")).await.expect(verified);
    }
    let by_authority = format!("{base}?sslMode=VERIFY_CA&ssl-ca={authority}");
    opened(&by_authority).await.expect("signed by it");
    // Made for no host, signed by no authority of the system's.
    for refused in [
        format!("{base}?sslMode=VERIFY_CA"),
        format!("{base}?sslMode=VERIFY_IDENTITY&ssl-ca={authority}"),
    ] {
        let error = opened(&refused).await.expect_err("not verified");
        assert_eq!(error.class(), ErrorClass::Stop, "{error}");
        assert!(error.to_string().contains("sslMode"), "{error}");
    }
    let plain = mariadb().await;
    let error = opened(&format!("{}?sslMode=REQUIRED", plain.url())).await;
    let error = error.expect_err("this one has no tls");
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
}

/// That is no wrong certificate: the server comes back.
#[tokio::test]
async fn a_server_that_dies_amid_the_handshake_is_tried_again() {
    let server = mysql().await;
    let mut greeting = vec![0; 4 * 1024];
    let mut client = TcpStream::connect(address(&server)).await.expect("server");
    let length = client.read(&mut greeting).await.expect("a greeting");
    greeting.truncate(length);
    for end in [End::Closed, End::Reset] {
        let address = dying_amid_handshakes(greeting.clone(), b"", end).await;
        let url = format!("mysql://rowdock:rowdock@{address}/x?sslMode=REQUIRED");
        let error = opened(&url).await.expect_err("it died");
        assert_eq!(error.class(), ErrorClass::Retry, "{end:?}: {error}");
        assert!(error.to_string().contains("TLS"), "{end:?}: {error}");
    }
}

/// A password that the server has not seen since its start: by TLS, and by the server's key.
#[tokio::test]
async fn the_password_is_safe_with_and_without_tls() {
    let server = mysql().await;
    for tls in ["REQUIRED", "DISABLED"] {
        let user = format!("user_{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        server
            .run(&format!(
                "CREATE USER {user} IDENTIFIED WITH caching_sha2_password BY 'a new one'; \
                 GRANT ALL ON {}.* TO {user}",
                server.name
            ))
            .await;
        let url = format!(
            "jdbc:mysql://{}/{}?sslMode={tls}",
            address(&server),
            server.name
        );
        let mut options = options(&url, "orders", true);
        options.user = Some(user.clone());
        options.password = Some("a new one".into());
        let sink = MySqlSink::new(options).expect("options");
        sink.open().await.expect(tls).close().await;
        server.run(&format!("DROP USER {user}")).await;
    }
}

/// Of all the settings, the ones that a server or user may have had otherwise.
#[tokio::test]
async fn without_the_right_to_create_the_statement_is_shown() {
    for server in servers().await {
        let user = format!("user_{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        server
            .run(&format!(
                "CREATE USER {user} IDENTIFIED BY 'weak'; \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON {}.* TO {user}",
                server.name
            ))
            .await;
        let url = format!("mysql://{user}:weak@{}/{}", address(&server), server.name);
        let sink = MySqlSink::new(options(&url, "orders", true)).expect("options");
        let error = sink.open().await.err().expect("no table");
        assert_eq!(error.class(), ErrorClass::Stop, "{error}");
        let message = error.to_string();
        assert!(
            message.contains("CREATE TABLE IF NOT EXISTS `rowdock_progress`"),
            "{message}"
        );
        // As an administrator would do it, and then without the right.
        drop(session(&server).await);
        sink.open().await.expect("there now").close().await;
        drop(connect(&url).await);
        server.run(&format!("DROP USER {user}")).await;
    }
}
