//! Names of converters: how record keys and values are read.

/// A converter that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    String,
}

/// Finds a converter by its Java class name, its simple name, or that without `Converter`, as
/// Kafka Connect does.
pub(super) fn kind(class: &str) -> Result<Kind, String> {
    match class {
        "org.apache.kafka.connect.json.JsonConverter" | "JsonConverter" | "Json" => Ok(Kind::Json),
        "org.apache.kafka.connect.storage.StringConverter" | "StringConverter" | "String" => {
            Ok(Kind::String)
        }
        _ => Err(format!(
            "Class {class} could not be found. Built in are JsonConverter and, for keys, StringConverter."
        )),
    }
}

/// The same for header converters. `None`: `SimpleHeaderConverter`, which is for headers only.
pub(super) fn header_kind(class: &str) -> Result<Option<Kind>, String> {
    match class {
        "org.apache.kafka.connect.storage.SimpleHeaderConverter"
        | "SimpleHeaderConverter"
        | "Simple" => Ok(None),
        _ => kind(class).map(Some).map_err(|_| {
            format!(
                "Class {class} could not be found. Built in are SimpleHeaderConverter, StringConverter and JsonConverter."
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converters_are_found_by_name_and_alias() {
        let check = |class: &str, expected: Option<Kind>| {
            assert_eq!(kind(class).ok(), expected, "{class}");
        };
        check(
            "org.apache.kafka.connect.json.JsonConverter",
            Some(Kind::Json),
        );
        check("JsonConverter", Some(Kind::Json));
        check("Json", Some(Kind::Json));
        check("StringConverter", Some(Kind::String));
        check("io.confluent.connect.avro.AvroConverter", None);
        check("", None);
        let message = kind("nope.Converter").unwrap_err();
        assert!(
            message.starts_with("Class nope.Converter could not be found."),
            "{message}"
        );
        assert_eq!(header_kind("SimpleHeaderConverter"), Ok(None));
        assert_eq!(header_kind("StringConverter"), Ok(Some(Kind::String)));
        assert!(header_kind("nope.Converter").is_err());
    }
}
