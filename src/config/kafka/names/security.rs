//! The settings of security: logins, keys and certificates.

use super::Form::{Boolean, Choice, Integer, Text};
use super::Meaning::{
    Accepted, Endpoint, Fixed, Jaas, Mechanism, NoEffect, OAuth, Refused, Same, Store,
};
use super::Scope::All;
use super::Setting;
use super::table::{JAVA_CLASS, setting};

const KERBEROS: &str = "Kerberos is not built in";
const OAUTH: &str = "tokens are had by client credentials only: sasl.oauthbearer.token.endpoint.url with clientId and clientSecret in sasl.jaas.config";
const BROKERS: &str = "it is for brokers, which judge tokens";
const LOGINS: &str = "tokens are renewed when four fifths of their life are over, and asked for again after ten seconds";
/// By its two names in Kafka's history.
const LOGIN_HANDLERS: &[&str] = &[
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
];
const TLS_DEFAULTS: &str = "OpenSSL decides it: TLS 1.2 or 1.3 with its default ciphers";

pub(super) const SETTINGS: &[Setting] = &[
    // Security.
    setting(
        "security.protocol",
        All,
        Choice(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]),
        Same,
    ),
    setting("sasl.mechanism", All, Text, Mechanism),
    setting("sasl.jaas.config", All, Text, Jaas),
    setting(
        "sasl.client.callback.handler.class",
        All,
        Text,
        Refused(JAVA_CLASS),
    ),
    setting(
        "sasl.login.callback.handler.class",
        All,
        Choice(LOGIN_HANDLERS),
        Accepted,
    ),
    setting("sasl.login.class", All, Text, Refused(JAVA_CLASS)),
    setting("sasl.kerberos.service.name", All, Text, Refused(KERBEROS)),
    setting("sasl.kerberos.kinit.cmd", All, Text, Refused(KERBEROS)),
    setting(
        "sasl.kerberos.min.time.before.relogin",
        All,
        Text,
        Refused(KERBEROS),
    ),
    setting(
        "sasl.kerberos.ticket.renew.jitter",
        All,
        Text,
        Refused(KERBEROS),
    ),
    setting(
        "sasl.kerberos.ticket.renew.window.factor",
        All,
        Text,
        Refused(KERBEROS),
    ),
    setting("sasl.oauthbearer.token.endpoint.url", All, Text, OAuth),
    setting(
        "sasl.oauthbearer.jwks.endpoint.url",
        All,
        Text,
        NoEffect(BROKERS),
    ),
    setting(
        "sasl.oauthbearer.scope.claim.name",
        All,
        Text,
        NoEffect(BROKERS),
    ),
    setting(
        "sasl.oauthbearer.sub.claim.name",
        All,
        Text,
        NoEffect(BROKERS),
    ),
    setting(
        "sasl.oauthbearer.client.credentials.client.id",
        All,
        Text,
        OAuth,
    ),
    setting(
        "sasl.oauthbearer.client.credentials.client.secret",
        All,
        Text,
        OAuth,
    ),
    setting(
        "sasl.oauthbearer.jwt.retriever.class",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting(
        "sasl.oauthbearer.jwt.validator.class",
        All,
        Text,
        NoEffect(BROKERS),
    ),
    setting("sasl.login.connect.timeout.ms", All, Integer, OAuth),
    setting("sasl.login.read.timeout.ms", All, Integer, OAuth),
    setting(
        "sasl.login.refresh.buffer.seconds",
        All,
        Text,
        NoEffect(LOGINS),
    ),
    setting(
        "sasl.login.refresh.min.period.seconds",
        All,
        Text,
        NoEffect(LOGINS),
    ),
    setting(
        "sasl.login.refresh.window.factor",
        All,
        Text,
        NoEffect(LOGINS),
    ),
    setting(
        "sasl.login.refresh.window.jitter",
        All,
        Text,
        NoEffect(LOGINS),
    ),
    setting(
        "sasl.login.retry.backoff.max.ms",
        All,
        Text,
        NoEffect(LOGINS),
    ),
    setting("sasl.login.retry.backoff.ms", All, Text, NoEffect(LOGINS)),
    setting(
        "sasl.oauthbearer.assertion.algorithm",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting(
        "sasl.oauthbearer.assertion.claim.aud",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting(
        "sasl.oauthbearer.assertion.claim.exp.seconds",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting(
        "sasl.oauthbearer.assertion.claim.iss",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting(
        "sasl.oauthbearer.assertion.claim.jti.include",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting(
        "sasl.oauthbearer.assertion.claim.nbf.seconds",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting(
        "sasl.oauthbearer.assertion.claim.sub",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting("sasl.oauthbearer.assertion.file", All, Text, Refused(OAUTH)),
    setting(
        "sasl.oauthbearer.assertion.private.key.file",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting(
        "sasl.oauthbearer.assertion.private.key.passphrase",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting(
        "sasl.oauthbearer.assertion.template.file",
        All,
        Text,
        Refused(OAUTH),
    ),
    setting(
        "sasl.oauthbearer.clock.skew.seconds",
        All,
        Text,
        NoEffect(BROKERS),
    ),
    setting(
        "sasl.oauthbearer.expected.audience",
        All,
        Text,
        NoEffect(BROKERS),
    ),
    setting(
        "sasl.oauthbearer.expected.issuer",
        All,
        Text,
        NoEffect(BROKERS),
    ),
    setting(
        "sasl.oauthbearer.header.urlencode",
        All,
        Boolean,
        Fixed("false", "client id and secret are sent as they are"),
    ),
    setting(
        "sasl.oauthbearer.jwks.endpoint.refresh.ms",
        All,
        Text,
        NoEffect(BROKERS),
    ),
    setting(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms",
        All,
        Text,
        NoEffect(BROKERS),
    ),
    setting(
        "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms",
        All,
        Text,
        NoEffect(BROKERS),
    ),
    setting("sasl.oauthbearer.scope", All, Text, OAuth),
    setting("ssl.truststore.location", All, Text, Store),
    setting("ssl.truststore.type", All, Text, Store),
    setting("ssl.truststore.password", All, Text, Store),
    setting("ssl.truststore.certificates", All, Text, Store),
    setting("ssl.keystore.location", All, Text, Store),
    setting("ssl.keystore.type", All, Text, Store),
    setting("ssl.keystore.password", All, Text, Store),
    setting("ssl.keystore.key", All, Text, Store),
    setting("ssl.keystore.certificate.chain", All, Text, Store),
    setting("ssl.key.password", All, Text, Same),
    setting("ssl.endpoint.identification.algorithm", All, Text, Endpoint),
    setting("ssl.engine.factory.class", All, Text, Refused(JAVA_CLASS)),
    setting(
        "ssl.cipher.suites",
        All,
        Text,
        Refused("Java's names of cipher suites are not OpenSSL's; OpenSSL's defaults are used"),
    ),
    setting("ssl.enabled.protocols", All, Text, NoEffect(TLS_DEFAULTS)),
    setting("ssl.protocol", All, Text, NoEffect(TLS_DEFAULTS)),
    setting("ssl.provider", All, Text, NoEffect(TLS_DEFAULTS)),
    setting(
        "ssl.keymanager.algorithm",
        All,
        Text,
        NoEffect(TLS_DEFAULTS),
    ),
    setting(
        "ssl.trustmanager.algorithm",
        All,
        Text,
        NoEffect(TLS_DEFAULTS),
    ),
    setting(
        "ssl.secure.random.implementation",
        All,
        Text,
        NoEffect(TLS_DEFAULTS),
    ),
    // Security, by librdkafka's own names.
    setting("sasl.mechanisms", All, Text, Mechanism),
    setting("sasl.username", All, Text, Same),
    setting("sasl.password", All, Text, Same),
    setting("ssl.ca.location", All, Text, Same),
    setting("ssl.ca.pem", All, Text, Same),
    setting("ssl.certificate.location", All, Text, Same),
    setting("ssl.certificate.pem", All, Text, Same),
    setting("ssl.key.location", All, Text, Same),
    setting("ssl.key.pem", All, Text, Same),
    setting("enable.ssl.certificate.verification", All, Boolean, Same),
];
