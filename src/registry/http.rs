//! Requests to a registry that has several addresses.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::ExposeSecret as _;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};

use super::FetchError;
use crate::config::converter::{PemPart, RegistryAuth, RegistryOptions, RegistryTls};
use crate::config::secret;
use crate::http;

/// Largest answer: a schema with all its documentation.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Asks one address after the other, beginning with the one that answered last.
pub(super) struct Client {
    agent: Agent,
    pub(super) options: RegistryOptions,
    authorization: Option<String>,
    /// Index of the address that answered last.
    preferred: usize,
}

/// What an address answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Client {
    pub(super) fn new(options: &RegistryOptions) -> Result<Self, String> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(options.connect_timeout))
            .timeout_global(Some(options.connect_timeout + options.read_timeout))
            .max_idle_age(Duration::from_secs(30))
            .tls_config(tls(&options.tls)?)
            .build();
        let authorization = match &options.auth {
            RegistryAuth::None => None,
            RegistryAuth::Basic(user_info) => Some(format!(
                "Basic {}",
                BASE64.encode(user_info.expose_secret())
            )),
            RegistryAuth::Bearer(token) => Some(format!("Bearer {}", token.expose_secret())),
        };
        Ok(Self {
            agent: config.into(),
            options: options.clone(),
            authorization,
            preferred: 0,
        })
    }

    /// Asks for a path below the base address. An address that cannot be reached, or says that it
    /// cannot answer, passes the question on to the next.
    pub(super) fn get(&mut self, path: &str) -> Result<Answer, FetchError> {
        let count = self.options.urls.len();
        let mut trouble = "no address is configured".to_owned();
        for turn in 0..count {
            let index = (self.preferred + turn) % count;
            let base = self.options.urls[index].trim_end_matches('/');
            let shown = secret::without_credentials(base);
            match self.ask(&format!("{base}{path}")) {
                Ok(answer) if is_answer(answer.status) => {
                    self.preferred = index;
                    return Ok(answer);
                }
                Ok(answer) => {
                    trouble = format!(
                        "{shown} answers with status {}{}",
                        answer.status,
                        advice(answer.status)
                    );
                }
                Err(error) => trouble = format!("{shown} cannot be reached: {error}"),
            }
        }
        Err(FetchError::Trouble(trouble))
    }

    fn ask(&self, url: &str) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.get(url).header(
            "Accept",
            "application/vnd.schemaregistry.v1+json, application/json, */*",
        );
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut response = request.call()?;
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()?;
        Ok(Answer { status, body })
    }
}

/// Found, or not: both are answers. Everything else is a state that may pass.
fn is_answer(status: u16) -> bool {
    matches!(status, 200..=299 | 404 | 422)
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => ": check the credentials of the registry in the converter's keys",
        _ => "",
    }
}

fn tls(options: &RegistryTls) -> Result<TlsConfig, String> {
    let mut builder = http::tls();
    if let Some(pem) = options.trusted.text(PemPart::Trusted)? {
        let certificates = certificates(&pem);
        if certificates.is_empty() {
            return Err("the registry's ssl.truststore holds no certificate in PEM".to_owned());
        }
        builder = builder.root_certs(RootCerts::new_with_certs(&certificates));
    }
    if let Some(chain) = options.chain.text(PemPart::Chain)? {
        let key = options.key.text(PemPart::Key)?.unwrap_or_default();
        let key = PrivateKey::from_pem(key.as_bytes()).map_err(|_| {
            "the registry's ssl.keystore holds no private key in PEM (unencrypted PKCS#8)"
                .to_owned()
        })?;
        let certificates = certificates(&chain);
        if certificates.is_empty() {
            return Err("the registry's ssl.keystore holds no certificate in PEM".to_owned());
        }
        builder = builder.client_cert(Some(ClientCert::new_with_certs(&certificates, key)));
    }
    Ok(builder.build())
}

fn certificates(pem: &str) -> Vec<Certificate<'static>> {
    ureq::tls::parse_pem(pem.as_bytes())
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect()
}
