//! `InsertHeader` and `DropHeaders`, and the predicate `HasHeaderKey`.
//!
//! Headers never reach a table by themselves; these matter to predicates, and to transforms that
//! read headers.

use super::{Applied, Fault, Predicate, Transform, fault};
use crate::config::converter::HeaderConverter;
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::decode::header;
use crate::record::{Header, OwnedRecord};

/// `InsertHeader`: adds a header to every record.
#[derive(Debug)]
pub(super) struct InsertHeader {
    header: Header,
}

impl InsertHeader {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let name = options.text(&keys::INSERT_HEADER).unwrap_or_default();
        let literal = options.text(&keys::INSERT_HEADER_VALUE).unwrap_or_default();
        let raw = (name.to_owned(), Some(literal.as_bytes().to_vec()));
        let header = header::read(HeaderConverter::Simple, raw)
            .map_err(|error| fault(&keys::INSERT_HEADER_VALUE)(error.reason))?;
        Ok(Self { header })
    }
}

impl Transform for InsertHeader {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        record.headers.push(self.header.clone());
        Ok(Some(record))
    }
}

/// `DropHeaders`: removes headers by name.
#[derive(Debug)]
pub(super) struct DropHeaders {
    names: Vec<String>,
}

impl DropHeaders {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        Ok(Self {
            names: options.list(&keys::DROP_HEADERS).to_vec(),
        })
    }
}

impl Transform for DropHeaders {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        record
            .headers
            .retain(|header| !self.names.contains(&header.name));
        Ok(Some(record))
    }
}

/// `HasHeaderKey`: whether there is a header of this name.
#[derive(Debug)]
pub(super) struct HasHeaderKey {
    name: String,
}

impl HasHeaderKey {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let name = options.text(&keys::HAS_HEADER_KEY).unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
        })
    }
}

impl Predicate for HasHeaderKey {
    fn holds(&self, record: &OwnedRecord) -> bool {
        record.headers.iter().any(|header| header.name == self.name)
    }

    fn reads_headers(&self) -> bool {
        true
    }
}
