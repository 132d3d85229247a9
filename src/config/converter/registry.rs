//! How a schema registry is reached, out of a converter's keys.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Values;
use crate::config::definitions::registry::RegistryKeys;
use crate::config::secret;

/// A registry and what is needed to be let in.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryOptions {
    /// Base addresses, without user information, in the order in which they are tried.
    pub urls: Vec<String>,
    /// Who we are.
    pub auth: RegistryAuth,
    /// Whom we trust.
    pub tls: RegistryTls,
    /// How records name their schemas.
    pub ids: IdFraming,
    /// Apicurio: records have global ids, not content ids.
    pub by_global_id: bool,
    /// `http.connect.timeout.ms`
    pub connect_timeout: Duration,
    /// `http.read.timeout.ms`
    pub read_timeout: Duration,
    /// A null stands for its field's default.
    pub default_for_null: bool,
}

/// Whose bytes stand in front of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdFraming {
    /// Confluent's: 4 bytes, or a GUID in a header.
    Confluent,
    /// Apicurio's with 4 bytes.
    ApicurioNarrow,
    /// Apicurio's with 8 bytes.
    ApicurioWide,
}

/// How a registry knows us.
#[derive(Debug, Clone)]
pub enum RegistryAuth {
    /// It does not.
    None,
    /// `user:password`
    Basic(SecretString),
    /// A token.
    Bearer(SecretString),
}

/// Certificates for https.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegistryTls {
    /// Whom we trust; none: whom the system trusts.
    pub trusted: Pem,
    /// The client's certificates.
    pub chain: Pem,
    /// The client's private key.
    pub key: Pem,
}

/// Text in PEM.
#[derive(Debug, Clone, Default)]
pub enum Pem {
    /// None.
    #[default]
    None,
    /// In a file, read when it is needed.
    File(PathBuf),
    /// Itself.
    Text(SecretString),
}

impl Pem {
    /// The text, from its file if need be; `key` says for messages which key named it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn text(&self, key: &str) -> Result<Option<String>, String> {
        match self {
            Self::None => Ok(None),
            Self::Text(text) => Ok(Some(text.expose_secret().to_owned())),
            Self::File(path) => std::fs::read_to_string(path).map(Some).map_err(|error| {
                format!(
                    "the registry's {key}, {}, cannot be read: {error}",
                    path.display()
                )
            }),
        }
    }
}

impl PartialEq for Pem {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::File(one), Self::File(other)) => one == other,
            (Self::Text(one), Self::Text(other)) => one.expose_secret() == other.expose_secret(),
            _ => false,
        }
    }
}

impl Eq for Pem {}

impl PartialEq for RegistryAuth {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Basic(one), Self::Basic(other)) | (Self::Bearer(one), Self::Bearer(other)) => {
                one.expose_secret() == other.expose_secret()
            }
            _ => false,
        }
    }
}

impl Eq for RegistryAuth {}

impl fmt::Debug for RegistryOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls = self.urls.iter().map(|url| secret::without_credentials(url));
        formatter
            .debug_struct("RegistryOptions")
            .field("urls", &urls.collect::<Vec<_>>())
            .field("auth", &self.auth)
            .field("ids", &self.ids)
            .finish_non_exhaustive()
    }
}

/// The registry that these keys name.
///
/// # Errors
/// The key that is wrong, and why.
pub(super) fn read(
    keys: &RegistryKeys,
    values: &Values<'_>,
    apicurio_class: bool,
) -> Result<RegistryOptions, (&'static str, String)> {
    let apicurio = values.text(keys.apicurio_url);
    let given = values.list(keys.url);
    // Apicurio's converters may also be given the address of its Confluent API.
    let (addresses, ids) = match (apicurio, given) {
        (Some(url), []) => (vec![url.to_owned()], apicurio_framing(keys, values, url)),
        (_, []) => {
            let key = match apicurio_class {
                true => keys.apicurio_url.name,
                false => keys.url.name,
            };
            let problem = "must be given: the converter looks schemas up in a registry";
            return Err((key, format!("{key} {problem}")));
        }
        (_, given) => (given.to_vec(), IdFraming::Confluent),
    };
    let mut user_info = None;
    let mut urls = Vec::new();
    for address in addresses {
        let (url, info) = without_user_info(&address).ok_or_else(|| {
            let key = keys.url.name;
            let shown = secret::without_credentials(&address);
            (key, format!("Invalid value {shown} for configuration {key}: must begin with http:// or https://"))
        })?;
        user_info = user_info.or(info);
        urls.push(url);
    }
    let by_global_id = match values.text(keys.apicurio_use_id) {
        Some(id) => id.eq_ignore_ascii_case("globalId"),
        None => urls.iter().any(|url| is_version_2(url)),
    };
    Ok(RegistryOptions {
        auth: auth(keys, values, user_info)?,
        tls: tls(keys, values),
        ids,
        by_global_id,
        connect_timeout: values.millis(keys.connect_timeout),
        read_timeout: values.millis(keys.read_timeout),
        default_for_null: !values.is_true(keys.keep_null),
        urls,
    })
}

fn apicurio_framing(keys: &RegistryKeys, values: &Values<'_>, url: &str) -> IdFraming {
    let narrow = match values.text(keys.apicurio_handler) {
        _ if values.is_true(keys.apicurio_as_confluent) => true,
        Some(handler) => handler.contains("4Byte"),
        None => !is_version_2(url),
    };
    match narrow {
        true => IdFraming::ApicurioNarrow,
        false => IdFraming::ApicurioWide,
    }
}

fn is_version_2(url: &str) -> bool {
    url.trim_end_matches('/').ends_with("/v2")
}

fn auth(
    keys: &RegistryKeys,
    values: &Values<'_>,
    user_info: Option<String>,
) -> Result<RegistryAuth, (&'static str, String)> {
    let secret = |text: &str| SecretString::from(text.to_owned());
    if let Some(token) = values.text(keys.bearer_token) {
        return Ok(RegistryAuth::Bearer(secret(token)));
    }
    if let (Some(user), password) = (
        values.text(keys.apicurio_user),
        values.text(keys.apicurio_password).unwrap_or_default(),
    ) {
        return Ok(RegistryAuth::Basic(secret(&format!("{user}:{password}"))));
    }
    let given = values
        .text(keys.user_info)
        .or_else(|| values.text(keys.old_user_info));
    let in_key = values
        .text(keys.auth_source)
        .is_some_and(|source| source.eq_ignore_ascii_case("USER_INFO"));
    match (in_key, given, user_info) {
        (true, Some(given), _) => Ok(RegistryAuth::Basic(secret(given))),
        (true, None, _) => {
            let key = keys.user_info.name;
            let source = keys.auth_source.name;
            Err((
                key,
                format!("{key} must be given, as {source} is USER_INFO"),
            ))
        }
        (false, _, Some(info)) => Ok(RegistryAuth::Basic(secret(&info))),
        // Left out where the source was meant: nobody gives a password that shall not be used.
        (false, Some(given), None) => Ok(RegistryAuth::Basic(secret(given))),
        (false, None, None) => Ok(RegistryAuth::None),
    }
}

fn tls(keys: &RegistryKeys, values: &Values<'_>) -> RegistryTls {
    let text = |key| {
        values
            .text(key)
            .map(|text| Pem::Text(text.to_owned().into()))
    };
    let file = |key| values.text(key).map(|path| Pem::File(path.into()));
    let stored = || file(keys.key_location);
    RegistryTls {
        trusted: text(keys.trust_pem)
            .or_else(|| file(keys.trust_location))
            .unwrap_or_default(),
        chain: text(keys.chain_pem).or_else(stored).unwrap_or_default(),
        key: text(keys.key_pem).or_else(stored).unwrap_or_default(),
    }
}

/// The address without `user:password@`, and that. `None`: no http address.
fn without_user_info(address: &str) -> Option<(String, Option<String>)> {
    let (scheme, rest) = address.split_once("://")?;
    if !matches!(scheme, "http" | "https") || rest.is_empty() {
        return None;
    }
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    Some(match authority.rsplit_once('@') {
        Some((info, host)) => (format!("{scheme}://{host}{path}"), Some(info.to_owned())),
        None => (address.to_owned(), None),
    })
}
