//! How values of a column travel.

use crate::table::{ColumnDef, ColumnType};

/// How values of a column travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum WireType {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytea,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Uuid,
    Json,
    Jsonb,
}

/// Object ids of built-in types; fixed by PostgreSQL's own catalog.
pub(in crate::postgres) mod type_id {
    pub(in crate::postgres) const CHAR: u32 = 18;
    pub(in crate::postgres) const NAME: u32 = 19;
    pub(in crate::postgres) const TEXT: u32 = 25;
    pub(in crate::postgres) const OID: u32 = 26;
    pub(in crate::postgres) const JSON: u32 = 114;
    pub(in crate::postgres) const MONEY: u32 = 790;
    pub(in crate::postgres) const BPCHAR: u32 = 1042;
    pub(in crate::postgres) const VARCHAR: u32 = 1043;
    pub(in crate::postgres) const JSONB: u32 = 3802;
}

impl WireType {
    /// The wire type of a column's values. Unsupported columns carry nulls only.
    pub(in crate::postgres) fn of(column: &ColumnDef) -> Self {
        match *column.column_type.plain() {
            ColumnType::Bool => Self::Bool,
            ColumnType::Int16 => Self::Int2,
            ColumnType::Int32 => Self::Int4,
            ColumnType::Int64 => Self::Int8,
            ColumnType::IntRange { .. } if column.native_type_id == type_id::OID => Self::Oid,
            ColumnType::IntRange { .. } => Self::Int8,
            ColumnType::Float32 => Self::Float4,
            ColumnType::Float64 => Self::Float8,
            ColumnType::Decimal { .. } | ColumnType::UInt64 => Self::Numeric,
            ColumnType::Text { .. }
            | ColumnType::SizedText { .. }
            | ColumnType::Literal(_)
            | ColumnType::Array(_)
            | ColumnType::Special { .. }
            | ColumnType::Unsupported => Self::Text,
            ColumnType::Bytes | ColumnType::SizedBytes { .. } | ColumnType::Geometry => Self::Bytea,
            ColumnType::Date => Self::Date,
            ColumnType::Time | ColumnType::TimeSpan => Self::Time,
            ColumnType::Timestamp => Self::Timestamp,
            ColumnType::TimestampTz => Self::TimestampTz,
            ColumnType::Uuid => Self::Uuid,
            ColumnType::Json if column.native_type_id == type_id::JSON => Self::Json,
            ColumnType::Json => Self::Jsonb,
        }
    }

    /// The type's object id, for array headers.
    pub(in crate::postgres) fn id(self) -> u32 {
        match self {
            Self::Bool => 16,
            Self::Bytea => 17,
            Self::Int8 => 20,
            Self::Int2 => 21,
            Self::Int4 => 23,
            Self::Text => type_id::TEXT,
            Self::Oid => type_id::OID,
            Self::Json => type_id::JSON,
            Self::Float4 => 700,
            Self::Float8 => 701,
            Self::Date => 1082,
            Self::Time => 1083,
            Self::Timestamp => 1114,
            Self::TimestampTz => 1184,
            Self::Numeric => 1700,
            Self::Uuid => 2950,
            Self::Jsonb => type_id::JSONB,
        }
    }

    pub(super) fn sql_name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int2 => "int2",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Oid => "oid",
            Self::Float4 => "float4",
            Self::Float8 => "float8",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Bytea => "bytea",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::TimestampTz => "timestamptz",
            Self::Uuid => "uuid",
            Self::Json => "json",
            Self::Jsonb => "jsonb",
        }
    }
}
