//! Encrypted connections: which certificates are trusted, and which is shown.
//!
//! OpenSSL reads all of the system's certificates for each set of rules, which costs more than everything
//! else that a task does to start. So the rules that most sessions have, to encrypt and to trust anyone,
//! are made once, and only when a server wants to be spoken to that way.

use std::error::Error;
use std::pin::Pin;
use std::sync::OnceLock;

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslVerifyMode, SslVersion};
use postgres_openssl::{MakeTlsConnector, TlsStream};
use tokio_postgres::Socket;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};

use crate::error::SinkError;
use crate::postgres::url::{Tls, TlsMode};

/// How a session is encrypted.
pub(super) enum Encryption {
    /// It is not.
    Never,
    /// Whoever answers is trusted, and shown nothing.
    WithAnyone(TrustAnyone),
    /// By the URL's certificates.
    AsSet(MakeTlsConnector),
}

impl Encryption {
    /// Reads the files that the URL names.
    ///
    /// # Errors
    /// *Stop* when one of them cannot be used.
    pub(super) fn new(tls: &Tls) -> Result<Self, SinkError> {
        if tls.mode == TlsMode::Disable {
            return Ok(Self::Never);
        }
        let files = [
            &tls.root_certificates,
            &tls.client_certificate,
            &tls.client_key,
        ];
        if trusts_anyone(tls.mode) && files.iter().all(|file| file.is_none()) {
            return Ok(Self::WithAnyone(TrustAnyone));
        }
        connector(tls).map(Self::AsSet).map_err(|error| {
            SinkError::stop(format!(
                "cannot prepare tls: {error}; check sslrootcert, sslcert and sslkey in connection.url"
            ))
            .with_source(error)
        })
    }
}

/// Encrypts, and trusts whoever answers.
#[derive(Clone, Copy)]
pub(super) struct TrustAnyone;

/// A handshake with a server of this name.
pub(super) struct Handshake {
    domain: String,
}

impl MakeTlsConnect<Socket> for TrustAnyone {
    type Stream = TlsStream<Socket>;
    type TlsConnect = Handshake;
    type Error = ErrorStack;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, ErrorStack> {
        Ok(Handshake {
            domain: domain.to_owned(),
        })
    }
}

impl TlsConnect<Socket> for Handshake {
    type Stream = TlsStream<Socket>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move {
            let mut rules = rules_without_trust()?;
            let connector = MakeTlsConnect::<Socket>::make_tls_connect(&mut rules, &self.domain)?;
            connector.connect(stream).await
        })
    }
}

fn rules_without_trust() -> Result<MakeTlsConnector, ErrorStack> {
    static SHARED: OnceLock<MakeTlsConnector> = OnceLock::new();
    if let Some(shared) = SHARED.get() {
        return Ok(shared.clone());
    }
    let built = connector(&Tls {
        mode: TlsMode::Require,
        ..Tls::default()
    })?;
    Ok(SHARED.get_or_init(|| built).clone())
}

fn trusts_anyone(mode: TlsMode) -> bool {
    matches!(mode, TlsMode::Prefer | TlsMode::Require)
}

fn connector(tls: &Tls) -> Result<MakeTlsConnector, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    if let Some(file) = &tls.root_certificates {
        builder.set_ca_file(file)?;
    }
    if let Some(file) = &tls.client_certificate {
        builder.set_certificate_chain_file(file)?;
    }
    if let Some(file) = &tls.client_key {
        // The JDBC driver's keys are in DER form, named so; all others are PEM.
        let is_der = file
            .extension()
            .is_some_and(|extension| extension == "pk8" || extension == "der");
        let form = if is_der {
            SslFiletype::ASN1
        } else {
            SslFiletype::PEM
        };
        builder.set_private_key_file(file, form)?;
    }
    if trusts_anyone(tls.mode) {
        builder.set_verify(SslVerifyMode::NONE);
    }
    let mut connector = MakeTlsConnector::new(builder.build());
    if tls.mode != TlsMode::VerifyFull {
        connector.set_callback(|connection, _| {
            connection.set_verify_hostname(false);
            Ok(())
        });
    }
    Ok(connector)
}
