//! Where values stand: files, folders, environment variables. Names and parameters are those of
//! the providers that come with Kafka.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::config::{offline, properties};

/// Largest file that values are read from.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// One provider.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// `FileConfigProvider`: path is a Java properties file, key a key in it.
    File(AllowedPaths),
    /// `DirectoryConfigProvider`: path is a folder, key a file in it, whose text is the value.
    Directory(AllowedPaths),
    /// `EnvVarConfigProvider`: no path, key is a variable. Those that may be read, as they were
    /// when the worker started.
    Environment(BTreeMap<String, String>),
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(allowed) => formatter.debug_tuple("File").field(allowed).finish(),
            Self::Directory(allowed) => formatter.debug_tuple("Directory").field(allowed).finish(),
            Self::Environment(variables) => write!(formatter, "Environment({})", variables.len()),
        }
    }
}

/// `allowed.paths`: absolute, without `..`; `None` allows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AllowedPaths(Option<Vec<PathBuf>>);

/// Properties files that were read, so that one config reads each once.
#[derive(Default)]
pub(in crate::config) struct Texts {
    properties: BTreeMap<PathBuf, Result<BTreeMap<String, String>, String>>,
}

impl Source {
    /// The value of a key.
    pub(super) fn value(&self, path: &str, key: &str, read: &mut Texts) -> Result<String, String> {
        match self {
            Self::Environment(variables) => match (path, variables.get(key)) {
                ("", Some(value)) => Ok(value.clone()),
                ("", None) => Err(format!(
                    "the worker's environment has no variable {key}, or its allowlist.pattern does not allow it"
                )),
                _ => Err(format!(
                    "environment variables have no path: write ${{..:{key}}}"
                )),
            },
            Self::File(allowed) => {
                let path = allowed.check(path)?;
                let properties = read
                    .properties
                    .entry(path.clone())
                    .or_insert_with(|| read_properties(&path))
                    .as_ref()
                    .map_err(|problem| format!("{problem} (for key {key})"))?;
                properties
                    .get(key)
                    .cloned()
                    .ok_or_else(|| format!("file {} has no key {key}", path.display()))
            }
            Self::Directory(allowed) => {
                let folder = allowed.check(path)?;
                let is_name = matches!(
                    Path::new(key).components().collect::<Vec<_>>().as_slice(),
                    [Component::Normal(_)]
                );
                if !is_name || key.ends_with('/') {
                    return Err(format!(
                        "the key {key} must be the name of a file in {}",
                        folder.display()
                    ));
                }
                let file = folder.join(key);
                read_text(&file)
            }
        }
    }
}

impl AllowedPaths {
    /// From a comma-separated list; empty allows all.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        let paths = text.split(',').map(|item| {
            let path = normal(Path::new(item.trim()));
            if path.is_absolute() && path.exists() {
                Ok(path)
            } else {
                Err(format!("{} must be absolute and exist", path.display()))
            }
        });
        Ok(Self(Some(paths.collect::<Result<_, _>>()?)))
    }

    /// The path, without `.` and `..`, if it may be read. Links are followed afterwards: mounted
    /// secrets are links, and who may make links there may as well write the values.
    fn check(&self, path: &str) -> Result<PathBuf, String> {
        if path.is_empty() {
            return Err("a path is needed: write ${provider:path:key}".to_owned());
        }
        let path = normal(Path::new(path));
        let Self(Some(allowed)) = self else {
            return Ok(path);
        };
        if allowed.iter().any(|allowed| path.starts_with(allowed)) {
            return Ok(path);
        }
        Err(format!("{} lies outside its allowed.paths", path.display()))
    }
}

/// A path without `.` and `..`, judged by its text alone.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                let ends_in_name =
                    matches!(normal.components().next_back(), Some(Component::Normal(_)));
                if ends_in_name {
                    normal.pop();
                } else if !normal.is_absolute() {
                    normal.push("..");
                }
            }
            other => normal.push(other),
        }
    }
    normal
}

/// In UTF-8, as Kafka's provider reads them, whereas a worker's own properties are ISO 8859-1.
fn read_properties(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let pairs = properties::parse_text(&read_text(path)?)
        .map_err(|error| format!("file {}: {error}", path.display()))?;
    Ok(pairs
        .into_iter()
        .map(|pair| (pair.key, pair.value))
        .collect())
}

fn read_text(path: &Path) -> Result<String, String> {
    String::from_utf8(read_file(path)?).map_err(|_| format!("file {} is not UTF-8", path.display()))
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("file {} cannot be read: {error}", path.display());
    // Opening a named pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    offline::read_bounded(path, FILE_BYTES_MAX)
        .map_err(failed)?
        .ok_or_else(|| {
            format!(
                "file {} is larger than {FILE_BYTES_MAX} bytes",
                path.display()
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_by_their_text() {
        let check = |path: &str, expected: &str| {
            assert_eq!(normal(Path::new(path)), PathBuf::from(expected), "{path}");
        };
        check("/a/b/../c", "/a/c");
        check("/a/./b", "/a/b");
        check("/../../etc", "/etc");
        check("a/../../b", "../b");
        check("/a/b/../../../c", "/c");
    }

    #[test]
    fn only_allowed_paths_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("in");
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(inside.join("s.properties"), "pg=s3cret\n").unwrap();
        std::fs::write(folder.path().join("out.properties"), "pg=s3cret\n").unwrap();
        let allowed = AllowedPaths::parse(inside.to_str().unwrap()).unwrap();
        let source = Source::File(allowed);
        let check = |path: &str, expected: Result<&str, &str>| {
            let path = format!("{}/{path}", folder.path().display());
            let value = source.value(&path, "pg", &mut Texts::default());
            match (value, expected) {
                (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{path}"),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
                (value, _) => panic!("{path}: {value:?}"),
            }
        };
        check("in/s.properties", Ok("s3cret"));
        check("in/../in/./s.properties", Ok("s3cret"));
        check("in/../out.properties", Err("outside its allowed.paths"));
        check("out.properties", Err("outside its allowed.paths"));
        check("inside.properties", Err("outside its allowed.paths"));
        for bad in ["relative", "/no/such/folder"] {
            let refused = AllowedPaths::parse(bad).unwrap_err();
            assert!(refused.contains("absolute and exist"), "{refused}");
        }
    }

    #[test]
    fn files_are_read_in_utf_8() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.properties");
        let path = path.to_str().unwrap();
        let source = Source::File(AllowedPaths::default());
        let value = || source.value(path, "pg", &mut Texts::default());
        std::fs::write(path, "pg=Pässwörd\\u00e4😀\n").unwrap();
        assert_eq!(value().unwrap(), "Pässwördä😀");
        std::fs::write(path, b"pg=P\xe4ss\n").unwrap();
        assert!(value().unwrap_err().contains("is not UTF-8"));
    }

    #[test]
    fn folders_give_whole_files_and_nothing_below_them() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "s3cret\n").unwrap();
        std::fs::write(folder.path().join("latin"), b"\xe4").unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("sub/file"), "x").unwrap();
        let source = Source::Directory(AllowedPaths::default());
        let path = folder.path().to_str().unwrap();
        let value = |key: &str| source.value(path, key, &mut Texts::default());
        assert_eq!(value("password").unwrap(), "s3cret\n");
        for (key, part) in [
            ("missing", "cannot be read"),
            ("latin", "not UTF-8"),
            ("sub", "is not a file"),
            ("sub/file", "must be the name of a file"),
            ("../password", "must be the name of a file"),
            ("", "must be the name of a file"),
        ] {
            let problem = value(key).unwrap_err();
            assert!(problem.contains(part), "{key}: {problem}");
        }
        let problem = source.value("", "password", &mut Texts::default());
        assert!(problem.unwrap_err().contains("a path is needed"));
    }

    #[test]
    fn debug_shows_no_variable() {
        let variables = BTreeMap::from([("PG".to_owned(), "s3cret".to_owned())]);
        let shown = format!("{:?}", Source::Environment(variables));
        assert_eq!(shown, "Environment(1)");
    }
}
