//! `transforms` and `predicates`, with the keys of each: checked by the table of built-in classes,
//! and at last by building each transform.

use super::{Checked, Entry, Extra, Value, invalid, resolved_entry};
use crate::config::RawConfig;
use crate::config::converter;
use crate::config::definitions::transforms::{self as plugins, PluginClass, TransformKind, any};
use crate::config::definitions::{ConfigKey, ConfigKeyInfo, common, converters};
use crate::config::providers::resolution::Resolution;
use crate::config::transforms::{Condition, Options, PredicateConfig, TransformConfig};
use crate::record::Part;
use crate::transform::{self, Fault};

/// More than any chain has a use for; each is work for every record.
const TRANSFORMS_MAX: usize = 100;

pub(super) fn check(checked: &mut Checked, config: &RawConfig, resolution: &Resolution<'_>) {
    let given = Given { config, resolution };
    let predicates = check_predicates(checked, given);
    for alias in aliases(checked, given, &common::TRANSFORMS) {
        check_transform(checked, given, &alias, &predicates);
    }
}

/// The config, and what providers had to say about it.
#[derive(Clone, Copy)]
struct Given<'a> {
    config: &'a RawConfig,
    resolution: &'a Resolution<'a>,
}

fn check_predicates(checked: &mut Checked, given: Given<'_>) -> Vec<PredicateConfig> {
    let mut configs = Vec::new();
    let aliases = aliases(checked, given, &common::PREDICATES);
    for alias in aliases {
        let mut keys = AliasKeys::new(&common::PREDICATES, &alias, given);
        keys.add(&any::TYPE);
        keys.add(&any::PLUGIN_VERSION);
        let class = keys.class(plugins::predicates(), "Predicate");
        if let Some((class, _)) = class {
            keys.add_all(class.keys);
            let config = PredicateConfig {
                alias: alias.clone(),
                kind: class.kind,
                options: keys.options(class.keys),
            };
            keys.judge(|| transform::check_predicate(&config));
            configs.push(config);
        }
        keys.hand_over(checked, "Predicates");
    }
    configs
}

fn check_transform(
    checked: &mut Checked,
    given: Given<'_>,
    alias: &str,
    predicates: &[PredicateConfig],
) {
    let mut keys = AliasKeys::new(&common::TRANSFORMS, alias, given);
    keys.add(&any::TYPE);
    keys.add(&any::PREDICATE);
    keys.add(&any::NEGATE);
    keys.add(&any::PLUGIN_VERSION);
    let condition = keys.condition(predicates);
    if let Some((class, part)) = keys.class(plugins::transforms(), "Transformation") {
        keys.add_all(class.keys);
        let config = TransformConfig {
            alias: alias.to_owned(),
            kind: class.kind,
            part,
            options: keys.options(class.keys),
            condition,
        };
        keys.judge(|| transform::check(config.kind, config.part, &config.options));
        if config.kind == TransformKind::Filter && config.condition.is_none() {
            checked.warnings.push(format!(
                "transforms.{alias} drops every record: it is a Filter without a predicate"
            ));
        }
        if config.kind == TransformKind::ExtractNewRecordState && values_are_plain_json(checked) {
            checked.warnings.push(format!(
                "transforms.{alias} leaves change events as they are: it knows them by the name of their schema, which plain JSON has not; change.events=debezium unwraps them"
            ));
        }
        checked.transforms.push(config);
    }
    keys.hand_over(checked, "Transforms");
}

fn values_are_plain_json(checked: &Checked) -> bool {
    let keys = converters::VALUE;
    let class = checked.text(keys.class).unwrap_or_default();
    matches!(converter::kind(class), Ok(converter::Kind::Json))
        && !checked.is_true(keys.schemas_enable)
}

/// The aliases of a list, each once.
fn aliases(checked: &mut Checked, given: Given<'_>, list: &ConfigKey) -> Vec<String> {
    if given.resolution.given(list.name).is_some() {
        // They are shown wherever their keys are.
        let problem = "names that are parts of keys cannot come from a config provider";
        checked.refuse_value(list, problem);
        return Vec::new();
    }
    let given = checked.list(list).to_vec();
    let mut aliases: Vec<String> = Vec::new();
    for alias in &given {
        if !aliases.contains(alias) {
            aliases.push(alias.clone());
        }
    }
    let shown = format!("[{}]", given.join(", "));
    if aliases.len() < given.len() {
        let message = invalid(list.name, &shown, "Duplicate alias provided.");
        checked.refuse(list, message);
    }
    if aliases.len() > TRANSFORMS_MAX {
        let problem = format!("more than {TRANSFORMS_MAX} of them");
        checked.refuse(list, invalid(list.name, &shown, &problem));
        aliases.truncate(TRANSFORMS_MAX);
    }
    aliases
}

/// The keys of one alias.
struct AliasKeys<'a> {
    alias: &'a str,
    /// With its dot.
    prefix: String,
    given: Given<'a>,
    entries: Vec<Entry>,
}

impl<'a> AliasKeys<'a> {
    fn new(list: &ConfigKey, alias: &'a str, given: Given<'a>) -> Self {
        Self {
            alias,
            prefix: format!("{}.{alias}.", list.name),
            given,
            entries: Vec::new(),
        }
    }

    fn add(&mut self, key: &'static ConfigKey) {
        let name = self.full_name(key);
        let Given { config, resolution } = self.given;
        let entry = resolved_entry(key, &name, config, resolution);
        self.entries.push(entry);
    }

    fn add_all(&mut self, keys: &[&'static ConfigKey]) {
        for key in keys {
            self.add(key);
        }
    }

    fn full_name(&self, key: &ConfigKey) -> String {
        format!("{}{}", self.prefix, key.name)
    }

    fn value(&self, key: &ConfigKey) -> Option<&Value> {
        let found = self.entries.iter().find(|entry| entry.key.name == key.name);
        found.map(|entry| &entry.value)
    }

    fn text(&self, key: &ConfigKey) -> Option<String> {
        match self.value(key) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn refuse(&mut self, key: &ConfigKey, message: String) {
        if let Some(entry) = self
            .entries
            .iter_mut()
            .find(|entry| entry.key.name == key.name)
        {
            entry.errors.push(message);
        }
    }

    fn refuse_value(&mut self, key: &ConfigKey, value: &str, problem: &str) {
        let message = invalid(&self.full_name(key), value, problem);
        self.refuse(key, message);
    }

    /// The class that `type` names, and the side that its name ends with.
    fn class<K>(
        &mut self,
        mut classes: impl Iterator<Item = &'static PluginClass<K>>,
        role: &str,
    ) -> Option<(&'static PluginClass<K>, Part)> {
        let given = self.text(&any::TYPE)?;
        let found = classes.find_map(|class| Some((class, class.named_by(&given)?)));
        match found {
            Some((class, "$Key")) if class.is_sided => Some((class, Part::Key)),
            Some((class, "$Value")) if class.is_sided => Some((class, Part::Value)),
            Some((class, "")) if !class.is_sided => Some((class, Part::Value)),
            Some((class, "")) => {
                let name = class.name;
                let problem = format!(
                    "{role} is abstract and cannot be created. Did you mean {name}$Key, {name}$Value?"
                );
                self.refuse_value(&any::TYPE, &format!("class {name}"), &problem);
                None
            }
            _ => {
                let problem = format!("Class {given} could not be found.");
                self.refuse_value(&any::TYPE, &given, &problem);
                None
            }
        }
    }

    fn condition(&mut self, predicates: &[PredicateConfig]) -> Option<Condition> {
        let negate_name = self.full_name(&any::NEGATE);
        let Some(name) = self.text(&any::PREDICATE) else {
            if self.given.config.contains_key(&negate_name) {
                let predicate_name = self.full_name(&any::PREDICATE);
                self.refuse(
                    &any::TYPE,
                    format!(
                        "Config '{negate_name}' was provided but there is no config '{predicate_name}' defining a predicate to be negated."
                    ),
                );
            }
            return None;
        };
        let Some(predicate) = predicates.iter().find(|known| known.alias == name) else {
            self.refuse_value(
                &any::PREDICATE,
                &name,
                "there is no such name in predicates, or its type is wrong",
            );
            return None;
        };
        Some(Condition {
            predicate: predicate.clone(),
            negate: self.value(&any::NEGATE) == Some(&Value::Boolean(true)),
        })
    }

    fn options(&self, keys: &[&'static ConfigKey]) -> Options {
        let mut options = Options::default();
        for entry in &self.entries {
            if keys.iter().any(|key| key.name == entry.key.name) {
                options.insert(entry.key, entry.value.clone());
            }
        }
        options
    }

    /// Builds the transform when every key is right by itself.
    fn judge(&mut self, build: impl FnOnce() -> Result<(), Fault>) {
        if self.entries.iter().any(|entry| !entry.errors.is_empty()) {
            return;
        }
        let Err(fault) = build() else {
            return;
        };
        let prefix = &self.prefix;
        for entry in &mut self.entries {
            if entry.key.name == fault.key {
                let shown = entry.shown().unwrap_or_else(|| "null".to_owned());
                let name = format!("{prefix}{}", fault.key);
                entry.errors.push(invalid(&name, &shown, &fault.problem));
            }
        }
    }

    /// The keys as the rest of the config's check shows them.
    fn hand_over(self, checked: &mut Checked, group: &str) {
        let group = format!("{group}: {}", self.alias);
        let prefix = &self.prefix;
        for (order, entry) in self.entries.into_iter().enumerate() {
            let definition = ConfigKeyInfo {
                name: format!("{prefix}{}", entry.key.name),
                group: Some(group.clone()),
                order: i32::try_from(order + 1).unwrap_or(i32::MAX),
                ..entry.key.info()
            };
            let recommended = entry.key.recommended();
            checked.extras.push(Extra {
                definition,
                shown: entry.shown(),
                recommended: recommended.iter().map(|&value| value.to_owned()).collect(),
                errors: entry.errors,
            });
        }
        checked.groups.push(group);
    }
}
