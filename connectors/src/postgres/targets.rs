//! What a session knows about the tables that it writes to: how rows get in, and the statements
//! prepared for them.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_postgres::Statement;

use super::link::Link;
use super::schema::{self, Access};
use super::sql::{self, Verb};
use super::steps::Way;
use crate::error::SinkError;
use crate::fold;
use crate::row::TableRows;
use crate::table::Target;

/// Prepared statements of one session; each costs the server memory. Beyond it all are forgotten,
/// since rows with so many different sets of columns are rare and not worth an order of eviction.
const STATEMENTS_MAX: usize = 256;
/// Tables, or versions of their definitions, that a session remembers.
const TARGETS_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Targets {
    /// By address, which stays taken as long as the target is kept.
    known: HashMap<usize, Known>,
    statement_count: usize,
}

struct Known {
    _target: Arc<Target>,
    access: Access,
    statements: HashMap<Verb, HashMap<Vec<usize>, Statements>>,
}

/// What one step executes.
#[derive(Clone)]
pub(super) struct Statements {
    pub(super) rows: Statement,
    /// Of a copy: executed before it, see [`sql::guard`].
    pub(super) guard: Option<Statement>,
}

impl Targets {
    /// How the rows of these tables get in, `forced` or as the catalog says.
    pub(super) async fn ways(
        &mut self,
        link: &Link,
        tables: &[TableRows],
        forced: Option<Way>,
    ) -> Result<Vec<Way>, SinkError> {
        let mut ways = Vec::with_capacity(tables.len());
        for rows in tables {
            let access = self.known(link, &rows.target).await?.access;
            ways.push(match forced {
                Some(way) => way,
                None if access.has_fuzzy_key || are_rounded(rows) => Way::RowByRow,
                None => Way::Folded {
                    copies: access.is_copyable,
                    truncates: access.is_copyable && !access.is_referenced,
                },
            });
        }
        Ok(ways)
    }

    /// Forgets everything: some table has changed.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.statement_count = 0;
    }

    /// The prepared statements of a step.
    pub(super) async fn statements(
        &mut self,
        link: &Link,
        target: &Arc<Target>,
        verb: Verb,
        columns: &[usize],
    ) -> Result<Statements, SinkError> {
        let known = self.known(link, target).await?;
        let prepared = known.statements.get(&verb);
        if let Some(statements) = prepared.and_then(|prepared| prepared.get(columns)) {
            return Ok(statements.clone());
        }
        let action = format!("prepare writing to table {}", target.table.name);
        let guard = match verb {
            Verb::Copy => {
                let text = sql::guard(target, columns);
                let guard = link.answer(&action, link.client().prepare(&text)).await?;
                schema::require_unchanged(link, target).await?;
                Some(guard)
            }
            _ => None,
        };
        let text = sql::statement(target, verb, columns);
        let rows = link.answer(&action, link.client().prepare(&text)).await?;
        let statements = Statements { rows, guard };
        if self.statement_count >= STATEMENTS_MAX {
            self.clear();
        }
        self.statement_count += 1;
        let known = self.known(link, target).await?;
        let prepared = known.statements.entry(verb).or_default();
        prepared.insert(columns.to_vec(), statements.clone());
        Ok(statements)
    }

    async fn known(&mut self, link: &Link, target: &Arc<Target>) -> Result<&mut Known, SinkError> {
        let address = Arc::as_ptr(target).addr();
        if !self.known.contains_key(&address) {
            let name = &target.table.name;
            let key = target.key.iter().map(|column| target.column(*column));
            let key: Vec<&str> = key.map(|column| column.name.as_str()).collect();
            let access = schema::access(link, name, &key).await?;
            if self.known.len() >= TARGETS_MAX {
                self.clear();
            }
            let known = Known {
                _target: Arc::clone(target),
                access,
                statements: HashMap::new(),
            };
            self.known.insert(address, known);
        }
        self.known.get_mut(&address).ok_or_else(|| {
            SinkError::retry(format!("table {} is not known any more", target.table.name))
        })
    }
}

/// The table rounds times in these keys, so that two that differ may be one to it.
fn are_rounded(rows: &TableRows) -> bool {
    let is_rounded = |key: &usize| {
        let cells = &rows.columns[*key];
        let digits = sql::time_digits(rows.target.column(*key));
        digits.is_some_and(|digits| {
            let mut keys = (0..cells.len()).map(|row| cells.get(row));
            keys.any(|key| !fold::has_at_most_digits(key, digits))
        })
    };
    fold::keys_meet(rows) && rows.target.key.iter().any(is_rounded)
}
