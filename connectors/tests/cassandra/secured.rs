//! Login, rights and TLS, on a node of the test's own that asks for all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslMethod};
use rowdock_connectors::cassandra::{CassandraSettings, CassandraSink};
use rowdock_connectors::{Cell, ErrorClass, Sink as _, SinkError, SinkOptions, WriteOutcome};
use scylla::client::session::Session as Driver;
use scylla::client::session_builder::SessionBuilder;
use secrecy::SecretString;
use uuid::Uuid;

use super::support::{batch, put, target};
use crate::conformance::support::{claim, options, start};

/// A node makes its first role some seconds after it welcomes clients.
const ROLES_DEADLINE: Duration = Duration::from_secs(120);

const REPLICATION: &str = "{'class': 'SimpleStrategy', 'replication_factor': 1}";

/// Of the key store; it holds nothing but this test's certificate.
const STORE_PASSWORD: &str = "for-a-test";

/// A node that takes no one without a role, and no connection without TLS.
struct Node {
    folder: PathBuf,
    service: String,
    address: String,
}

impl Node {
    fn start() -> Self {
        let id = Uuid::new_v4().simple().to_string();
        let folder = std::env::temp_dir().join(format!("rowdock-secured-{id}"));
        fs::create_dir_all(&folder).expect("a folder");
        let store = folder.join("node.p12");
        let store_words = [
            "-keystore",
            text(&store),
            "-storepass",
            STORE_PASSWORD,
            "-alias",
            "node",
        ];
        let made = [
            "-genkeypair",
            "-keyalg",
            "RSA",
            "-keysize",
            "2048",
            "-storetype",
            "PKCS12",
            "-dname",
            "CN=node",
            "-ext",
            "san=ip:127.0.0.1",
            "-ext",
            "bc=ca:true",
            "-validity",
            "30",
        ];
        keytool(&made, &store_words);
        let authority = folder.join("node.pem");
        keytool(
            &["-exportcert", "-rfc", "-file", text(&authority)],
            &store_words,
        );
        let settings = format!(
            "authenticator: PasswordAuthenticator\nauthorizer: CassandraAuthorizer\n\
             client_encryption_options:\n  enabled: true\n  optional: false\n  keystore: {}\n  \
             keystore_password: {STORE_PASSWORD}\n  store_type: PKCS12\n  require_client_auth: false\n",
            store.display()
        );
        let file = folder.join("settings.yaml");
        fs::write(&file, settings).expect("settings");
        let service = format!("cassandra@{id}");
        let output = services(&["start", &service], Some(&file));
        let address = output
            .lines()
            .find_map(|line| line.strip_prefix("ROWDOCK_TEST_CASSANDRA="))
            .expect("an address");
        Self {
            address: address.to_owned(),
            folder,
            service,
        }
    }

    /// Who and how, and what of TLS.
    fn sink(&self, (user, password): (&str, &str), parameters: &str) -> CassandraSink {
        let url = format!("cassandra://{}/shop?{parameters}", self.address);
        let options = SinkOptions {
            user: Some(user.to_owned()),
            password: Some(SecretString::from(password)),
            ..options(&url, "orders", true)
        };
        let settings = CassandraSettings {
            keyspace_replication: (user == "cassandra").then(|| REPLICATION.to_owned()),
            ..CassandraSettings::default()
        };
        CassandraSink::new(options, settings).expect("options")
    }

    fn verified(&self) -> String {
        let authority = self.folder.join("node.pem");
        format!("sslmode=verify-full&sslrootcert={}", authority.display())
    }

    async fn admin(&self) -> Driver {
        let mut tls = SslConnector::builder(SslMethod::tls_client()).expect("tls");
        tls.set_ca_file(self.folder.join("node.pem")).expect("pem");
        let session = SessionBuilder::new()
            .known_node(&self.address)
            .user("cassandra", "cassandra")
            .tls_context(Some(tls))
            .build()
            .await;
        session.expect("a session")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        services(&["discard", &self.service], None);
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("utf-8")
}

fn keytool(words: &[&str], store: &[&str]) {
    let output = Command::new("keytool").args(words).args(store).output();
    let output = output.expect("keytool, which comes with java");
    assert!(output.status.success(), "{output:?}");
}

fn services(words: &[&str], settings: Option<&Path>) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services.sh");
    let mut command = Command::new(script);
    command.args(words);
    if let Some(file) = settings {
        command.env("ROWDOCK_CASSANDRA_SETTINGS", file);
    }
    let output = command.output().expect("scripts/services.sh");
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn refused(sink: CassandraSink) -> SinkError {
    match sink.open().await {
        Ok(_) => panic!("let in"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a node of its own, for a minute: make chaos"]
async fn chaos_of_login_and_tls() {
    let node = Node::start();
    let root = ("cassandra", "cassandra");
    let since = Instant::now();
    let mut session = loop {
        match node.sink(root, &node.verified()).open().await {
            Ok(session) => break session,
            Err(error) => assert!(since.elapsed() < ROLES_DEADLINE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let admin = node.admin().await;
    for cql in [
        "CREATE TABLE shop.t (id bigint PRIMARY KEY, n int)",
        "CREATE ROLE writer WITH PASSWORD = 'right' AND LOGIN = true",
        "GRANT MODIFY ON shop.t TO writer",
        "GRANT MODIFY ON shop.rowdock_progress TO writer",
        "GRANT SELECT ON shop.rowdock_progress TO writer",
        "CREATE ROLE stranger WITH PASSWORD = 'right' AND LOGIN = true",
    ] {
        admin.query_unpaged(cql, ()).await.expect(cql);
    }
    start(&mut *session, 1).await;
    session.close().await;

    let mut session = node
        .sink(("writer", "right"), &node.verified())
        .open()
        .await
        .expect("the rights that the page names");
    let claim_id = claim(&mut *session, &[0]).await;
    let target = target(&mut *session, "t", 1).await;
    let written = batch(
        &target,
        claim_id,
        0,
        &[put(0, 1_000, &[Cell::Int(1), Cell::Int(2)])],
    );
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);

    let error = refused(node.sink(("writer", "wrong"), &node.verified())).await;
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    assert!(!error.to_string().contains("wrong"), "{error}");
    // At once, or when it first asks for what it may not see.
    let stranger = node.sink(("stranger", "right"), &node.verified());
    let error = match stranger.open().await {
        Ok(mut session) => session.read_positions().await.expect_err("no rights"),
        Err(error) => error,
    };
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");

    // Not signed by one of the system's authorities; encrypted without a look at that; in clear text.
    refused(node.sink(root, "sslmode=verify-full")).await;
    let unverified = node.sink(root, "sslmode=require").open().await;
    unverified.expect("encrypted").close().await;
    refused(node.sink(root, "sslmode=disable")).await;
}
