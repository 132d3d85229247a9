//! From the worker's `config.providers.*` to providers.
//!
//! ```text
//! config.providers = file,env
//! config.providers.file.class = org.apache.kafka.common.config.provider.FileConfigProvider
//! config.providers.file.param.allowed.paths = /etc/rowdock
//! ```

use std::collections::BTreeMap;

use regex::Regex;

use super::ConfigProviders;
use super::source::{AllowedPaths, Source};
use crate::config::suggest;

/// Names the providers, separated by commas.
pub(in crate::config) const LIST_KEY: &str = "config.providers";

/// Before the keys of one provider.
const PREFIX: &str = "config.providers.";

/// Before the name of every class that comes with Kafka.
const PACKAGE: &str = "org.apache.kafka.common.config.provider.";

const FILE: &str = "FileConfigProvider";
const DIRECTORY: &str = "DirectoryConfigProvider";
const ENVIRONMENT: &str = "EnvVarConfigProvider";

/// Parameter of files and folders.
const ALLOWED_PATHS: &str = "allowed.paths";
/// Parameter of environment variables: as in Kafka, a name is allowed when the pattern is found
/// anywhere in it.
const ALLOWLIST_PATTERN: &str = "allowlist.pattern";

/// What is wrong with a setting, by its key.
pub(in crate::config) type Problem = (String, String);

/// Whether a worker's key configures a provider.
pub(in crate::config) fn covers(key: &str) -> bool {
    key == LIST_KEY || key.starts_with(PREFIX)
}

/// Builds the providers from the worker's settings (only those that [`covers`] accepts are looked
/// at), or says what is wrong with which of them.
pub(in crate::config) fn configure<'a>(
    settings: impl Iterator<Item = (&'a str, &'a str)>,
    environment: &[(String, String)],
) -> Result<ConfigProviders, Vec<Problem>> {
    let mut given: BTreeMap<&str, &str> = settings
        .filter(|(key, _)| covers(key))
        .map(|(key, value)| (key, value.trim()))
        .collect();
    let names = given.remove(LIST_KEY).unwrap_or_default();
    let mut providers = ConfigProviders::default();
    let mut problems = Vec::new();
    for name in names
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        match source(name, &mut given, environment) {
            Ok(source) => {
                providers.by_name.insert(name.to_owned(), source);
            }
            Err(problem) => problems.push(problem),
        }
    }
    for key in given.keys() {
        problems.push((
            (*key).to_owned(),
            format!("no provider of {LIST_KEY} has such a key"),
        ));
    }
    if problems.is_empty() {
        Ok(providers)
    } else {
        Err(problems)
    }
}

/// One provider; takes its keys out of `given`.
fn source(
    name: &str,
    given: &mut BTreeMap<&str, &str>,
    environment: &[(String, String)],
) -> Result<Source, Problem> {
    let class_key = format!("{PREFIX}{name}.class");
    let class = given.remove(class_key.as_str()).unwrap_or_default();
    let parameter_prefix = format!("{PREFIX}{name}.param.");
    let mut parameters: BTreeMap<String, String> = given
        .iter()
        .filter_map(|(key, value)| {
            let parameter = key.strip_prefix(parameter_prefix.as_str())?;
            Some((parameter.to_owned(), (*value).to_owned()))
        })
        .collect();
    given.retain(|key, _| !key.starts_with(parameter_prefix.as_str()));
    let mut parameter = |name: &'static str| parameters.remove(name).unwrap_or_default();
    let wrong =
        |parameter: &str, problem: String| (format!("{parameter_prefix}{parameter}"), problem);
    let simple = class.strip_prefix(PACKAGE).unwrap_or(class);
    let (source, known) = match simple {
        FILE | DIRECTORY => {
            let allowed = AllowedPaths::parse(&parameter(ALLOWED_PATHS))
                .map_err(|problem| wrong(ALLOWED_PATHS, problem))?;
            let source = if simple == FILE {
                Source::File(allowed)
            } else {
                Source::Directory(allowed)
            };
            (source, ALLOWED_PATHS)
        }
        ENVIRONMENT => {
            let variables = allowed_variables(&parameter(ALLOWLIST_PATTERN), environment)
                .map_err(|problem| wrong(ALLOWLIST_PATTERN, problem))?;
            (Source::Environment(variables), ALLOWLIST_PATTERN)
        }
        _ => return Err((class_key, unknown_class(class))),
    };
    match parameters.keys().next() {
        None => Ok(source),
        Some(unknown) => Err(wrong(
            unknown,
            format!("{simple} has no such parameter; it has {known}"),
        )),
    }
}

fn allowed_variables(
    pattern: &str,
    environment: &[(String, String)],
) -> Result<BTreeMap<String, String>, String> {
    let pattern = Regex::new(pattern).map_err(|_| "not a regular expression".to_owned())?;
    Ok(environment
        .iter()
        .filter(|(variable, _)| pattern.is_match(variable))
        .cloned()
        .collect())
}

fn unknown_class(class: &str) -> String {
    let known = [FILE, DIRECTORY, ENVIRONMENT];
    let simple = class.rsplit('.').next().unwrap_or(class);
    let hint = suggest::nearest(simple, known)
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default();
    let problem = match class {
        "" => "a class must be named".to_owned(),
        class => format!("\"{class}\" is not built in"),
    };
    format!("{problem}: {}{hint}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::providers::source::Texts;

    fn from(settings: &[(&str, &str)]) -> Result<ConfigProviders, Vec<Problem>> {
        let environment = [("PG_PASSWORD", "s3cret"), ("HOME", "/root")]
            .map(|(variable, value)| (variable.to_owned(), value.to_owned()));
        configure(settings.iter().copied(), &environment)
    }

    #[test]
    fn providers_are_named_and_have_classes() {
        assert_eq!(from(&[]).unwrap(), ConfigProviders::default());
        let both = from(&[
            ("group.id", "x"),
            ("config.providers", "secrets, env"),
            (
                "config.providers.secrets.class",
                "org.apache.kafka.common.config.provider.FileConfigProvider",
            ),
            ("config.providers.secrets.param.allowed.paths", "/"),
            ("config.providers.env.class", "EnvVarConfigProvider"),
        ])
        .unwrap();
        assert_eq!(both.by_name.keys().collect::<Vec<_>>(), ["env", "secrets"]);
    }

    #[test]
    fn variables_are_allowed_by_a_pattern_found_in_their_name() {
        let check = |pattern: &str, text: &str, expected: Option<&str>| {
            let providers = from(&[
                ("config.providers", "env"),
                ("config.providers.env.class", "EnvVarConfigProvider"),
                ("config.providers.env.param.allowlist.pattern", pattern),
            ])
            .unwrap();
            let resolved = providers.resolve(text, &mut Texts::default());
            let text = resolved.ok().flatten().map(|resolved| resolved.text);
            assert_eq!(text.as_deref(), expected, "{pattern}");
        };
        check("", "${env:HOME}", Some("/root"));
        check("^PG_.*$", "${env:PG_PASSWORD}", Some("s3cret"));
        check("^PG_", "${env:HOME}", None);
        check("PASS", "${env:PG_PASSWORD}!", Some("s3cret!"));
        check("", "${env:/etc/x:HOME}", None);
        check("", "${env:MISSING}", None);
    }

    #[test]
    fn mistakes_are_told_by_key() {
        let check = |settings: &[(&str, &str)], key: &str, part: &str| {
            let problems = from(settings).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].0, key);
            assert!(problems[0].1.contains(part), "{problems:?}");
        };
        let list = ("config.providers", "p");
        check(&[list], "config.providers.p.class", "a class must be named");
        check(
            &[
                list,
                ("config.providers.p.class", "io.x.VaultConfigProvider"),
            ],
            "config.providers.p.class",
            "not built in",
        );
        check(
            &[list, ("config.providers.p.class", "FileConfigProvder")],
            "config.providers.p.class",
            "did you mean FileConfigProvider?",
        );
        let file = ("config.providers.p.class", "FileConfigProvider");
        check(
            &[list, file, ("config.providers.p.param.allowed.paths", "x")],
            "config.providers.p.param.allowed.paths",
            "absolute and exist",
        );
        check(
            &[list, file, ("config.providers.p.param.alowed.paths", "/")],
            "config.providers.p.param.alowed.paths",
            "it has allowed.paths",
        );
        check(
            &[
                list,
                file,
                ("config.providers.q.class", "FileConfigProvider"),
            ],
            "config.providers.q.class",
            "no provider",
        );
        check(
            &[
                list,
                ("config.providers.p.class", "EnvVarConfigProvider"),
                ("config.providers.p.param.allowlist.pattern", "("),
            ],
            "config.providers.p.param.allowlist.pattern",
            "not a regular expression",
        );
    }
}
