//! A row of a query, as text.

/// The columns of a row; `None` is null.
#[derive(Debug, Clone)]
pub(crate) struct Row(Vec<Option<String>>);

impl Row {
    pub(super) fn new(columns: Vec<Option<String>>) -> Self {
        Self(columns)
    }

    /// A column, read as what is wanted.
    pub(crate) fn get<'r, T: FromText<'r>>(&'r self, column: usize) -> T {
        T::from_text(self.0[column].as_deref())
    }
}

/// What a column can be read as.
pub(crate) trait FromText<'r> {
    fn from_text(text: Option<&'r str>) -> Self;
}

impl<'r> FromText<'r> for &'r str {
    fn from_text(text: Option<&'r str>) -> Self {
        text.expect("null")
    }
}

impl<'r> FromText<'r> for String {
    fn from_text(text: Option<&'r str>) -> Self {
        text.expect("null").to_owned()
    }
}

impl<'r> FromText<'r> for bool {
    fn from_text(text: Option<&'r str>) -> Self {
        matches!(text.expect("null"), "t" | "1")
    }
}

impl<'r, T: FromText<'r>> FromText<'r> for Option<T> {
    fn from_text(text: Option<&'r str>) -> Self {
        text.map(|text| T::from_text(Some(text)))
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl<'r> FromText<'r> for $number {
            fn from_text(text: Option<&'r str>) -> Self {
                let text = text.expect("null");
                text.parse().unwrap_or_else(|_| panic!("{text} is no {}", stringify!($number)))
            }
        }
    )*};
}

numbers!(i32, i64, f64);
