//! TLS, certificates and a Unix socket, at a server of the test's own that has all of them.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use rowdock_connectors::postgres::PostgresSink;
use rowdock_connectors::{ErrorClass, Sink, SinkError};
use tokio_postgres::{Client, NoTls};

use crate::conformance::support::options;
use crate::own::{Authority, Own};

/// Who may come in how: the first line that fits counts.
const LOGINS: &str = "\
    hostssl all certified 127.0.0.1/32 cert\n\
    hostssl all encrypted 127.0.0.1/32 scram-sha-256\n\
    host all certified,encrypted 127.0.0.1/32 reject\n\
    local all all scram-sha-256\n\
    host all all 127.0.0.1/32 scram-sha-256\n";

struct Server {
    own: Own,
    authority: Authority,
    sockets: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let authority = Authority::new();
        authority.issue("server");
        authority.issue("certified");
        let server = Self {
            own: Own::start("postgres-15", ""),
            authority,
            sockets: tempfile::Builder::new()
                .prefix("rd")
                .tempdir_in("/tmp")
                .expect("a folder"),
        };
        let data = Path::new(server.own.setting("ROWDOCK_TEST_POSTGRES_DATA"));
        for (from, to) in [
            ("server.pem", "server.crt"),
            ("server.key", "server.key"),
            ("authority.pem", "root.crt"),
        ] {
            fs::copy(server.authority.path(from), data.join(to)).expect("a file");
            hand_over(&data.join(to), data, 0o600);
        }
        fs::write(data.join("pg_hba.conf"), LOGINS).expect("a file");
        hand_over(server.sockets.path(), data, 0o755);
        let admin = server.admin().await;
        for sql in [
            "CREATE ROLE certified LOGIN SUPERUSER",
            "CREATE ROLE encrypted LOGIN SUPERUSER PASSWORD 'right'",
            "ALTER SYSTEM SET ssl = on",
            "ALTER SYSTEM SET ssl_ca_file = 'root.crt'",
            &format!(
                "ALTER SYSTEM SET unix_socket_directories = '{}'",
                server.sockets.path().display()
            ),
        ] {
            admin.batch_execute(sql).await.expect(sql);
        }
        drop(admin);
        server.own.restart();
        server
    }

    fn url(&self) -> &str {
        self.own.setting("ROWDOCK_TEST_POSTGRES")
    }

    fn port(&self) -> &str {
        let (_, address) = self.url().rsplit_once(':').expect("a port");
        address.split('/').next().expect("a port")
    }

    async fn admin(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(self.url(), NoTls)
            .await
            .expect("a session");
        tokio::spawn(connection);
        client
    }

    /// Opens a session with this user, host and parameters; whether it is encrypted.
    async fn opened(&self, user: &str, host: &str, parameters: &str) -> Result<bool, SinkError> {
        let port = self.port();
        let url = format!("postgresql://{user}@{host}:{port}/postgres?{parameters}");
        self.opened_at(&url).await
    }

    async fn opened_at(&self, url: &str) -> Result<bool, SinkError> {
        let mut options = options(url, "orders", true);
        options.application_name = format!("test {}", uuid::Uuid::new_v4().simple());
        let name = options.application_name.clone();
        let session = PostgresSink::new(options)?.open().await?;
        let sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = $1";
        let row = self.admin().await.query_one(sql, &[&name]).await;
        let is_encrypted = row.expect("its session").get(0);
        session.close().await;
        Ok(is_encrypted)
    }

    async fn refused(&self, user: &str, host: &str, parameters: &str) {
        let error = self.opened(user, host, parameters).await;
        let error = error.expect_err(parameters);
        assert_eq!(error.class(), ErrorClass::Stop, "{parameters}: {error}");
        assert!(!error.to_string().contains("right"), "{error}");
    }
}

/// The server's user may be another than the test's.
fn hand_over(path: &Path, like: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
    let like = fs::metadata(like).expect("the server's folder");
    chown(path, Some(like.uid()), Some(like.gid())).expect("the server's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_certificates_and_sockets() {
    let server = Server::start().await;
    let authority = server.authority.path("authority.pem");
    let root = format!("sslrootcert={}", authority.display());
    let with_password = "encrypted:right";
    for parameters in [
        "sslmode=prefer".to_owned(),
        "sslmode=require".to_owned(),
        format!("sslmode=verify-ca&{root}"),
        format!("sslmode=verify-full&{root}"),
    ] {
        let opened = server.opened(with_password, "127.0.0.1", &parameters).await;
        assert!(opened.expect(&parameters), "{parameters}: in clear text");
    }
    // Signed by it, and made for another name.
    let verified = format!("sslmode=verify-ca&{root}");
    let opened = server.opened(with_password, "localhost", &verified).await;
    assert!(opened.expect("signed"));
    let verified = format!("sslmode=verify-full&{root}");
    server.refused(with_password, "localhost", &verified).await;
    // Signed by none of the system's authorities; without TLS, with a wrong password.
    server
        .refused(with_password, "127.0.0.1", "sslmode=verify-full")
        .await;
    server
        .refused(with_password, "127.0.0.1", "sslmode=disable")
        .await;
    server
        .refused("encrypted:wrong", "127.0.0.1", "sslmode=require")
        .await;
    // By a certificate of the user's own, and not without.
    let own = format!(
        "sslmode=verify-full&{root}&sslcert={}&sslkey={}",
        server.authority.path("certified.pem").display(),
        server.authority.path("certified.key").display()
    );
    let opened = server.opened("certified", "127.0.0.1", &own).await;
    assert!(opened.expect("by its certificate"));
    let without = format!("sslmode=verify-full&{root}");
    server.refused("certified", "127.0.0.1", &without).await;
    // By the socket, where nothing is encrypted.
    let socket = format!(
        "postgresql:///postgres?host={}&port={}&user=encrypted&password=right",
        server.sockets.path().display(),
        server.port()
    );
    let opened = server.opened_at(&socket).await;
    assert!(!opened.expect("by the socket"));
}
