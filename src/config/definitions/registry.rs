//! Keys of converters that have a schema registry: those of Confluent's converters, and of
//! Apicurio's where they differ.

use super::{ConfigKey, Group, Kind, Rule};

/// Longest wait for a registry's answer; records wait in memory meanwhile.
const TIMEOUT_MS_LIMIT: i64 = 300_000;

const URL_DOC: &str = "Converters with a schema registry: its addresses, separated by commas, base path included (`http://registry:8081`, `http://apicurio:8080/apis/ccompat/v7`). The next is asked when one does not answer.";
const AUTH_SOURCE_DOC: &str = "Schema registry: where user and password of basic authentication are: in the `URL`, or in `basic.auth.user.info` (`USER_INFO`).";
const USER_INFO_DOC: &str = "Schema registry: `user:password` for basic authentication.";
const OLD_USER_INFO_DOC: &str = "Schema registry: older name of `basic.auth.user.info`.";
const BEARER_SOURCE_DOC: &str = "Schema registry: where the bearer token comes from.";
const BEARER_SOURCE_REASON: &str =
    "Only `STATIC_TOKEN`, the token in `bearer.auth.token`, is supported.";
const BEARER_DOC: &str = "Schema registry: token for bearer authentication.";
const TRUST_DOC: &str = "Schema registry over https: file (PEM, PKCS#12 or JKS) with the certificates to trust. Not given: those of the system.";
const TRUST_PEM_DOC: &str = "Schema registry over https: the certificates to trust, as PEM text.";
const KEY_STORE_DOC: &str = "Schema registry over https: file (PEM, PKCS#12 or JKS) with the client's certificate chain and its private key (PKCS#8, unencrypted).";
const KEY_PEM_DOC: &str =
    "Schema registry over https: the client's private key, as PEM text (PKCS#8, unencrypted).";
const CHAIN_PEM_DOC: &str =
    "Schema registry over https: the client's certificate chain, as PEM text.";
const STORE_TYPE_DOC: &str =
    "Schema registry over https: form of the file. It is read as what it is, whichever is named.";
const STORE_PASSWORD_DOC: &str =
    "Schema registry over https: password of the file, unless it is PEM.";
const KEY_PASSWORD_DOC: &str =
    "Schema registry over https: password of the key in the file, when it has one of its own.";
const HOST_NAME_DOC: &str =
    "Schema registry over https: how the host's name is checked. It always is.";
const CONNECT_TIMEOUT_DOC: &str = "Schema registry: how long connecting may take, in milliseconds, before the next address is tried.";
const READ_TIMEOUT_DOC: &str = "Schema registry: how long an answer may take, in milliseconds, before the next address is tried.";
const KEEP_NULL_DOC: &str = "`AvroConverter`: whether null stays null where its field has a default. `false`: it stands for the default.";
const NO_EFFECT_DOC: &str = "Schema registry: an option of its Java client or of writing.";
const BY_ID: &str = "Schemas are looked up by the id in each record, which needs no subject, and nothing is registered.";
const RETRIED: &str = "A registry that does not answer is asked again for as long as that lasts; the records wait, and the task's status says so.";
const KEPT: &str = "Schemas are kept by id for as long as the task runs.";
const APICURIO_URL_DOC: &str = "Apicurio's converters: address of the registry's API (`http://apicurio:8080/apis/registry/v3`).";
const APICURIO_USE_ID_DOC: &str = "Apicurio's converters: which of its two ids the records have. Not given: `globalId` with version 2 of the API, else `contentId`.";
const APICURIO_HANDLER_DOC: &str = "Apicurio's converters: class that reads the id in front of the bytes. A name with `4Byte` in it means 4 bytes, any other 8. Not given: 8 with version 2 of the API, else 4.";
const APICURIO_CONFLUENT_DOC: &str =
    "Apicurio's converters: whether ids have 4 bytes, as Confluent's have.";
const APICURIO_USER_DOC: &str = "Apicurio's converters: user for basic authentication.";
const APICURIO_PASSWORD_DOC: &str = "Apicurio's converters: password of that user.";

/// The keys by which a registry is found and asked.
#[derive(Debug)]
pub(in crate::config) struct RegistryKeys {
    pub(in crate::config) url: &'static ConfigKey,
    pub(in crate::config) auth_source: &'static ConfigKey,
    pub(in crate::config) user_info: &'static ConfigKey,
    pub(in crate::config) old_user_info: &'static ConfigKey,
    pub(in crate::config) bearer_token: &'static ConfigKey,
    pub(in crate::config) trust_location: &'static ConfigKey,
    pub(in crate::config) trust_pem: &'static ConfigKey,
    pub(in crate::config) key_location: &'static ConfigKey,
    pub(in crate::config) trust_password: &'static ConfigKey,
    pub(in crate::config) key_store_password: &'static ConfigKey,
    pub(in crate::config) key_password: &'static ConfigKey,
    pub(in crate::config) key_pem: &'static ConfigKey,
    pub(in crate::config) chain_pem: &'static ConfigKey,
    pub(in crate::config) connect_timeout: &'static ConfigKey,
    pub(in crate::config) read_timeout: &'static ConfigKey,
    pub(in crate::config) keep_null: &'static ConfigKey,
    pub(in crate::config) apicurio_url: &'static ConfigKey,
    pub(in crate::config) apicurio_use_id: &'static ConfigKey,
    pub(in crate::config) apicurio_handler: &'static ConfigKey,
    pub(in crate::config) apicurio_as_confluent: &'static ConfigKey,
    pub(in crate::config) apicurio_user: &'static ConfigKey,
    pub(in crate::config) apicurio_password: &'static ConfigKey,
}

/// One key of one side. All are of little importance to those who have no registry.
macro_rules! key {
    ($prefix:literal, $side:literal, $suffix:literal, $kind:expr, $display:literal, $doc:expr) => {
        ConfigKey::new(
            concat!($prefix, ".", $suffix),
            $kind,
            Group::Common,
            concat!($display, " of ", $side, "s"),
            $doc,
        )
        .of_converter($prefix)
        .low()
    };
}

/// The keys of one side, for `key` or `value`.
macro_rules! registry_keys {
    ($module:ident, $prefix:literal, $side:literal) => {
        pub(in crate::config) mod $module {
            use super::*;

            static URL: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.url",
                Kind::List,
                "Schema registry",
                URL_DOC
            )
            .high()
            .sensitive();
            static AUTH_SOURCE: ConfigKey = key!(
                $prefix,
                $side,
                "basic.auth.credentials.source",
                Kind::Text,
                "Registry credentials",
                AUTH_SOURCE_DOC
            )
            .default("URL")
            .rule(Rule::OneOfIgnoringCase(&["URL", "USER_INFO"]));
            static USER_INFO: ConfigKey = key!(
                $prefix,
                $side,
                "basic.auth.user.info",
                Kind::Password,
                "Registry user",
                USER_INFO_DOC
            );
            static OLD_USER_INFO: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.basic.auth.user.info",
                Kind::Password,
                "Registry user, old",
                OLD_USER_INFO_DOC
            );
            static BEARER_SOURCE: ConfigKey = key!(
                $prefix,
                $side,
                "bearer.auth.credentials.source",
                Kind::Text,
                "Registry token source",
                BEARER_SOURCE_DOC
            )
            .default("STATIC_TOKEN")
            .rule(Rule::Only(&["STATIC_TOKEN"], BEARER_SOURCE_REASON));
            static BEARER: ConfigKey = key!(
                $prefix,
                $side,
                "bearer.auth.token",
                Kind::Password,
                "Registry token",
                BEARER_DOC
            );
            static TRUST: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.truststore.location",
                Kind::Text,
                "Registry trust store",
                TRUST_DOC
            );
            static TRUST_PEM: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.truststore.certificates",
                Kind::Password,
                "Registry trusted certificates",
                TRUST_PEM_DOC
            );
            static TRUST_TYPE: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.truststore.type",
                Kind::Text,
                "Registry trust store type",
                STORE_TYPE_DOC
            )
            .default("PEM")
            .rule(Rule::OneOfIgnoringCase(&["PEM", "PKCS12", "JKS"]));
            static TRUST_PASSWORD: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.truststore.password",
                Kind::Password,
                "Registry trust store password",
                STORE_PASSWORD_DOC
            );
            static STORE: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.keystore.location",
                Kind::Text,
                "Registry key store",
                KEY_STORE_DOC
            );
            static KEY_PEM: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.keystore.key",
                Kind::Password,
                "Registry client key",
                KEY_PEM_DOC
            );
            static CHAIN_PEM: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.keystore.certificate.chain",
                Kind::Password,
                "Registry client certificates",
                CHAIN_PEM_DOC
            );
            static STORE_TYPE: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.keystore.type",
                Kind::Text,
                "Registry key store type",
                STORE_TYPE_DOC
            )
            .default("PEM")
            .rule(Rule::OneOfIgnoringCase(&["PEM", "PKCS12", "JKS"]));
            static STORE_PASSWORD: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.keystore.password",
                Kind::Password,
                "Registry key store password",
                STORE_PASSWORD_DOC
            );
            static KEY_PASSWORD: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.key.password",
                Kind::Password,
                "Registry key password",
                KEY_PASSWORD_DOC
            );
            static HOST_NAME: ConfigKey = key!(
                $prefix,
                $side,
                "schema.registry.ssl.endpoint.identification.algorithm",
                Kind::Text,
                "Registry host name check",
                HOST_NAME_DOC
            )
            .default("https")
            .rule(Rule::OneOf(&["https"]));
            static CONNECT_TIMEOUT: ConfigKey = key!(
                $prefix,
                $side,
                "http.connect.timeout.ms",
                Kind::Int,
                "Registry connect time-out",
                CONNECT_TIMEOUT_DOC
            )
            .default("5000")
            .rule(Rule::Range(1, TIMEOUT_MS_LIMIT));
            static READ_TIMEOUT: ConfigKey = key!(
                $prefix,
                $side,
                "http.read.timeout.ms",
                Kind::Int,
                "Registry read time-out",
                READ_TIMEOUT_DOC
            )
            .default("10000")
            .rule(Rule::Range(1, TIMEOUT_MS_LIMIT));
            static KEEP_NULL: ConfigKey = key!(
                $prefix,
                $side,
                "ignore.default.for.nullables",
                Kind::Boolean,
                "Nulls kept",
                KEEP_NULL_DOC
            )
            .default("false");
            static KEY_SUBJECT: ConfigKey = key!(
                $prefix,
                $side,
                "key.subject.name.strategy",
                Kind::Class,
                "Subjects of record keys",
                NO_EFFECT_DOC
            )
            .rule(Rule::NoEffect(BY_ID));
            static VALUE_SUBJECT: ConfigKey = key!(
                $prefix,
                $side,
                "value.subject.name.strategy",
                Kind::Class,
                "Subjects of record values",
                NO_EFFECT_DOC
            )
            .rule(Rule::NoEffect(BY_ID));
            static AUTO_REGISTER: ConfigKey = key!(
                $prefix,
                $side,
                "auto.register.schemas",
                Kind::Boolean,
                "Registering",
                NO_EFFECT_DOC
            )
            .rule(Rule::NoEffect(BY_ID));
            static USE_LATEST: ConfigKey = key!(
                $prefix,
                $side,
                "use.latest.version",
                Kind::Boolean,
                "Latest version",
                NO_EFFECT_DOC
            )
            .rule(Rule::NoEffect(BY_ID));
            static ENHANCED: ConfigKey = key!(
                $prefix,
                $side,
                "enhanced.avro.schema.support",
                Kind::Boolean,
                "Enhanced support",
                NO_EFFECT_DOC
            )
            .rule(Rule::NoEffect("Enums and packages are always read."));
            static META_DATA: ConfigKey = key!(
                $prefix,
                $side,
                "connect.meta.data",
                Kind::Boolean,
                "Connect's metadata",
                NO_EFFECT_DOC
            )
            .rule(Rule::NoEffect("It is read where it is."));
            static CACHE: ConfigKey = key!(
                $prefix,
                $side,
                "schemas.cache.config",
                Kind::Int,
                "Registry cache",
                NO_EFFECT_DOC
            )
            .rule(Rule::NoEffect(KEPT));
            static PER_SUBJECT: ConfigKey = key!(
                $prefix,
                $side,
                "max.schemas.per.subject",
                Kind::Int,
                "Schemas per subject",
                NO_EFFECT_DOC
            )
            .rule(Rule::NoEffect(KEPT));
            static RETRIES: ConfigKey = key!(
                $prefix,
                $side,
                "max.retries",
                Kind::Int,
                "Registry retries",
                NO_EFFECT_DOC
            )
            .rule(Rule::NoEffect(RETRIED));
            static RETRY_WAIT: ConfigKey = key!(
                $prefix,
                $side,
                "retries.wait.ms",
                Kind::Int,
                "Registry retry wait",
                NO_EFFECT_DOC
            )
            .rule(Rule::NoEffect(RETRIED));
            static APICURIO_URL: ConfigKey = key!(
                $prefix,
                $side,
                "apicurio.registry.url",
                Kind::Text,
                "Apicurio registry",
                APICURIO_URL_DOC
            );
            static USE_ID: ConfigKey = key!(
                $prefix,
                $side,
                "apicurio.registry.use-id",
                Kind::Text,
                "Apicurio id",
                APICURIO_USE_ID_DOC
            )
            .rule(Rule::OneOfIgnoringCase(&["globalId", "contentId"]));
            static HANDLER: ConfigKey = key!(
                $prefix,
                $side,
                "apicurio.registry.id-handler",
                Kind::Class,
                "Apicurio id handler",
                APICURIO_HANDLER_DOC
            );
            static AS_CONFLUENT: ConfigKey = key!(
                $prefix,
                $side,
                "apicurio.registry.as-confluent",
                Kind::Boolean,
                "Apicurio ids as Confluent's",
                APICURIO_CONFLUENT_DOC
            )
            .default("false");
            static APICURIO_USER: ConfigKey = key!(
                $prefix,
                $side,
                "apicurio.registry.auth.username",
                Kind::Text,
                "Apicurio user",
                APICURIO_USER_DOC
            );
            static APICURIO_PASSWORD: ConfigKey = key!(
                $prefix,
                $side,
                "apicurio.registry.auth.password",
                Kind::Password,
                "Apicurio password",
                APICURIO_PASSWORD_DOC
            );

            pub(in crate::config) static NAMED: RegistryKeys = RegistryKeys {
                url: &URL,
                auth_source: &AUTH_SOURCE,
                user_info: &USER_INFO,
                old_user_info: &OLD_USER_INFO,
                bearer_token: &BEARER,
                trust_location: &TRUST,
                trust_pem: &TRUST_PEM,
                key_location: &STORE,
                trust_password: &TRUST_PASSWORD,
                key_store_password: &STORE_PASSWORD,
                key_password: &KEY_PASSWORD,
                key_pem: &KEY_PEM,
                chain_pem: &CHAIN_PEM,
                connect_timeout: &CONNECT_TIMEOUT,
                read_timeout: &READ_TIMEOUT,
                keep_null: &KEEP_NULL,
                apicurio_url: &APICURIO_URL,
                apicurio_use_id: &USE_ID,
                apicurio_handler: &HANDLER,
                apicurio_as_confluent: &AS_CONFLUENT,
                apicurio_user: &APICURIO_USER,
                apicurio_password: &APICURIO_PASSWORD,
            };

            pub(in crate::config) const KEYS: &[&ConfigKey] = &[
                &URL,
                &AUTH_SOURCE,
                &USER_INFO,
                &OLD_USER_INFO,
                &BEARER_SOURCE,
                &BEARER,
                &TRUST,
                &TRUST_PEM,
                &TRUST_TYPE,
                &TRUST_PASSWORD,
                &STORE,
                &KEY_PEM,
                &CHAIN_PEM,
                &STORE_TYPE,
                &STORE_PASSWORD,
                &KEY_PASSWORD,
                &HOST_NAME,
                &CONNECT_TIMEOUT,
                &READ_TIMEOUT,
                &KEEP_NULL,
                &KEY_SUBJECT,
                &VALUE_SUBJECT,
                &AUTO_REGISTER,
                &USE_LATEST,
                &ENHANCED,
                &META_DATA,
                &CACHE,
                &PER_SUBJECT,
                &RETRIES,
                &RETRY_WAIT,
                &APICURIO_URL,
                &USE_ID,
                &HANDLER,
                &AS_CONFLUENT,
                &APICURIO_USER,
                &APICURIO_PASSWORD,
            ];
        }
    };
}

registry_keys!(key, "key.converter", "key");
registry_keys!(value, "value.converter", "value");
