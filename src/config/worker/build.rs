//! From keys and texts to [`WorkerSettings`].

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};

use super::foreign;
use super::keys::{self, Form, WorkerKey};
use super::sources::{Place, Settings};
use super::{
    AdminListeners, ClientAuth, ClientSettings, ClusterSettings, Listener, Loaded, LogFormat,
    OverridePolicy, ResponseHeader, SettingProblem, SettingsError, WorkerSettings, log_filter,
};
use crate::config::converter::{self, Converter, HeaderConverter, JsonOptions};
use crate::config::definitions::converters::{self, ConverterKeys};
use crate::config::definitions::{self, ConfigKey};
use crate::config::providers::{ConfigProviders, settings as provider_settings};
use crate::config::{RawConfig, check, secret, suggest};

/// Checks every setting and builds the whole, or says everything that is wrong.
pub(super) fn build(
    settings: &Settings,
    providers: ConfigProviders,
    mut problems: Vec<SettingProblem>,
) -> Result<Loaded, SettingsError> {
    let mut warnings = Vec::new();
    let mut clients = ClientSettings::default();
    for (key, given) in settings {
        match sort(key, &given.value, &given.place) {
            Sorted::Own => {}
            Sorted::Client => clients.insert(key.clone(), given.value.clone()),
            Sorted::NoEffect(reason) => {
                warnings.push(format!("{key} ({}) has no effect: {reason}", given.place));
            }
            Sorted::Wrong(problem) => problems.push(SettingProblem {
                key: key.clone(),
                place: given.place.clone(),
                problem,
                allowed: None,
            }),
        }
    }
    check_clients(&clients, settings, &mut problems, &mut warnings);
    let mut reader = Reader { settings, problems };
    let built = reader.worker(clients, providers);
    if reader.problems.is_empty() {
        Ok(Loaded {
            settings: built,
            warnings,
        })
    } else {
        Err(SettingsError::Invalid(reader.problems))
    }
}

/// The built-in defaults.
pub(super) fn defaults() -> WorkerSettings {
    let settings = Settings::new();
    let mut reader = Reader {
        settings: &settings,
        problems: Vec::new(),
    };
    reader.worker(ClientSettings::default(), ConfigProviders::default())
}

enum Sorted {
    Own,
    Client,
    NoEffect(&'static str),
    Wrong(String),
}

/// What kind of key it is.
fn sort(key: &str, value: &str, place: &Place) -> Sorted {
    let of_converter = |known: &&ConfigKey| known.belongs_to.is_some() && known.name == key;
    if keys::ALL.iter().any(|known| known.name == key)
        || definitions::keys().any(|known| of_converter(&known))
        || provider_settings::covers(key)
    {
        return Sorted::Own;
    }
    let is_variable = matches!(place, Place::Environment(_));
    if is_variable && foreign::is_service_link(key, value) {
        return Sorted::NoEffect("it describes a service whose name begins with connect-");
    }
    if let Some(foreign) = foreign::find(foreign::KEYS, key) {
        return match foreign.refused && !value.trim().is_empty() {
            true => Sorted::Wrong(foreign.reason.to_owned()),
            false => Sorted::NoEffect(foreign.reason),
        };
    }
    if ClientSettings::covers(key) {
        return Sorted::Client;
    }
    if is_variable && let Some(foreign) = foreign::find(foreign::ENVIRONMENT_ONLY, key) {
        return Sorted::NoEffect(foreign.reason);
    }
    if let Some(prefix) = ["key.converter.", "value.converter."]
        .into_iter()
        .find(|prefix| key.starts_with(prefix))
    {
        return sort_converter_key(key, prefix);
    }
    let known = keys::ALL.iter().map(|known| known.name);
    let client = crate::config::kafka::common_settings();
    let hint = suggest::nearest(key, known.chain(client))
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default();
    Sorted::Wrong(format!("unknown key{hint}"))
}

/// A key that no converter here has: of another plugin's converter, unless it looks mistyped.
fn sort_converter_key(key: &str, prefix: &str) -> Sorted {
    let known = definitions::keys().filter(|known| known.belongs_to.is_some());
    let options = known.filter_map(|known| known.name.strip_prefix(prefix));
    match suggest::nearest(&key[prefix.len()..], options) {
        Some(near) => Sorted::Wrong(format!("unknown key; did you mean {prefix}{near}?")),
        None => Sorted::NoEffect("no converter here reads it"),
    }
}

fn check_clients(
    clients: &ClientSettings,
    settings: &Settings,
    problems: &mut Vec<SettingProblem>,
    warnings: &mut Vec<String>,
) {
    let (wrong, without_effect) = clients.check();
    for (key, problem) in wrong {
        if let Some(given) = settings.get(&key) {
            problems.push(SettingProblem {
                place: given.place.clone(),
                problem: match problem.shown {
                    Some(value) => format!("\"{}\": {}", given.shown(&value), problem.problem),
                    None => problem.problem,
                },
                key,
                allowed: None,
            });
        }
    }
    for (key, reason) in without_effect {
        if let Some(given) = settings.get(&key) {
            warnings.push(format!("{key} ({}) has no effect: {reason}", given.place));
        }
    }
}

/// Reads typed values; what is wrong is collected, and the default stands in meanwhile.
struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<SettingProblem>,
}

impl Reader<'_> {
    fn worker(&mut self, clients: ClientSettings, providers: ConfigProviders) -> WorkerSettings {
        let header_converter = self.read(&keys::HEADER_CONVERTER, |class| {
            converter::read_header(class, true, true)
        });
        let listeners = self.read(&keys::LISTENERS, parse_listeners);
        let listeners = listeners.unwrap_or_default();
        WorkerSettings {
            bootstrap_servers: self.required_text(&keys::BOOTSTRAP_SERVERS),
            group_id: self.text(&keys::GROUP_ID),
            override_policy: self
                .read(&keys::OVERRIDE_POLICY, parse_override_policy)
                .unwrap_or(OverridePolicy::All),
            cluster: ClusterSettings {
                config_topic: self.text(&keys::CONFIG_TOPIC),
                config_replication: self.integer(&keys::CONFIG_REPLICATION).unwrap_or_default(),
                status_topic: self.text(&keys::STATUS_TOPIC),
                status_partitions: self.integer(&keys::STATUS_PARTITIONS).unwrap_or_default(),
                status_replication: self.integer(&keys::STATUS_REPLICATION).unwrap_or_default(),
                session_timeout: self.milliseconds(&keys::SESSION_TIMEOUT),
                heartbeat_interval: self.milliseconds(&keys::HEARTBEAT_INTERVAL),
            },
            advertised_listener: self.advertised_listener(&listeners),
            listeners,
            client_auth: match self.choice(&keys::CLIENT_AUTH).as_str() {
                "required" => ClientAuth::Required,
                "requested" => ClientAuth::Requested,
                _ => ClientAuth::None,
            },
            admin_listeners: self.admin_listeners(),
            allowed_origins: self.list(&keys::ALLOWED_ORIGINS),
            allowed_methods: self.list(&keys::ALLOWED_METHODS),
            response_headers: self
                .read(&keys::RESPONSE_HEADERS, parse_headers)
                .unwrap_or_default(),
            advertised_host: self.text(&keys::ADVERTISED_HOST),
            advertised_port: self.integer(&keys::ADVERTISED_PORT),
            fetch_memory_bytes: self.integer(&keys::FETCH_MEMORY).unwrap_or_default(),
            topic_tracking: self.boolean(&keys::TOPIC_TRACKING),
            topic_tracking_reset: self.boolean(&keys::TOPIC_TRACKING_RESET),
            request_body_max_bytes: self.integer(&keys::BODY_MAX_BYTES).unwrap_or_default(),
            key_converter: self.converter(
                &keys::KEY_CONVERTER,
                converters::KEY,
                &keys::KEY_SCHEMAS_ENABLE,
                &keys::KEY_SCHEMAS_CACHE,
            ),
            value_converter: self.converter(
                &keys::VALUE_CONVERTER,
                converters::VALUE,
                &keys::VALUE_SCHEMAS_ENABLE,
                &keys::VALUE_SCHEMAS_CACHE,
            ),
            header_converter: header_converter.unwrap_or(HeaderConverter::Simple),
            offset_flush_interval: self.milliseconds(&keys::OFFSET_FLUSH_INTERVAL),
            shutdown_timeout: self.milliseconds(&keys::SHUTDOWN_TIMEOUT),
            log_format: match self.choice(&keys::LOG_FORMAT).as_str() {
                "human" => LogFormat::Human,
                "json" => LogFormat::Json,
                _ => LogFormat::Auto,
            },
            log_level: self
                .read(&keys::LOG_LEVEL, parse_filter)
                .unwrap_or_default(),
            providers,
            clients,
        }
    }

    /// Parses the given value, or else the default. A value that is left empty is not given.
    fn read<T>(&mut self, key: &WorkerKey, parse: fn(&str) -> Option<T>) -> Option<T> {
        let given = self.settings.get(key.name);
        let value = given.map_or("", |given| given.value.trim());
        if !value.is_empty() {
            if let Some(parsed) = parse(value) {
                return Some(parsed);
            }
            self.refuse(key, value);
        }
        key.default.and_then(parse)
    }

    fn refuse(&mut self, key: &WorkerKey, value: &str) {
        let Some(given) = self.settings.get(key.name) else {
            return;
        };
        self.problems.push(SettingProblem {
            key: key.name.to_owned(),
            place: given.place.clone(),
            problem: format!(
                "\"{}\" is not possible",
                secret::shown(key.name, given.shown(value))
            ),
            allowed: Some(key.form.allowed()),
        });
    }

    fn text(&mut self, key: &WorkerKey) -> Option<String> {
        self.read(key, |value| Some(value.to_owned()))
    }

    fn list(&mut self, key: &WorkerKey) -> Vec<String> {
        let text = self.required_text(key);
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    /// Unlike everywhere else, to be given and empty means something: nowhere.
    fn admin_listeners(&mut self) -> AdminListeners {
        let given = self.settings.get(keys::ADMIN_LISTENERS.name);
        if given.is_some_and(|given| given.value.trim().is_empty()) {
            return AdminListeners::Off;
        }
        self.read(&keys::ADMIN_LISTENERS, parse_listeners)
            .map_or(AdminListeners::Same, AdminListeners::Separate)
    }

    /// The place among the listeners of the one that others know.
    fn advertised_listener(&mut self, listeners: &[Listener]) -> usize {
        let key = &keys::ADVERTISED_LISTENER;
        let Some(tls) = self.read(key, parse_scheme) else {
            return 0;
        };
        let found = listeners.iter().position(|listener| listener.tls == tls);
        if found.is_none()
            && let Some(given) = self.settings.get(key.name)
        {
            self.problems.push(SettingProblem {
                key: key.name.to_owned(),
                place: given.place.clone(),
                problem: "listeners has none of this scheme".to_owned(),
                allowed: None,
            });
        }
        found.unwrap_or_default()
    }

    fn required_text(&mut self, key: &WorkerKey) -> String {
        self.text(key).unwrap_or_default()
    }

    fn integer<T: TryFrom<i64>>(&mut self, key: &WorkerKey) -> Option<T> {
        let number = self.read(key, |value| value.parse::<i64>().ok())?;
        let in_range = match key.form {
            Form::Integer(minimum, maximum) => (minimum..=maximum).contains(&number),
            _ => true,
        };
        if !in_range {
            self.refuse(key, &number.to_string());
        }
        T::try_from(number).ok()
    }

    fn milliseconds(&mut self, key: &WorkerKey) -> Duration {
        Duration::from_millis(self.integer(key).unwrap_or_default())
    }

    fn boolean(&mut self, key: &WorkerKey) -> bool {
        let parsed = self.read(key, |value| value.to_ascii_lowercase().parse().ok());
        parsed.unwrap_or_default()
    }

    /// In lower case.
    fn choice(&mut self, key: &WorkerKey) -> String {
        let value = self.required_text(key);
        let allowed = match key.form {
            Form::Choice(values) => values
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(&value)),
            _ => true,
        };
        if !allowed {
            self.refuse(key, &value);
        }
        value.to_ascii_lowercase()
    }

    /// A converter with its options, which are defined with the connectors' keys. Two of them are
    /// in the worker's own table as well, and reported from there.
    fn converter(
        &mut self,
        class: &WorkerKey,
        options: &ConverterKeys,
        schemas_enable: &WorkerKey,
        schemas_cache_size: &WorkerKey,
    ) -> Converter {
        self.boolean(schemas_enable);
        self.integer::<usize>(schemas_cache_size);
        let name = self.read(class, |value| {
            converter::kind(value).ok().map(|_| value.to_owned())
        });
        let raw: RawConfig = self
            .settings
            .iter()
            .filter(|(_, given)| !given.value.trim().is_empty())
            .map(|(key, given)| (key.clone(), Some(given.value.clone())))
            .collect();
        let entries = check::converter_entries(options.class.name, &raw);
        for entry in &entries {
            let reported = keys::ALL.iter().any(|known| known.name == entry.key.name);
            let Some(given) = self.settings.get(entry.key.name).filter(|_| !reported) else {
                continue;
            };
            let problems = entry.errors.iter().map(|error| SettingProblem {
                key: entry.key.name.to_owned(),
                place: given.place.clone(),
                problem: error.clone(),
                allowed: None,
            });
            self.problems.extend(problems);
        }
        let had_errors = entries.iter().any(|entry| !entry.errors.is_empty());
        match converter::read(&name.unwrap_or_default(), options, &entries) {
            Ok(converter) => converter,
            Err((key, problem)) => {
                let place = self
                    .settings
                    .get(class.name)
                    .map(|given| given.place.clone());
                if let Some(place) = place.filter(|_| !had_errors) {
                    self.problems.push(SettingProblem {
                        key: key.to_owned(),
                        place,
                        problem,
                        allowed: None,
                    });
                }
                Converter::Json(JsonOptions::default())
            }
        }
    }
}

/// By the alias or the name of Kafka Connect's class.
fn parse_override_policy(text: &str) -> Option<OverridePolicy> {
    let class = text
        .strip_prefix("org.apache.kafka.connect.connector.policy.")
        .unwrap_or(text);
    let alias = class
        .strip_suffix("ConnectorClientConfigOverridePolicy")
        .unwrap_or(class);
    match alias.to_ascii_lowercase().as_str() {
        "all" => Some(OverridePolicy::All),
        "principal" => Some(OverridePolicy::Principal),
        "none" => Some(OverridePolicy::None),
        _ => None,
    }
}

fn parse_listeners(text: &str) -> Option<Vec<Listener>> {
    text.split(',')
        .map(|item| parse_listener(item.trim()))
        .collect()
}

fn parse_listener(text: &str) -> Option<Listener> {
    let (scheme, rest) = text.split_once("://")?;
    let tls = parse_scheme(scheme)?;
    let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let legal =
        |character: char| !character.is_whitespace() && !matches!(character, '/' | '@' | '?');
    host.chars().all(legal).then_some(())?;
    Some(Listener {
        host: host.to_owned(),
        port: port.parse().ok()?,
        tls,
    })
}

/// Whether the scheme is that of TLS.
fn parse_scheme(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "http" => Some(false),
        "https" => Some(true),
        _ => None,
    }
}

/// Rules such as `set X-Frame-Options: DENY`, separated by commas; a rule with a comma in its value
/// stands in quotes.
fn parse_headers(text: &str) -> Option<Vec<ResponseHeader>> {
    split_quoted(text)?
        .iter()
        .map(|rule| parse_header(rule.trim()))
        .collect()
}

fn split_quoted(text: &str) -> Option<Vec<String>> {
    let mut rules = vec![String::new()];
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => rules.push(String::new()),
            character => rules.last_mut()?.push(character),
        }
    }
    (!quoted).then_some(rules)
}

fn parse_header(rule: &str) -> Option<ResponseHeader> {
    let (action, rest) = rule.split_once(char::is_whitespace)?;
    let (name, value) = rest.split_once(':')?;
    let adds = match action.to_ascii_lowercase().as_str() {
        "set" => false,
        "add" => true,
        _ => return None,
    };
    let (name, value) = (name.trim(), value.trim());
    HeaderName::from_bytes(name.as_bytes()).ok()?;
    HeaderValue::from_str(value).ok()?;
    Some(ResponseHeader {
        adds,
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

fn parse_filter(text: &str) -> Option<String> {
    log_filter(text).ok()?;
    // A filter takes any word as the name of a part of the program; alone it is a mistyped level.
    let directives = text.split(',').map(str::trim);
    let is_level = |directive: &str| {
        let level = directive.rsplit('=').next().unwrap_or_default();
        ["error", "warn", "info", "debug", "trace", "off"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(level))
    };
    directives.clone().all(is_level).then(|| text.to_owned())
}
