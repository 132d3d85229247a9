//! The bytes of records as they were read, kept for dead letters.

use std::ops::Range;

use super::Reject;
use crate::record::{RawHeader, RawRecord, header_bytes};

/// Copies of records' bytes, end to end in one buffer.
#[derive(Debug, Default, Clone)]
pub struct Originals {
    bytes: Vec<u8>,
    entries: Vec<OriginalEntry>,
}

#[derive(Debug, Clone)]
struct OriginalEntry {
    position: usize,
    offset: i64,
    timestamp_ms: Option<i64>,
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
    headers: Vec<RawHeader>,
}

/// A record's bytes as they were read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Original<'a> {
    /// Record time in milliseconds.
    pub timestamp_ms: Option<i64>,
    /// Key bytes.
    pub key: Option<&'a [u8]>,
    /// Value bytes.
    pub value: Option<&'a [u8]>,
    /// Headers in order.
    pub headers: &'a [RawHeader],
}

impl Originals {
    /// Copies a record. Returns how many bytes its headers take.
    pub(super) fn keep(&mut self, position: usize, record: &RawRecord<'_>) -> usize {
        let headers = record.headers.headers();
        let bytes_of_headers = headers.iter().map(header_bytes).sum();
        let entry = OriginalEntry {
            position,
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: appended(&mut self.bytes, record.key),
            value: appended(&mut self.bytes, record.value),
            headers,
        };
        self.entries.push(entry);
        bytes_of_headers
    }

    /// Those of a record, when they were kept.
    pub(super) fn of(&self, position: usize, offset: i64) -> Option<Original<'_>> {
        let entry = self.entry(position, offset)?;
        Some(Original {
            timestamp_ms: entry.timestamp_ms,
            key: self.slice(entry.key.as_ref()),
            value: self.slice(entry.value.as_ref()),
            headers: &entry.headers,
        })
    }

    /// Forgets these positions.
    pub(super) fn cut(&mut self, positions: &[usize]) {
        self.entries
            .retain(|entry| !positions.contains(&entry.position));
    }

    /// Gives every position another index.
    pub(super) fn renumber(&mut self, moved: impl Fn(usize) -> usize) {
        for entry in &mut self.entries {
            entry.position = moved(entry.position);
        }
    }

    /// Those of one reject, whose position is the first.
    pub(super) fn alone(&self, reject: &Reject) -> Self {
        let Some(entry) = self.entry(reject.position, reject.offset) else {
            return Self::default();
        };
        let mut bytes = Vec::new();
        let entry = OriginalEntry {
            position: 0,
            key: appended(&mut bytes, self.slice(entry.key.as_ref())),
            value: appended(&mut bytes, self.slice(entry.value.as_ref())),
            ..entry.clone()
        };
        Self {
            bytes,
            entries: vec![entry],
        }
    }

    fn entry(&self, position: usize, offset: i64) -> Option<&OriginalEntry> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.position == position && entry.offset == offset)
    }

    fn slice(&self, range: Option<&Range<usize>>) -> Option<&[u8]> {
        self.bytes.get(range?.clone())
    }
}

fn appended(buffer: &mut Vec<u8>, bytes: Option<&[u8]>) -> Option<Range<usize>> {
    let bytes = bytes?;
    let start = buffer.len();
    buffer.extend_from_slice(bytes);
    Some(start..buffer.len())
}
