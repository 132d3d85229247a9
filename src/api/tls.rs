//! HTTPS: certificates and keys as the settings name them, and the server's side of TLS.
//!
//! The handshake happens as the connection is first read from, so it is part of what a connection is
//! given time for, and a peer that never finishes it holds up nobody but itself.

use std::fs;
use std::io;

use openssl::error::ErrorStack;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslAcceptor, SslAcceptorBuilder, SslMethod, SslVerifyMode};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::config::worker::{ClientAuth, HttpsSettings};

/// Why HTTPS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Neither a key store nor a certificate with its key is named.
    #[error(
        "an https listener needs a certificate and its key: set \
         listeners.https.ssl.keystore.location (PEM or PKCS#12) and its password"
    )]
    NoCertificate,
    /// Clients are to be asked for certificates, and nothing says whose are good.
    #[error(
        "listeners.https.ssl.client.auth needs the certificates of those who may connect: set \
         listeners.https.ssl.truststore.location"
    )]
    NoTrust,
    /// A file cannot be read.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// What a file or a setting holds is not what it should be.
    #[error("the certificate or key of the https listener cannot be used: {0}")]
    Content(#[from] ErrorStack),
}

/// The server's side of TLS, for any number of connections.
#[derive(Clone)]
pub struct Tls(SslAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads certificates and keys.
    ///
    /// # Errors
    /// When they are missing or cannot be used.
    pub fn new(settings: &HttpsSettings) -> Result<Self, TlsError> {
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        set_identity(&mut builder, settings)?;
        set_trust(&mut builder, settings)?;
        Ok(Self(builder.build()))
    }

    /// A connection on which the handshake is made as it is first read from.
    pub(super) fn wrap(&self, stream: TcpStream) -> Result<SslStream<TcpStream>, ErrorStack> {
        let mut ssl = Ssl::new(self.0.context())?;
        ssl.set_accept_state();
        SslStream::new(ssl, stream)
    }
}

fn set_identity(
    builder: &mut SslAcceptorBuilder,
    settings: &HttpsSettings,
) -> Result<(), TlsError> {
    let property = |name| settings.property(name);
    if let Some(file) = property("ssl.keystore.location") {
        let password = property("ssl.keystore.password").unwrap_or_default();
        let store = Pkcs12::from_der(&read(file)?)?.parse2(password)?;
        let (Some(certificate), Some(key)) = (store.cert, store.pkey) else {
            return Err(TlsError::NoCertificate);
        };
        builder.set_certificate(&certificate)?;
        builder.set_private_key(&key)?;
        for other in store.ca.into_iter().flatten() {
            builder.add_extra_chain_cert(other)?;
        }
        return Ok(builder.check_private_key()?);
    }
    let chain = text(settings, "ssl.certificate.pem", "ssl.certificate.location")?;
    let key = text(settings, "ssl.key.pem", "ssl.key.location")?;
    let (Some(chain), Some(key)) = (chain, key) else {
        return Err(TlsError::NoCertificate);
    };
    let mut chain = X509::stack_from_pem(&chain)?.into_iter();
    let certificate = chain.next().ok_or(TlsError::NoCertificate)?;
    builder.set_certificate(&certificate)?;
    for other in chain {
        builder.add_extra_chain_cert(other)?;
    }
    let key = match property("ssl.key.password") {
        Some(password) => PKey::private_key_from_pem_passphrase(&key, password.as_bytes())?,
        None => PKey::private_key_from_pem(&key)?,
    };
    builder.set_private_key(&key)?;
    Ok(builder.check_private_key()?)
}

fn set_trust(builder: &mut SslAcceptorBuilder, settings: &HttpsSettings) -> Result<(), TlsError> {
    let mode = match settings.client_auth {
        ClientAuth::None => return Ok(()),
        ClientAuth::Requested => SslVerifyMode::PEER,
        ClientAuth::Required => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
    };
    let trusted = text(settings, "ssl.ca.pem", "ssl.ca.location")?.ok_or(TlsError::NoTrust)?;
    let mut store = X509StoreBuilder::new()?;
    for certificate in X509::stack_from_pem(&trusted)? {
        builder.add_client_ca(&certificate)?;
        store.add_cert(certificate)?;
    }
    builder.set_verify_cert_store(store.build())?;
    builder.set_verify(mode);
    Ok(())
}

/// PEM text as it stands in the settings, or from the file that they name.
fn text(
    settings: &HttpsSettings,
    inline: &str,
    location: &str,
) -> Result<Option<Vec<u8>>, TlsError> {
    if let Some(text) = settings.property(inline) {
        return Ok(Some(text.as_bytes().to_vec()));
    }
    settings.property(location).map(read).transpose()
}

fn read(file: &str) -> Result<Vec<u8>, TlsError> {
    fs::read(file).map_err(|source| TlsError::File {
        file: file.to_owned(),
        source,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use openssl::asn1::Asn1Time;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::Private;
    use openssl::x509::X509NameBuilder;

    use super::*;

    /// A certificate that signs itself, and its key.
    pub(in crate::api) fn identity() -> (X509, PKey<Private>) {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "localhost").unwrap();
        let name = name.build();
        let mut certificate = X509::builder().unwrap();
        certificate.set_version(2).unwrap();
        certificate.set_subject_name(&name).unwrap();
        certificate.set_issuer_name(&name).unwrap();
        certificate.set_pubkey(&key).unwrap();
        let (from, until) = (Asn1Time::days_from_now(0), Asn1Time::days_from_now(1));
        certificate.set_not_before(&from.unwrap()).unwrap();
        certificate.set_not_after(&until.unwrap()).unwrap();
        certificate.sign(&key, MessageDigest::sha256()).unwrap();
        (certificate.build(), key)
    }

    pub(in crate::api) fn settings(properties: &[(&str, &str)]) -> HttpsSettings {
        HttpsSettings {
            properties: properties
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            client_auth: ClientAuth::None,
        }
    }

    /// PEM in the settings, PEM in a file, and PKCS#12; anything else says what is missing.
    #[test]
    fn identities_are_read() {
        let (certificate, key) = identity();
        let chain = String::from_utf8(certificate.to_pem().unwrap()).unwrap();
        let plain = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        let inline = settings(&[("ssl.certificate.pem", &chain), ("ssl.key.pem", &plain)]);
        Tls::new(&inline).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let both = file("both.pem", format!("{chain}{plain}").as_bytes());
        let location = settings(&[
            ("ssl.certificate.location", &both),
            ("ssl.key.location", &both),
        ]);
        Tls::new(&location).unwrap();

        let mut store = Pkcs12::builder();
        store.cert(&certificate).pkey(&key);
        let store = store.build2("s3cret").unwrap().to_der().unwrap();
        let store = file("key.p12", &store);
        let of_store = |password: &str| {
            settings(&[
                ("ssl.keystore.location", &store),
                ("ssl.keystore.password", password),
            ])
        };
        Tls::new(&of_store("s3cret")).unwrap();

        let refused = |settings: &HttpsSettings| Tls::new(settings).unwrap_err().to_string();
        assert!(refused(&of_store("wrong")).contains("cannot be used"));
        assert!(refused(&settings(&[])).contains("needs a certificate"));
        let missing = settings(&[("ssl.keystore.location", "/none.p12")]);
        assert!(refused(&missing).starts_with("/none.p12: "));
        let mut asking = inline;
        asking.client_auth = ClientAuth::Required;
        assert!(refused(&asking).contains("truststore"));
        asking.properties.push(("ssl.ca.pem".to_owned(), chain));
        Tls::new(&asking).unwrap();
    }
}
