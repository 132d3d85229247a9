//! Where the database file is: from `connection.url` to a path.

use std::path::PathBuf;

use crate::error::SinkError;

/// Reads `jdbc:sqlite:path`, `sqlite:path`, `sqlite://path`, each with or without `file:` before
/// the path and `?parameters` behind it. The parameters are other programs' tuning and ignored,
/// except those that would make it another kind of database.
///
/// # Errors
/// *Stop* for other schemes, for databases in memory (every session would have its own) and for
/// read-only ones.
pub(super) fn database_path(url: &str) -> Result<PathBuf, SinkError> {
    let scheme_less = url.strip_prefix("jdbc:").unwrap_or(url);
    let Some(location) = scheme_less.strip_prefix("sqlite:") else {
        return Err(SinkError::stop(format!(
            "connection.url must look like jdbc:sqlite:/path/to/file or sqlite:/path/to/file, \
             its scheme is {}",
            url.split(':').next().unwrap_or_default()
        )));
    };
    let location = location.strip_prefix("//").unwrap_or(location);
    let location = location.strip_prefix("file:").unwrap_or(location);
    let (path, parameters) = location.split_once('?').unwrap_or((location, ""));
    if path.is_empty() || path.starts_with(":memory:") || has(parameters, "mode", "memory") {
        return Err(SinkError::stop(
            "connection.url names a database in memory, which every session would have for \
             itself: name a file",
        ));
    }
    if path.starts_with(":resource:") || has(parameters, "mode", "ro") {
        return Err(SinkError::stop(
            "connection.url names a read-only database: name a file that can be written",
        ));
    }
    if !parameters.is_empty() {
        tracing::debug!("parameters of the sqlite url are ignored");
    }
    Ok(PathBuf::from(path))
}

fn has(parameters: &str, key: &str, value: &str) -> bool {
    let mut pairs = parameters.split('&').map(|pair| pair.split_once('='));
    pairs.any(|pair| pair == Some((key, value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorClass;

    fn check(url: &str, expected: Result<&str, &str>) {
        match (database_path(url), expected) {
            (Ok(path), Ok(expected)) => assert_eq!(path, PathBuf::from(expected), "{url}"),
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{url}: {error}");
                assert_eq!(error.class(), ErrorClass::Stop, "{url}");
            }
            (found, expected) => panic!("{url}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn urls_name_files() {
        check("jdbc:sqlite:/data/shop.db", Ok("/data/shop.db"));
        check(
            "jdbc:sqlite:/data/shop.db?journal_mode=WAL&busy_timeout=1",
            Ok("/data/shop.db"),
        );
        check("jdbc:sqlite:shop.db", Ok("shop.db"));
        check(
            "jdbc:sqlite:file:/data/shop.db?cache=shared",
            Ok("/data/shop.db"),
        );
        check("sqlite:shop.db", Ok("shop.db"));
        check("sqlite:///data/shop.db", Ok("/data/shop.db"));
        check("sqlite://shop.db", Ok("shop.db"));
        check("sqlite:/with space/ä.db", Ok("/with space/ä.db"));
        check("jdbc:sqlite:C:/data/shop.db", Ok("C:/data/shop.db"));
    }

    #[test]
    fn other_databases_are_refused() {
        check("jdbc:sqlite::memory:", Err("in memory"));
        check("sqlite://:memory:", Err("in memory"));
        check("jdbc:sqlite:", Err("in memory"));
        check(
            "sqlite:file:shop?mode=memory&cache=shared",
            Err("in memory"),
        );
        check("sqlite:shop.db?mode=ro", Err("read-only"));
        check("jdbc:sqlite::resource:shop.db", Err("read-only"));
        check("jdbc:postgresql://host/db", Err("its scheme is jdbc"));
        check("", Err("must look like"));
        check("shop.db", Err("must look like"));
    }
}
