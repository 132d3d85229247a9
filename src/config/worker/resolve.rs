//! The worker's config providers, and its own settings that refer to them.

use super::SettingProblem;
use super::sources::Settings;
use crate::config::providers::settings::{configure, covers};
use crate::config::providers::{ConfigProviders, source::Texts};

/// Builds the providers and resolves every setting that refers to one. Settings of providers
/// themselves are taken as they are.
pub(super) fn resolve(
    settings: &mut Settings,
    environment: &[(String, String)],
    problems: &mut Vec<SettingProblem>,
) -> ConfigProviders {
    let given = settings
        .iter()
        .map(|(key, given)| (key.as_str(), given.value.as_str()));
    let providers = match configure(given, environment) {
        Ok(providers) => providers,
        Err(wrong) => {
            for (key, problem) in wrong {
                refuse(&key, problem, settings, problems);
            }
            return ConfigProviders::default();
        }
    };
    let mut read = Texts::default();
    let mut wrong = Vec::new();
    for (key, given) in settings.iter_mut().filter(|(key, _)| !covers(key)) {
        match providers.resolve(&given.value, &mut read) {
            Ok(None) => {}
            Ok(Some(resolved)) => {
                let reference = std::mem::replace(&mut given.value, resolved.text);
                given.reference = Some(reference);
            }
            Err(problem) => wrong.push((key.clone(), problem)),
        }
    }
    for (key, problem) in wrong {
        refuse(&key, problem, settings, problems);
        settings.remove(&key);
    }
    providers
}

fn refuse(key: &str, problem: String, settings: &Settings, problems: &mut Vec<SettingProblem>) {
    // A key that is missing is named where its provider is.
    let place = settings
        .get(key)
        .or_else(|| settings.get(crate::config::providers::settings::LIST_KEY))
        .map(|given| given.place.clone());
    if let Some(place) = place {
        problems.push(SettingProblem {
            key: key.to_owned(),
            place,
            problem,
            allowed: None,
        });
    }
}
