//! How a schema registry is reached, out of a converter's keys.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::Values;
use crate::config::definitions::registry::RegistryKeys;
use crate::config::kafka::java_store;
use crate::config::{offline, secret};

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
    /// Longest pause before it is asked again: `errors.retry.delay.max.ms`.
    pub pause_max: Duration,
    /// A null stands for its field's default.
    pub default_for_null: bool,
}

/// Bounds how late a registry that works again is noticed.
const PAUSE_MAX: Duration = Duration::from_secs(2);

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

/// Where certificates or a key are.
#[derive(Debug, Clone, Default)]
pub enum Pem {
    /// Nowhere.
    #[default]
    None,
    /// In a file, read when it is needed: PEM, PKCS#12 or JKS.
    Store {
        /// The file.
        path: PathBuf,
        /// Its password.
        password: Option<SecretString>,
        /// That of the key in it, when it has one of its own.
        key_password: Option<SecretString>,
    },
    /// In this text, as PEM.
    Text(SecretString),
}

/// What is wanted of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PemPart {
    /// Certificates to trust.
    Trusted,
    /// The client's own certificates.
    Chain,
    /// The client's private key.
    Key,
}

/// Largest store.
const STORE_BYTES_MAX: u64 = 1024 * 1024;

impl Pem {
    /// The text in PEM, from its file if need be.
    ///
    /// # Errors
    /// When the file cannot be read, or holds nothing of the kind.
    pub fn text(&self, part: PemPart) -> Result<Option<String>, String> {
        let (path, password, key_password) = match self {
            Self::None => return Ok(None),
            Self::Text(text) => return Ok(Some(text.expose_secret().to_owned())),
            Self::Store {
                path,
                password,
                key_password,
            } => (path, password, key_password),
        };
        let failed = |problem: &str| {
            let file = path.display();
            format!("the schema registry's certificate store, {file}: {problem}")
        };
        let bytes = offline::read_bounded(path, STORE_BYTES_MAX)
            .map_err(|error| failed(&format!("cannot be read: {error}")))?
            .ok_or_else(|| failed("is too large for a store"))?;
        if let Ok(text) = std::str::from_utf8(&bytes)
            && text.contains("-----BEGIN ")
        {
            return Ok(Some(text.to_owned()));
        }
        let secret = |secret: &'_ Option<SecretString>| {
            secret
                .as_ref()
                .map(|secret| secret.expose_secret().to_owned())
        };
        let (password, key_password) = (secret(password), secret(key_password));
        let password = password.unwrap_or_default();
        let store = java_store::read(&bytes, &password, key_password.as_deref())
            .map_err(|problem| failed(&problem))?;
        match (part, store.key) {
            (PemPart::Trusted, _) => Ok(Some(store.trusted)),
            (PemPart::Chain, Some(key)) => Ok(Some(key.chain)),
            (PemPart::Key, Some(key)) => Ok(Some(key.key)),
            (PemPart::Chain | PemPart::Key, None) => Err(failed("holds no private key")),
        }
    }
}

impl PartialEq for Pem {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (
                Self::Store {
                    path,
                    password,
                    key_password,
                },
                Self::Store {
                    path: other_path,
                    password: other_password,
                    key_password: other_key_password,
                },
            ) => {
                path == other_path
                    && is_same(password.as_ref(), other_password.as_ref())
                    && is_same(key_password.as_ref(), other_key_password.as_ref())
            }
            (Self::Text(one), Self::Text(other)) => one.expose_secret() == other.expose_secret(),
            _ => false,
        }
    }
}

impl Eq for Pem {}

fn is_same(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.map(SecretString::expose_secret) == other.map(SecretString::expose_secret)
}

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
        pause_max: PAUSE_MAX,
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
    let secret = |key| {
        values
            .text(key)
            .map(|text| SecretString::from(text.to_owned()))
    };
    let text = |key| secret(key).map(Pem::Text);
    let store = |location, password, key_password: Option<SecretString>| {
        values.text(location).map(|path| Pem::Store {
            path: path.into(),
            password: secret(password),
            key_password,
        })
    };
    let of_key = || {
        let key_password = secret(keys.key_password);
        store(keys.key_location, keys.key_store_password, key_password)
    };
    RegistryTls {
        trusted: text(keys.trust_pem)
            .or_else(|| store(keys.trust_location, keys.trust_password, None))
            .unwrap_or_default(),
        chain: text(keys.chain_pem).or_else(of_key).unwrap_or_default(),
        key: text(keys.key_pem).or_else(of_key).unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::connector::ConnectorConfig;
    use crate::config::converter::Converter;
    use crate::config::parse::Invalid;
    use crate::config::worker::WorkerSettings;

    const CONFLUENT: &str = "io.confluent.connect.avro.AvroConverter";
    const APICURIO: &str = "io.apicurio.registry.utils.converter.AvroConverter";

    fn parse(class: &str, keys: &[(&str, &str)]) -> Result<RegistryOptions, String> {
        let common = [
            ("name", "orders"),
            ("connector.class", "PostgresSink"),
            ("topics", "orders"),
            ("connection.url", "postgresql://db/shop"),
            ("value.converter", class),
        ];
        let common = common.map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
        let own = keys
            .iter()
            .map(|(key, value)| (format!("value.converter.{key}"), Some((*value).to_owned())));
        let raw = common.into_iter().chain(own).collect();
        match ConnectorConfig::parse(&raw, &WorkerSettings::default()) {
            Ok(config) => match config.value_converter {
                Converter::Registered(_, options) => Ok(*options),
                other => Err(format!("{other:?}")),
            },
            Err(Invalid::Keys(errors)) => Err(errors[0].message.clone()),
            Err(other) => Err(other.to_string()),
        }
    }

    #[test]
    fn addresses_and_credentials_are_taken_apart() {
        let url = (
            "schema.registry.url",
            "http://ann:a@b@one:8081/base, https://two",
        );
        let options = parse(CONFLUENT, &[url]).unwrap();
        assert_eq!(options.urls, ["http://one:8081/base", "https://two"]);
        let basic = |text: &str| RegistryAuth::Basic(SecretString::from(text.to_owned()));
        assert_eq!(options.auth, basic("ann:a@b"));
        assert_eq!(options.ids, IdFraming::Confluent);
        let url = ("schema.registry.url", "http://one");
        let auth = |keys: &[(&str, &str)]| parse(CONFLUENT, &[&[url], keys].concat()).unwrap().auth;
        assert_eq!(auth(&[]), RegistryAuth::None);
        let user_info = ("basic.auth.user.info", "ann:s3cret");
        let source = ("basic.auth.credentials.source", "USER_INFO");
        assert_eq!(auth(&[source, user_info]), basic("ann:s3cret"));
        assert_eq!(auth(&[user_info]), basic("ann:s3cret"));
        let token = ("bearer.auth.token", "t0ken");
        let bearer = RegistryAuth::Bearer(SecretString::from("t0ken".to_owned()));
        assert_eq!(auth(&[token]), bearer);
        let printed = format!("{:?}", parse(CONFLUENT, &[url, user_info]).unwrap());
        assert!(!printed.contains("s3cret"), "{printed}");
    }

    #[test]
    fn apicurios_ids_follow_its_version_and_keys() {
        let check = |keys: &[(&str, &str)], ids: IdFraming, by_global_id: bool| {
            let options = parse(APICURIO, keys).unwrap();
            assert_eq!(
                (options.ids, options.by_global_id),
                (ids, by_global_id),
                "{keys:?}"
            );
        };
        let v2 = ("apicurio.registry.url", "http://a/apis/registry/v2");
        let v3 = ("apicurio.registry.url", "http://a/apis/registry/v3");
        check(&[v2], IdFraming::ApicurioWide, true);
        check(&[v3], IdFraming::ApicurioNarrow, false);
        let content = ("apicurio.registry.use-id", "contentId");
        let confluent = ("apicurio.registry.as-confluent", "true");
        check(&[v2, content, confluent], IdFraming::ApicurioNarrow, false);
        let handler = "io.apicurio.registry.serde.Legacy8ByteIdHandler";
        let handler = ("apicurio.registry.id-handler", handler);
        check(&[v3, handler], IdFraming::ApicurioWide, false);
        let confluent_api = ("schema.registry.url", "http://a/apis/ccompat/v7");
        check(&[confluent_api], IdFraming::Confluent, false);
    }

    #[test]
    fn javas_stores_are_read() {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/kafka/fixtures");
        let store = |file: &str, password: &str| Pem::Store {
            path: folder.join(file),
            password: Some(SecretString::from(password.to_owned())),
            key_password: None,
        };
        let has = |pem: Pem, part: PemPart, words: &str| {
            let text = pem.text(part).unwrap().unwrap();
            assert!(text.contains(words), "{part:?}");
        };
        has(
            store("trust.jks", "s3cret"),
            PemPart::Trusted,
            "BEGIN CERTIFICATE",
        );
        has(
            store("trust.p12", "s3cret"),
            PemPart::Trusted,
            "BEGIN CERTIFICATE",
        );
        has(store("ca.pem", ""), PemPart::Trusted, "BEGIN CERTIFICATE");
        assert!(store("trust.jks", "wrong").text(PemPart::Trusted).is_err());
        assert!(store("nothing.pem", "").text(PemPart::Trusted).is_err());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let refused = |class: &str, keys: &[(&str, &str)], part: &str| {
            let reason = parse(class, keys).unwrap_err();
            assert!(reason.contains(part), "{keys:?}: {reason}");
        };
        refused(
            CONFLUENT,
            &[],
            "value.converter.schema.registry.url must be given",
        );
        refused(
            APICURIO,
            &[],
            "value.converter.apicurio.registry.url must be given",
        );
        refused(
            CONFLUENT,
            &[("schema.registry.url", "mock://x")],
            "must begin with http:// or https://",
        );
        let url = ("schema.registry.url", "http://one");
        let source = ("basic.auth.credentials.source", "USER_INFO");
        refused(
            CONFLUENT,
            &[url, source],
            "basic.auth.user.info must be given",
        );
        let kind = ("schema.registry.ssl.truststore.type", "BCFKS");
        refused(CONFLUENT, &[url, kind], "PEM, PKCS12, JKS");
        let host = ("schema.registry.ssl.endpoint.identification.algorithm", "");
        refused(CONFLUENT, &[url, host], "must be one of: https");
    }
}
