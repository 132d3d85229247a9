//! Config providers: values that stand elsewhere than in a config, as in Kafka Connect (KIP-297,
//! KIP-632, KIP-887).
//!
//! ```text
//! "connection.password": "${file:/etc/rowdock/shop.properties:password}"
//! ```
//!
//! The worker's settings say which providers there are (`config.providers`); connectors' configs
//! and the worker's own other settings refer to them. A config is stored and shown with its
//! references as they were written. They are resolved where the config is used: when it is checked,
//! and again whenever a task starts, so that a restart is enough after a password was changed. A
//! value that came from a provider is never stored, and where a message would show it, the
//! reference stands instead.
//!
//! A reference is `${provider:path:key}` or `${provider:key}`; several may stand in one value.
//! Values are taken as they are: a reference inside one is not resolved again. Kafka leaves a
//! reference to an unknown provider or key in the value; a password that reads `${file:..}` helps
//! nobody, so here it is an error that names provider, path and key.
//!
//! * [`mod@reference`]: finding references in a text. Pure.
//! * [`source`]: where values stand: files, folders, environment variables.
//! * [`settings`]: from `config.providers.*` to providers.
//! * [`resolution`]: a connector's config with its references resolved.

use std::collections::BTreeMap;

pub(super) mod reference;
pub(super) mod resolution;
pub(super) mod settings;
pub(super) mod source;

use super::RawConfig;
use reference::{Piece, Reference};
use source::{Source, Texts};

/// The providers that a worker has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigProviders {
    by_name: BTreeMap<String, Source>,
}

/// A text whose references are resolved.
pub(super) struct ResolvedText {
    pub(super) text: String,
    /// What each reference stands for: the reference as written, and its value.
    pub(super) values: Vec<(String, String)>,
}

/// Whether any value of a config refers to a provider.
pub fn refers_to_providers(config: &RawConfig) -> bool {
    config
        .values()
        .flatten()
        .any(|value| reference::has_reference(value))
}

impl ConfigProviders {
    /// The text with its references resolved; `None` when it has none.
    ///
    /// # Errors
    /// A reference that cannot be resolved. Names provider, path and key, shows no value.
    pub(super) fn resolve(
        &self,
        text: &str,
        read: &mut Texts,
    ) -> Result<Option<ResolvedText>, String> {
        let pieces = reference::pieces(text);
        let mut resolved = ResolvedText {
            text: String::with_capacity(text.len()),
            values: Vec::new(),
        };
        for piece in pieces {
            match piece {
                Piece::Text(text) => resolved.text.push_str(text),
                Piece::Reference(reference) => {
                    let value = self.value(&reference, read)?;
                    resolved.text.push_str(&value);
                    resolved.values.push((reference.whole.to_owned(), value));
                }
            }
        }
        Ok((!resolved.values.is_empty()).then_some(resolved))
    }

    fn value(&self, reference: &Reference<'_>, read: &mut Texts) -> Result<String, String> {
        let provider = reference.provider;
        let Some(source) = self.by_name.get(provider) else {
            let known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
            let known = match known.as_slice() {
                [] => "this worker has none: name them in its config.providers".to_owned(),
                names => format!("this worker has {}", names.join(", ")),
            };
            return Err(format!("there is no config provider {provider}; {known}"));
        };
        source
            .value(reference.path, reference.key, read)
            .map_err(|problem| format!("config provider {provider}: {problem}"))
    }
}
