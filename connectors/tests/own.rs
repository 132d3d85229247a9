//! A server of one test's own, and certificates for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use uuid::Uuid;

/// A server that `scripts/services.sh` runs; discarded with its data when dropped.
pub(crate) struct Own {
    service: String,
    settings: BTreeMap<String, String>,
}

impl Own {
    /// Starts one of this kind, with lines of settings behind those that all have (MySQL, MariaDB).
    pub(crate) fn start(kind: &str, settings: &str) -> Self {
        let service = format!("{kind}@{}", Uuid::new_v4().simple());
        let told = services("start", &service, settings);
        let settings = told.lines().filter_map(|line| line.split_once('='));
        Self {
            service,
            settings: settings
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// What it told by this key when it started.
    pub(crate) fn setting(&self, key: &str) -> &str {
        &self.settings[key]
    }

    /// Stops it and starts it again.
    pub(crate) fn restart(&self) {
        services("stop", &self.service, "");
        services("start", &self.service, "");
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        services("discard", &self.service, "");
    }
}

fn services(verb: &str, service: &str, settings: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services.sh");
    let output = Command::new(script)
        .args([verb, service])
        .env("ROWDOCK_SERVER_SETTINGS", settings)
        .output()
        .expect("scripts/services.sh");
    assert!(output.status.success(), "{verb} {service}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Signs certificates; a folder with them, removed with the value.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = new_key();
        let certificate = signed("an authority of a test", &key, None, None);
        let authority = Self {
            folder,
            certificate,
            key,
        };
        let pem = authority.certificate.to_pem().expect("pem");
        fs::write(authority.path("authority.pem"), pem).expect("a file");
        authority
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Makes `NAME.pem` and `NAME.key` for a server at 127.0.0.1, or for a client of this name.
    pub(crate) fn issue(&self, name: &str) {
        let key = new_key();
        let by = Some((&self.certificate, &self.key));
        let certificate = signed(name, &key, by, Some("127.0.0.1"));
        let files = [
            ("pem", certificate.to_pem()),
            ("key", key.private_key_to_pem_pkcs8()),
        ];
        for (kind, pem) in files {
            let file = self.path(&format!("{name}.{kind}"));
            fs::write(file, pem.expect("pem")).expect("a file");
        }
    }
}

fn new_key() -> PKey<Private> {
    let key = Rsa::generate(2048).and_then(PKey::from_rsa);
    key.expect("a key")
}

/// By itself unless an authority is given.
fn signed(
    name: &str,
    key: &PKey<Private>,
    by: Option<(&X509, &PKey<Private>)>,
    address: Option<&str>,
) -> X509 {
    let made = || {
        let mut subject = X509NameBuilder::new()?;
        subject.append_entry_by_text("CN", name)?;
        let subject = subject.build();
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        let serial = BigNum::from_u32(u32::from(by.is_some()) + 1)?.to_asn1_integer()?;
        builder.set_serial_number(&serial)?;
        builder.set_subject_name(&subject)?;
        builder.set_issuer_name(by.map_or(&subject, |(authority, _)| authority.subject_name()))?;
        builder.set_pubkey(key)?;
        let (now, later) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(30)?);
        builder.set_not_before(&now)?;
        builder.set_not_after(&later)?;
        if by.is_none() {
            builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        }
        if let Some(address) = address {
            let context = builder.x509v3_context(by.map(|(authority, _)| &**authority), None);
            let names = SubjectAlternativeName::new().ip(address).build(&context)?;
            builder.append_extension(names)?;
        }
        builder.sign(by.map_or(key, |(_, key)| key), MessageDigest::sha256())?;
        Ok::<X509, openssl::error::ErrorStack>(builder.build())
    };
    made().expect("a certificate")
}
