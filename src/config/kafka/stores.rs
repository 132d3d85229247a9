//! Key and trust stores: what Java's clients load from them, as librdkafka can take it.
//!
//! librdkafka reads PEM, and for a client's own key also PKCS#12. What stands in other stores is
//! read here ([`super::java_store`]) and handed over as PEM text, when a config is checked and when
//! a client is made.

use std::collections::BTreeMap;
use std::path::Path;

use super::Translation;
use super::java_store::{self, JavaStore};
use crate::config::offline;

/// `ssl.truststore.*` and `ssl.keystore.*` as given, later layers over earlier ones.
#[derive(Default)]
pub(super) struct Stores {
    given: BTreeMap<&'static str, Given>,
}

struct Given {
    key: String,
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StoreType {
    Pem,
    Pkcs12,
    Jks,
}

/// Of a private key; librdkafka takes it too, for keys in PEM.
pub(super) const KEY_PASSWORD: &str = "ssl.key.password";

/// Largest store that is read.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

impl Stores {
    pub(super) fn set(&mut self, name: &'static str, key: String, value: &str) {
        let value = value.trim().to_owned();
        self.given.insert(name, Given { key, value });
    }

    pub(super) fn translate(&self, translation: &mut Translation) {
        self.trust(translation);
        self.key(translation);
    }

    fn trust(&self, translation: &mut Translation) {
        if let Some(pem) = self.get("ssl.truststore.certificates") {
            take(translation, pem, "ssl.ca.pem", &pem.value);
        }
        if let Some(location) = self.get("ssl.truststore.location") {
            match self.store_type("ssl.truststore.type", location, translation) {
                None => {}
                Some(StoreType::Pem) => {
                    take(translation, location, "ssl.ca.location", &location.value);
                }
                Some(StoreType::Pkcs12 | StoreType::Jks) => {
                    return self.java_trust(location, translation);
                }
            }
        }
        if let Some(password) = self.get("ssl.truststore.password") {
            let reason = "certificates in PEM are not encrypted";
            translation
                .without_effect
                .push((password.key.clone(), reason));
        }
    }

    fn key(&self, translation: &mut Translation) {
        if let Some(pem) = self.get("ssl.keystore.key") {
            take(translation, pem, "ssl.key.pem", &pem.value);
        }
        if let Some(pem) = self.get("ssl.keystore.certificate.chain") {
            take(translation, pem, "ssl.certificate.pem", &pem.value);
        }
        let Some(location) = self.get("ssl.keystore.location") else {
            return;
        };
        match self.store_type("ssl.keystore.type", location, translation) {
            None => {}
            Some(StoreType::Pem) => {
                take(
                    translation,
                    location,
                    "ssl.certificate.location",
                    &location.value,
                );
                take(translation, location, "ssl.key.location", &location.value);
            }
            Some(StoreType::Pkcs12) => {
                take(
                    translation,
                    location,
                    "ssl.keystore.location",
                    &location.value,
                );
                if let Some(password) = self.get("ssl.keystore.password") {
                    take(
                        translation,
                        password,
                        "ssl.keystore.password",
                        &password.value,
                    );
                }
            }
            Some(StoreType::Jks) => self.java_key(location, translation),
        }
    }

    fn java_trust(&self, location: &Given, translation: &mut Translation) {
        let read = self.read(location, "ssl.truststore.password");
        let trusted = read.and_then(|store| match store.trusted {
            empty if empty.is_empty() => Err("it holds no trusted certificate".to_owned()),
            trusted => Ok(trusted),
        });
        match trusted {
            Ok(pem) => take(translation, location, "ssl.ca.pem", &pem),
            Err(problem) => translation.refuse(location.key.clone(), &location.value, &problem),
        }
    }

    fn java_key(&self, location: &Given, translation: &mut Translation) {
        let read = self.read(location, "ssl.keystore.password");
        let key = read.and_then(|store| store.key.ok_or("it holds no private key".to_owned()));
        match key {
            Ok(own) => {
                take(translation, location, "ssl.key.pem", &own.key);
                take(translation, location, "ssl.certificate.pem", &own.chain);
            }
            Err(problem) => translation.refuse(location.key.clone(), &location.value, &problem),
        }
    }

    fn read(&self, location: &Given, password: &str) -> Result<JavaStore, String> {
        let text = |name: &str| self.get(name).map(|given| given.value.as_str());
        let path = Path::new(&location.value);
        let bytes = offline::read_bounded(path, FILE_BYTES_MAX)
            .map_err(|error| format!("cannot be read: {error}"))?
            .ok_or_else(|| format!("larger than {FILE_BYTES_MAX} bytes"))?;
        java_store::read(
            &bytes,
            text(password).unwrap_or_default(),
            text(KEY_PASSWORD),
        )
    }

    /// The type as given, or as the file's ending tells; JKS is Java's default.
    fn store_type(
        &self,
        name: &'static str,
        location: &Given,
        translation: &mut Translation,
    ) -> Option<StoreType> {
        let Some(given) = self.get(name) else {
            let ending = location.value.rsplit('.').next().unwrap_or_default();
            return Some(match ending.to_ascii_lowercase().as_str() {
                "pem" | "crt" | "cer" => StoreType::Pem,
                "p12" | "pfx" => StoreType::Pkcs12,
                _ => StoreType::Jks,
            });
        };
        match given.value.to_ascii_uppercase().as_str() {
            "PEM" => Some(StoreType::Pem),
            "PKCS12" => Some(StoreType::Pkcs12),
            "JKS" => Some(StoreType::Jks),
            _ => {
                let problem = "String must be one of: PEM, PKCS12, JKS";
                translation.refuse(given.key.clone(), &given.value, problem);
                None
            }
        }
    }

    fn get(&self, name: &str) -> Option<&Given> {
        self.given.get(name).filter(|given| !given.value.is_empty())
    }
}

fn take(translation: &mut Translation, given: &Given, property: &str, value: &str) {
    if let Err(problem) = translation.set(property, value) {
        // The text as it was given: what was read from it may be a private key.
        translation.refuse(given.key.clone(), &given.value, &problem);
    }
}
