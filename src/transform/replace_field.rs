//! `ReplaceField`: fields left out or renamed.

use std::sync::Arc;

use super::object::{self, Object};
use super::{About, Fault, SideTransform, fault};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{Datum, Field, Kind, Map, Schema, SchemaCache, Side, Struct};

const PURPOSE: &str = "field replacement";

/// See the module.
#[derive(Debug)]
pub(super) struct ReplaceField {
    names: Names,
    defaults: bool,
    schemas: SchemaCache<Plan>,
}

/// Which fields stay, and what they are called.
#[derive(Debug)]
struct Names {
    exclude: Vec<String>,
    /// Empty: all.
    include: Vec<String>,
    renames: Vec<(String, String)>,
}

/// The schema that another one becomes, and where the values of its fields come from.
#[derive(Debug, Clone)]
struct Plan {
    schema: Arc<Schema>,
    sources: Arc<[Source]>,
}

/// Where a field's value comes from.
#[derive(Debug, Clone, Copy)]
struct Source {
    index: usize,
    /// It has the type of the field that it becomes.
    fits: bool,
}

impl ReplaceField {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let first_given = |current, older| match options.list(current) {
            [] => options.list(older).to_vec(),
            given => given.to_vec(),
        };
        let mut renames: Vec<(String, String)> = Vec::new();
        for mapping in options.list(&keys::REPLACE_RENAMES) {
            let (from, to) = mapping
                .split_once(':')
                .filter(|(from, to)| !from.is_empty() && !to.is_empty() && !to.contains(':'))
                .ok_or_else(|| format!("Invalid rename mapping: {mapping}"))
                .map_err(fault(&keys::REPLACE_RENAMES))?;
            match renames.iter_mut().find(|(known, _)| known == from) {
                Some(known) => to.clone_into(&mut known.1),
                None => renames.push((from.to_owned(), to.to_owned())),
            }
        }
        Ok(Self {
            names: Names {
                exclude: first_given(&keys::REPLACE_EXCLUDE, &keys::REPLACE_BLACKLIST),
                include: first_given(&keys::REPLACE_INCLUDE, &keys::REPLACE_WHITELIST),
                renames,
            },
            defaults: options.is_true(&keys::REPLACE_NULL),
            schemas: SchemaCache::default(),
        })
    }
}

impl ReplaceField {
    /// Leaves these fields out.
    pub(super) fn excluding(names: Vec<String>) -> Self {
        Self {
            names: Names {
                exclude: names,
                include: Vec::new(),
                renames: Vec::new(),
            },
            defaults: true,
            schemas: SchemaCache::default(),
        }
    }
}

impl Names {
    fn keeps(&self, name: &str) -> bool {
        let is_named = |names: &[String]| names.iter().any(|known| known == name);
        !is_named(&self.exclude) && (self.include.is_empty() || is_named(&self.include))
    }

    fn renamed<'a>(&'a self, name: &'a str) -> &'a str {
        let found = self.renames.iter().find(|(from, _)| from == name);
        found.map_or(name, |(_, to)| to)
    }

    /// The field that a new name's value is taken from: of two that are renamed to it the one
    /// named last, as in Connect.
    fn source<'a>(&'a self, name: &'a str) -> &'a str {
        let found = self.renames.iter().rev().find(|(_, to)| to == name);
        found.map_or(name, |(from, _)| from)
    }
}

impl ReplaceField {
    /// Applies it to one side of a record.
    pub(super) fn replace(&mut self, side: Side) -> Result<Side, String> {
        if side.datum.is_null() {
            return Ok(side);
        }
        match object::required(side, PURPOSE)? {
            Object::Map(map) => {
                let kept = map.into_entries().into_iter().filter_map(|(name, value)| {
                    let kept = self.names.keeps(&name);
                    kept.then(|| (self.names.renamed(&name).to_owned(), value))
                });
                let map = Map::from_entries(kept.collect());
                Ok(Side::schemaless(Datum::Map(map)))
            }
            Object::Struct(value) => {
                let basis = value.schema();
                let plan = self.schemas.get(basis, || plan(basis, &self.names))?;
                let mut values: Vec<Option<Datum>> = value
                    .into_values(self.defaults)
                    .into_iter()
                    .map(Some)
                    .collect();
                let values = plan.sources.iter().map(|source| {
                    let taken = values.get_mut(source.index).and_then(Option::take);
                    match taken.unwrap_or(Datum::Null) {
                        value if source.fits || value.is_null() => Ok(value),
                        value => Err(format!(
                            "{} cannot be the value of another field that is renamed over it",
                            value.kind()
                        )),
                    }
                });
                let values: Result<Vec<Datum>, String> = values.collect();
                Ok(object::struct_side(Struct::new(plan.schema, values?)))
            }
        }
    }
}

impl SideTransform for ReplaceField {
    fn apply(&mut self, side: Side, _about: &About<'_>) -> Result<Side, String> {
        self.replace(side)
    }
}

fn plan(basis: &Schema, names: &Names) -> Result<Plan, String> {
    let mut fields: Vec<Field> = Vec::new();
    let mut sources = Vec::new();
    for field in basis.fields().unwrap_or_default() {
        if !names.keeps(&field.name) {
            continue;
        }
        let name = names.renamed(&field.name);
        let source = names.source(name);
        let (index, taken) = basis
            .field(source)
            .ok_or_else(|| format!("{source} is not a valid field name"))?;
        // A field that stays while another one is renamed to it gets that one's value, as in Connect.
        sources.push(Source {
            index,
            fits: taken.schema.type_name() == field.schema.type_name(),
        });
        let renamed = Field {
            name: name.into(),
            schema: Arc::clone(&field.schema),
        };
        object::add_field(&mut fields, renamed)?;
    }
    Ok(Plan {
        schema: object::schema_like(basis, Kind::Struct(fields)).map(Arc::new)?,
        sources: sources.into(),
    })
}
