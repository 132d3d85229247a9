//! A connector's config with its references resolved, and what must not be shown of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::ConfigProviders;
use super::source::Texts;
use crate::config::RawConfig;

/// Values at least this long are taken out of every message. A shorter one, such as `shop`, would
/// tear other words apart; it is taken out of its own key's messages only, and no other key's
/// message has reason to show it.
const TELLING_LENGTH: usize = 8;

/// A config, resolved.
pub(in crate::config) struct Resolution<'a> {
    /// Every reference replaced by its value. Keys with a problem are left out.
    pub(in crate::config) config: Cow<'a, RawConfig>,
    /// Keys whose references cannot be resolved, and why.
    pub(in crate::config) problems: BTreeMap<String, String>,
    /// The texts of keys with references, as given.
    given: BTreeMap<String, String>,
    values: Vec<ProvidedValue>,
}

struct ProvidedValue {
    key: String,
    reference: String,
    value: String,
    /// An item of the value, where that is a list.
    is_part: bool,
}

impl ConfigProviders {
    /// Resolves a connector's config. Its name is left as it is: it is the connector's identity.
    pub(in crate::config) fn resolve_config<'a>(&self, raw: &'a RawConfig) -> Resolution<'a> {
        let mut resolution = Resolution {
            config: Cow::Borrowed(raw),
            problems: BTreeMap::new(),
            given: BTreeMap::new(),
            values: Vec::new(),
        };
        let mut read = Texts::default();
        for (key, value) in raw {
            let Some(text) = value.as_deref().filter(|_| key != "name") else {
                continue;
            };
            match self.resolve(text, &mut read) {
                Ok(None) => continue,
                Ok(Some(resolved)) => {
                    resolution
                        .config
                        .to_mut()
                        .insert(key.clone(), Some(resolved.text));
                    resolution.keep(key, resolved.values);
                }
                Err(problem) => {
                    resolution.config.to_mut().remove(key);
                    // Without the value: beside the reference there may be a secret in it.
                    let message = format!("Invalid configuration {key}: {problem}");
                    resolution.problems.insert(key.clone(), message);
                }
            }
            resolution.given.insert(key.clone(), text.to_owned());
        }
        // The longest first, so that a value inside another does not spoil it.
        resolution
            .values
            .sort_by_key(|provided| std::cmp::Reverse(provided.value.len()));
        resolution
    }
}

impl Resolution<'_> {
    /// The text of a key as it was given, when it has references.
    pub(in crate::config) fn given(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(String::as_str)
    }

    /// A message about a key in which references stand for the values that came from providers.
    pub(in crate::config) fn without_values(&self, key: &str, message: &str) -> String {
        let mut shown = message.to_owned();
        for provided in &self.values {
            let is_telling = provided.value.len() >= TELLING_LENGTH;
            if provided.is_part {
                if is_telling || provided.key == key {
                    shown = without_word(&shown, &provided.value, &provided.reference);
                }
            } else if is_telling || (provided.key == key && !provided.value.is_empty()) {
                shown = shown.replace(&provided.value, &provided.reference);
            }
        }
        shown
    }

    fn keep(&mut self, key: &str, values: Vec<(String, String)>) {
        for (reference, value) in values {
            // Values are trimmed before they are judged, and shown that way.
            let value = value.trim();
            // Nor is an item of a list.
            let parts = value.split([',', ';']).map(str::trim);
            let parts = parts.filter(|part| !part.is_empty() && *part != value);
            let parts = parts.map(|part| (part, true));
            let all = [(value, false)].into_iter().chain(parts);
            self.values
                .extend(all.map(|(value, is_part)| ProvidedValue {
                    key: key.to_owned(),
                    reference: reference.clone(),
                    value: value.to_owned(),
                    is_part,
                }));
        }
    }
}

/// A text in which a word is replaced where it stands alone: items of lists are short, and would tear
/// other words apart.
fn without_word(text: &str, word: &str, replacement: &str) -> String {
    let is_inner = |character: char| character.is_alphanumeric() || character == '_';
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, found) = rest.split_at(at);
        let after = &found[word.len()..];
        let before_is_inner = before.chars().next_back().is_some_and(is_inner)
            || (before.is_empty() && shown.chars().next_back().is_some_and(is_inner));
        let is_alone = !before_is_inner && !after.chars().next().is_some_and(is_inner);
        shown.push_str(before);
        shown.push_str(if is_alone { replacement } else { word });
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::providers::settings::configure;

    fn providers() -> ConfigProviders {
        let settings = [
            ("config.providers", "env"),
            ("config.providers.env.class", "EnvVarConfigProvider"),
        ];
        let environment = [
            ("PW", "s3cret-word"),
            ("N", "7"),
            ("HOST", " db "),
            ("LIST", "ab, a long one ,,c_1"),
        ]
        .map(|(variable, value)| (variable.to_owned(), value.to_owned()));
        configure(settings.into_iter(), &environment).unwrap()
    }

    fn raw(pairs: &[(&str, &str)]) -> RawConfig {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
            .collect()
    }

    #[test]
    fn references_become_values_and_the_rest_stays() {
        let config = raw(&[
            ("name", "${env:PW}"),
            ("a", "x${env:PW}y${env:N}"),
            ("b", "${topic}"),
            ("c", "${env:MISSING}"),
            ("d", "${vault:x:y}"),
        ]);
        let providers = providers();
        let resolution = providers.resolve_config(&config);
        let expected = raw(&[
            ("name", "${env:PW}"),
            ("a", "xs3cret-wordy7"),
            ("b", "${topic}"),
        ]);
        assert_eq!(*resolution.config, expected);
        assert_eq!(resolution.given("a"), Some("x${env:PW}y${env:N}"));
        assert_eq!(resolution.given("b"), None);
        assert_eq!(
            resolution.problems["c"],
            "Invalid configuration c: config provider env: the worker's environment has no variable MISSING, or its allowlist.pattern does not allow it"
        );
        assert_eq!(
            resolution.problems["d"],
            "Invalid configuration d: there is no config provider vault; this worker has env"
        );
    }

    #[test]
    fn messages_show_references_instead_of_values() {
        let providers = providers();
        let config = raw(&[
            ("a", "${env:PW}"),
            ("b", "${env:N}"),
            ("c", "${env:HOST}"),
            ("d", "${env:LIST}"),
        ]);
        let resolution = providers.resolve_config(&config);
        let check = |key: &str, message: &str, expected: &str| {
            assert_eq!(resolution.without_values(key, message), expected);
        };
        check("x", "value s3cret-word!", "value ${env:PW}!");
        check("x", "7 at most", "7 at most");
        check("b", "7 at most", "${env:N} at most");
        check("c", "no host db", "no host ${env:HOST}");
        check("d", "ab, a long one ,,c_1?", "${env:LIST}?");
        check(
            "d",
            "[ab]: cab abc ab",
            "[${env:LIST}]: cab abc ${env:LIST}",
        );
        check("d", "c_1c_1 is not c_1", "c_1c_1 is not ${env:LIST}");
        check("x", "a long one, c_1", "${env:LIST}, c_1");
    }
}
