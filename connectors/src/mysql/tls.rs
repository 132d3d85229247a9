//! What the driver is told about TLS.

use std::path::Path;

use mysql_async::{ClientIdentity, SslOpts};
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::x509::X509;

use super::url::{Tls, TlsMode};
use crate::error::SinkError;

/// The archive never leaves the process; the driver's TLS library wants some password.
const ARCHIVE_PASSWORD: &str = "in memory";

/// `None`: no TLS.
///
/// # Errors
/// *Stop* when a file cannot be read or is not what it should be.
pub(super) fn options(tls: &Tls) -> Result<Option<SslOpts>, SinkError> {
    if tls.mode == TlsMode::Disabled {
        return Ok(None);
    }
    let is_verified = matches!(tls.mode, TlsMode::VerifyCa | TlsMode::VerifyIdentity);
    let mut options = SslOpts::default()
        .with_danger_accept_invalid_certs(!is_verified)
        .with_danger_skip_domain_validation(tls.mode != TlsMode::VerifyIdentity);
    if let Some(file) = &tls.root_certificates {
        options = options
            .with_root_certs(vec![read("ssl-ca", file)?.into()])
            .with_disable_built_in_roots(true);
    }
    match (&tls.client_certificate, &tls.client_key) {
        (Some(certificate), Some(key)) => {
            let archive = archive(&read("ssl-cert", certificate)?, &read("ssl-key", key)?)
                .map_err(|error| {
                    SinkError::stop(format!(
                        "ssl-cert and ssl-key of connection.url are not a certificate and its key \
                         in PEM form without a password: {error}"
                    ))
                })?;
            let identity = ClientIdentity::new(archive.into());
            options = options.with_client_identity(Some(identity.with_password(ARCHIVE_PASSWORD)));
        }
        (None, None) => {}
        _ => {
            return Err(SinkError::stop(
                "connection.url names one of ssl-cert and ssl-key; name both",
            ));
        }
    }
    Ok(Some(options))
}

fn read(parameter: &str, file: &Path) -> Result<Vec<u8>, SinkError> {
    std::fs::read(file).map_err(|error| {
        SinkError::stop(format!(
            "cannot read the file that {parameter} of connection.url names: {error}"
        ))
    })
}

/// Certificate, those that sign it, and the key, as the TLS library takes them.
fn archive(certificates: &[u8], key: &[u8]) -> Result<Vec<u8>, openssl::error::ErrorStack> {
    let key = PKey::private_key_from_pem(key)?;
    let mut chain = X509::stack_from_pem(certificates)?.into_iter();
    let mut builder = Pkcs12::builder();
    builder.pkey(&key);
    let own = chain.next();
    if let Some(own) = &own {
        builder.cert(own);
    }
    let mut signers = openssl::stack::Stack::new()?;
    for signer in chain {
        signers.push(signer)?;
    }
    builder.ca(signers);
    builder.build2(ARCHIVE_PASSWORD)?.to_der()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_cannot_be_used_are_named_by_their_parameter() {
        let check = |tls: Tls, expected: &str| {
            let error = options(&tls).expect_err("unusable");
            assert!(error.to_string().contains(expected), "{error}");
        };
        let absent = Some("/nonexistent/file".into());
        check(
            Tls {
                root_certificates: absent.clone(),
                ..Tls::default()
            },
            "ssl-ca",
        );
        check(
            Tls {
                client_certificate: absent.clone(),
                ..Tls::default()
            },
            "name both",
        );
        let text = tempfile::NamedTempFile::new().expect("a file");
        check(
            Tls {
                client_certificate: Some(text.path().into()),
                client_key: Some(text.path().into()),
                ..Tls::default()
            },
            "PEM",
        );
    }

    #[test]
    fn no_tls_at_all() {
        let disabled = Tls {
            mode: TlsMode::Disabled,
            ..Tls::default()
        };
        assert!(options(&disabled).expect("none").is_none());
    }
}
