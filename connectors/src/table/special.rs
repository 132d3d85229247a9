//! Types that not every database has, for columns to be created.

use std::fmt;

use super::{ColumnType, Notation};

/// A type that some databases have and others have not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Special {
    /// One whose values are texts in a notation: intervals, bits, network addresses, ranges and the like.
    Notation(Notation),
    /// XML documents.
    Xml,
    /// Words and their places, for searches in texts.
    TextSearch,
    /// An amount of money.
    Money,
    /// PostgreSQL's numbers of its own objects.
    ObjectId,
    /// One of these texts, or when `several` any of them, with commas between.
    Labels {
        /// The texts, in their order.
        labels: Vec<String>,
        /// Any number of them.
        several: bool,
    },
    /// A year.
    Year,
    /// Whole numbers of another range, such as those of an unsigned integer.
    Whole {
        /// The least.
        low: i64,
        /// The greatest.
        high: i64,
    },
    /// 64-bit unsigned integer.
    UnsignedLong,
    /// A geometry; a point where that is told apart.
    Geometry {
        /// Only points.
        is_point: bool,
    },
    /// A geometry on the globe.
    Geography,
    /// A vector of single precision, in a type for searches by distance.
    Vector,
    /// A vector of half precision, the same way.
    HalfVector,
    /// PostgreSQL's type of this name, where the extension that it comes with is installed.
    Extension(&'static str),
    /// Raw bytes, bounded.
    Bytes {
        /// Most bytes.
        max_bytes: u32,
    },
    /// A time, or a date and time, with this many digits after the second.
    Fraction {
        /// At most 6.
        digits: u32,
    },
}

impl ColumnType {
    /// This type for databases that have it; `plain` for the others.
    #[must_use]
    pub fn or_plain(kind: Special, plain: Self) -> Self {
        Self::Special {
            kind,
            plain: Box::new(plain),
        }
    }

    /// The type that every database has something for.
    pub fn plain(&self) -> &Self {
        match self {
            Self::Special { plain, .. } => plain,
            other => other,
        }
    }
}

impl fmt::Display for Special {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Notation(notation) => return notation.fmt(formatter),
            Self::Xml => "XML",
            Self::TextSearch => "words for searches",
            Self::Money => "amount of money",
            Self::ObjectId => "object id",
            Self::Labels { several: false, .. } => "one of some labels",
            Self::Labels { several: true, .. } => "set of labels",
            Self::Year => "year",
            Self::Whole { low, high } => {
                return write!(formatter, "integer from {low} to {high}");
            }
            Self::UnsignedLong => "64-bit unsigned integer",
            Self::Geometry { is_point: true } => "point as a geometry",
            Self::Geometry { is_point: false } => "geometry",
            Self::Geography => "geography",
            Self::Vector => "vector",
            Self::HalfVector => "vector of half precision",
            Self::Extension(name) => return write!(formatter, "{name} of an extension"),
            Self::Bytes { max_bytes } => return write!(formatter, "bytes({max_bytes})"),
            Self::Fraction { digits } => {
                return write!(formatter, "time with {digits} digits after the second");
            }
        };
        formatter.write_str(name)
    }
}
