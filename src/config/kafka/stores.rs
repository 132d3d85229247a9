//! Key and trust stores: what Java's clients load from them, in the files librdkafka can load.
//!
//! librdkafka reads PEM, and for a client's own key also PKCS#12. Java's JKS it cannot read.

use std::collections::BTreeMap;

use super::Translation;

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

const CONVERT_TRUST: &str = "only PEM can be read. Convert it: keytool -importkeystore -srckeystore FILE -destkeystore trust.p12 -deststoretype PKCS12, then openssl pkcs12 -in trust.p12 -nokeys -out trust.pem; then set ssl.truststore.type=PEM and the new location";
const CONVERT_KEY: &str = "JKS cannot be read. Convert it: keytool -importkeystore -srckeystore FILE -destkeystore key.p12 -deststoretype PKCS12; then set ssl.keystore.type=PKCS12 and the new location";

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
                    translation.refuse(location.key.clone(), &location.value, CONVERT_TRUST);
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
            Some(StoreType::Jks) => {
                translation.refuse(location.key.clone(), &location.value, CONVERT_KEY);
            }
        }
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
        translation.refuse(given.key.clone(), value, &problem);
    }
}
