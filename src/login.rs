//! Tokens for logins by OAUTHBEARER (KIP-768): asked for at the endpoint that the settings name, by
//! the client credentials grant (RFC 6749, section 4.4).
//!
//! librdkafka can do that by itself only with libcurl built in. It can also ask its user, whenever it
//! needs a token: it hands back what stands in `sasl.oauthbearer.config`, and that is an
//! [`OAuthLogin`] here. Each client's context answers with [`token`]. A client that nobody polls
//! cannot ask; it is given its token by [`log_in`].

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::error::{KafkaError, KafkaResult};
use serde::Deserialize;
use ureq::Agent;

use crate::config::kafka::{OAUTH_PROPERTY, OAuthLogin};
use crate::config::secret;
use crate::consume::native;
use crate::http;

/// Largest answer: a token, which is a header of every later request.
const ANSWER_BYTES_MAX: u64 = 256 * 1024;

/// The property that chooses how to log in.
const MECHANISM: &str = "sasl.mechanisms";

/// For endpoints that do not say how long a token is good.
const LIFETIME_UNKNOWN: Duration = Duration::from_secs(300);

/// A context for clients that say nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoginContext;

impl ClientContext for LoginContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        token(config)
    }
}

/// A new token, by the login that the client hands back. Blocks for as long as the login's time-outs
/// allow.
///
/// # Errors
/// When the endpoint does not answer, or with none. No secret is in the message.
pub fn token(config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
    let login: OAuthLogin = serde_json::from_str(config.unwrap_or_default())
        .map_err(|_| "there is no login for sasl.mechanism=OAUTHBEARER")?;
    Ok(login.ask()?)
}

/// Gives a client its token, when its login is by OAUTHBEARER: for one that is not polled yet, and
/// so cannot ask. Blocks for as long as the login's time-outs allow.
pub fn log_in<C: ClientContext>(client: &Client<C>, properties: &[(String, String)]) {
    let property = |name: &str| {
        let found = properties.iter().rev().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    give_token(client, property(MECHANISM), property(OAUTH_PROPERTY));
}

/// A client for a request or two, logged in: nobody polls it for anything but answers.
///
/// # Errors
/// When the config makes no client.
pub async fn admin_client(config: ClientConfig) -> KafkaResult<Arc<AdminClient<LoginContext>>> {
    let made = tokio::task::spawn_blocking(move || {
        let client: AdminClient<LoginContext> = config.create_with_context(LoginContext)?;
        let (mechanism, login) = (config.get(MECHANISM), config.get(OAUTH_PROPERTY));
        give_token(client.inner(), mechanism, login);
        Ok(Arc::new(client))
    });
    made.await.unwrap_or(Err(KafkaError::Canceled))
}

fn give_token<C: ClientContext>(client: &Client<C>, mechanism: Option<&str>, login: Option<&str>) {
    if mechanism == Some("OAUTHBEARER") {
        native::set_token(client, token(login));
    }
}

impl OAuthLogin {
    fn ask(&self) -> Result<OAuthToken, String> {
        let shown = secret::without_credentials(&self.url);
        let failed = |reason: String| {
            tracing::warn!(endpoint = %shown, "no token for sasl.mechanism=OAUTHBEARER: {reason}");
            format!("token endpoint {shown}: {reason}")
        };
        let answer = self.post().map_err(|error| failed(error.to_string()))?;
        self.read(&answer, SystemTime::now()).map_err(failed)
    }

    fn post(&self) -> Result<(u16, String), ureq::Error> {
        let connect_timeout = Duration::from_millis(self.connect_timeout_ms);
        let read_timeout = Duration::from_millis(self.read_timeout_ms);
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(connect_timeout))
            .timeout_global(Some(connect_timeout + read_timeout))
            .tls_config(http::tls().build())
            .build()
            .into();
        let credentials = BASE64.encode(format!("{}:{}", self.client_id, self.client_secret));
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let mut response = agent
            .post(&self.url)
            .header("Accept", "application/json")
            .header("Authorization", format!("Basic {credentials}"))
            .send_form(form)?;
        let status = response.status().as_u16();
        let limited = response.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        Ok((status, limited.read_to_string()?))
    }

    fn read(&self, answer: &(u16, String), now: SystemTime) -> Result<OAuthToken, String> {
        #[derive(Deserialize)]
        struct Answer {
            access_token: String,
            expires_in: Option<u64>,
        }
        let (status, body) = answer;
        if !(200..300).contains(status) {
            return Err(format!("it answers with status {status}"));
        }
        let answer: Answer =
            serde_json::from_str(body).map_err(|_| "its answer has no access_token".to_owned())?;
        let claims = claims(&answer.access_token);
        let claim = |name: &str| claims.as_ref().and_then(|claims| claims.get(name));
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let lifetime = answer
            .expires_in
            .map_or(LIFETIME_UNKNOWN, Duration::from_secs);
        let by_answer = since_epoch.saturating_add(lifetime).as_millis();
        let by_claim = claim("exp").and_then(serde_json::Value::as_f64);
        let lifetime_ms = match by_claim {
            // Seconds, perhaps with a fraction; the year 10000 is late enough.
            #[expect(clippy::cast_possible_truncation, reason = "bounded")]
            Some(seconds) if (0.0..253_402_300_800.0).contains(&seconds) => {
                (seconds * 1000.0) as i64
            }
            _ => i64::try_from(by_answer).unwrap_or(i64::MAX),
        };
        let principal = claim("sub").and_then(serde_json::Value::as_str);
        Ok(OAuthToken {
            principal_name: principal.unwrap_or(&self.client_id).to_owned(),
            token: answer.access_token,
            lifetime_ms,
        })
    }
}

/// What a token says, when it is a JWT.
fn claims(token: &str) -> Option<serde_json::Value> {
    let payload = token.split('.').nth(1)?;
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::mpsc;

    use super::*;

    fn login(url: &str) -> OAuthLogin {
        OAuthLogin {
            url: url.to_owned(),
            client_id: "shop".to_owned(),
            client_secret: "s3cret".to_owned(),
            scope: Some("orders read".to_owned()),
            connect_timeout_ms: 2_000,
            read_timeout_ms: 2_000,
        }
    }

    /// An endpoint that gives every request this answer; what it was asked comes out of the channel.
    pub(crate) fn endpoint(status: &str, body: &str) -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let (asked, requests) = mpsc::channel();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                while !head.ends_with("\r\n\r\n") {
                    let from = head.len();
                    reader.read_line(&mut head).unwrap();
                    let line = head[from..].to_ascii_lowercase();
                    if let Some(given) = line.strip_prefix("content-length:") {
                        length = given.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let body = String::from_utf8(body).unwrap();
                if asked.send(format!("{head}{body}")).is_err() {
                    return;
                }
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        (url, requests)
    }

    #[test]
    fn the_endpoint_is_asked_by_client_credentials() {
        let (url, requests) = endpoint("200 OK", r#"{"access_token":"opaque","expires_in":60}"#);
        let config = serde_json::to_string(&login(&url)).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let token = token(Some(&config)).unwrap();
        assert_eq!((&*token.token, &*token.principal_name), ("opaque", "shop"));
        let left = i128::from(token.lifetime_ms) - i128::try_from(now.as_millis()).unwrap();
        assert!((60_000..70_000).contains(&left), "{left}");
        let request = requests.recv().unwrap();
        assert!(request.starts_with("POST /token "), "{request}");
        assert!(
            request
                .to_ascii_lowercase()
                .contains("authorization: basic c2hvcdpzm2nyzxq="),
            "{request}"
        );
        let body = request.rsplit("\r\n").next().unwrap();
        assert!(
            [
                "grant_type=client_credentials&scope=orders+read",
                "grant_type=client_credentials&scope=orders%20read"
            ]
            .contains(&body),
            "{body}"
        );
    }

    #[test]
    fn a_jwt_tells_for_whom_and_how_long() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"ann","exp":1893456000.5}"#);
        let body = format!("{{\"access_token\":\"e30.{payload}.sig\",\"expires_in\":60}}");
        let token = login("http://x").read(&(200, body), UNIX_EPOCH).unwrap();
        assert_eq!(
            (&*token.principal_name, token.lifetime_ms),
            ("ann", 1_893_456_000_500)
        );
        let unknown = (200, r#"{"access_token":"a.b.c"}"#.to_owned());
        let token = login("http://x").read(&unknown, UNIX_EPOCH).unwrap();
        assert_eq!(
            (&*token.principal_name, token.lifetime_ms),
            ("shop", 300_000)
        );
    }

    #[test]
    fn failures_say_what_to_look_at_and_show_no_secret() {
        let check = |url: &str, expected: &str| {
            let config = serde_json::to_string(&login(url)).unwrap();
            let error = token(Some(&config)).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(
                !error.contains("s3cret") && !error.contains("hidden"),
                "{error}"
            );
        };
        check(
            &endpoint("401 Unauthorized", "{\"hidden\":1}").0,
            "status 401",
        );
        check(&endpoint("200 OK", "[\"hidden\"]").0, "no access_token");
        check(
            "http://127.0.0.1:9/token",
            "token endpoint http://127.0.0.1:9/token",
        );
        assert!(token(None).is_err());
        assert!(!format!("{:?}", login("http://ann:s3cret@x/")).contains("s3cret"));
    }
}
