//! A login by OAUTHBEARER: its parts stand in several settings, or in the login module.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::names::{self, Meaning};
use super::{Layer, Problem, Scope, Translation, prefix_of};
use crate::config::secret;

/// The client property that holds an [`OAuthLogin`]: librdkafka hands it back when it needs a token.
pub const OAUTH_PROPERTY: &str = "sasl.oauthbearer.config";

const TOKEN_URL: &str = "sasl.oauthbearer.token.endpoint.url";
pub(super) const CLIENT_ID: &str = "sasl.oauthbearer.client.credentials.client.id";
pub(super) const CLIENT_SECRET: &str = "sasl.oauthbearer.client.credentials.client.secret";
pub(super) const SCOPE: &str = "sasl.oauthbearer.scope";

/// How long the token endpoint may take to be reached, and again to answer; Java waits without end.
const LOGIN_TIMEOUT_MS: u64 = 5_000;

/// Whom to ask for tokens, and as whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthLogin {
    /// `sasl.oauthbearer.token.endpoint.url`
    pub url: String,
    /// `clientId`
    pub client_id: String,
    /// `clientSecret`
    pub client_secret: String,
    /// `scope`
    pub scope: Option<String>,
    /// `sasl.login.connect.timeout.ms`
    pub connect_timeout_ms: u64,
    /// `sasl.login.read.timeout.ms`
    pub read_timeout_ms: u64,
}

impl fmt::Debug for OAuthLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OAuthLogin")
            .field("url", &secret::without_credentials(&self.url))
            .finish_non_exhaustive()
    }
}

impl Translation {
    /// Puts the login by OAUTHBEARER together.
    pub(super) fn check_oauth(&mut self, scope: Scope, layers: &[Layer<'_>]) {
        if self.property("sasl.mechanisms") != Some("OAUTHBEARER") {
            self.tell_unused_parts(scope, layers);
            return;
        }
        let prefix = prefix_of(layers, "sasl.mechanism").unwrap_or_default();
        let mut refuse = |problem: &str| {
            self.problems.push(Problem {
                key: format!("{prefix}sasl.mechanism"),
                shown: Some("OAUTHBEARER".to_owned()),
                problem: problem.to_owned(),
            });
        };
        let part = |name: &str| {
            self.oauth
                .get(name)
                .filter(|text| !text.is_empty())
                .cloned()
        };
        let millis = |name: &str| part(name).and_then(|text| text.parse().ok());
        let (Some(url), Some(client_id), Some(client_secret)) =
            (part(TOKEN_URL), part(CLIENT_ID), part(CLIENT_SECRET))
        else {
            return refuse(
                "needs sasl.oauthbearer.token.endpoint.url, and clientId and clientSecret in \
                 sasl.jaas.config",
            );
        };
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return refuse(
                "sasl.oauthbearer.token.endpoint.url must begin with http:// or https://",
            );
        }
        let login = OAuthLogin {
            url,
            client_id,
            client_secret,
            scope: part(SCOPE),
            connect_timeout_ms: millis("sasl.login.connect.timeout.ms").unwrap_or(LOGIN_TIMEOUT_MS),
            read_timeout_ms: millis("sasl.login.read.timeout.ms").unwrap_or(LOGIN_TIMEOUT_MS),
        };
        let told = serde_json::to_string(&login).unwrap_or_default();
        if let Err(problem) = self.set(OAUTH_PROPERTY, &told) {
            self.problems.push(Problem {
                key: format!("{prefix}sasl.mechanism"),
                shown: Some("OAUTHBEARER".to_owned()),
                problem,
            });
        }
    }

    fn tell_unused_parts(&mut self, scope: Scope, layers: &[Layer<'_>]) {
        for layer in layers {
            for (name, _) in &layer.settings {
                let setting = names::find(name, scope);
                if setting.is_some_and(|setting| matches!(setting.meaning, Meaning::OAuth)) {
                    let given = format!("{}{name}", layer.prefix);
                    let reason = "it is for sasl.mechanism=OAUTHBEARER";
                    self.without_effect.push((given, reason));
                }
            }
        }
    }
}
