//! Keys of views and foreign tables, which no catalog tells.
//!
//! A view that can be written to passes a conflict on to the table behind it, and the planner looks
//! there for the unique index that the statement names. So a plan tells whether there is one, and
//! nothing is executed for it.

use std::sync::Arc;

use tokio_postgres::types::ToSql;

use super::encode::Cells;
use super::link::Link;
use super::sql::{self, Verb};
use crate::error::{ErrorClass, SinkError};
use crate::fold::RowSet;
use crate::row::TableRows;
use crate::statement;
use crate::table::Target;

/// See [`Session::confirm_key`](crate::Session::confirm_key).
pub(super) async fn confirm(link: &Link, target: &Arc<Target>) -> Result<(), SinkError> {
    let action = format!("plan writing to {}", target.table.name);
    // No other column matters, and some may be computed by the view.
    let text = sql::statement(target, Verb::Ignore, &target.key);
    let nothing = TableRows::new(Arc::clone(target));
    let arrays = Cells::new(&nothing, &RowSet::All, &target.key).arrays();
    let parameters: Vec<&(dyn ToSql + Sync)> = arrays
        .iter()
        .map(|array| array as &(dyn ToSql + Sync))
        .collect();
    let text = format!("EXPLAIN {text}");
    let planning = link.client().query(&text, &parameters);
    let Err(error) = link.answer(&action, planning).await else {
        return Ok(());
    };
    if error.class() == ErrorClass::Retry || error.connection_lost() || error.lacks_right() {
        return Err(error);
    }
    Err(statement::key_not_found(target, &error.to_string()))
}
