//! `sasl.jaas.config`: one login module with its options, as Java's clients take it.
//!
//! ```text
//! org.apache.kafka.common.security.plain.PlainLoginModule required username="ann" password="..";
//! ```

use std::iter::Peekable;
use std::str::Chars;

/// Longest text that is parsed.
const LENGTH_MAX: usize = 16 * 1024;

/// What a login module is told.
#[derive(PartialEq, Eq)]
pub(super) enum Login {
    /// User and password.
    Password { username: String, password: String },
    /// Client credentials; with newer clients they stand in settings of their own.
    OAuth {
        client_id: Option<String>,
        client_secret: Option<String>,
        scope: Option<String>,
    },
}

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule";
const OAUTH: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

/// Reads a login. Errors never show the text.
pub(super) fn parse(text: &str) -> Result<Login, String> {
    if text.len() > LENGTH_MAX {
        return Err(format!("longer than {LENGTH_MAX} bytes"));
    }
    let mut tokens = Tokens {
        rest: text.chars().peekable(),
    };
    let module = tokens.word()?;
    if ![PLAIN, SCRAM, OAUTH].contains(&module.as_str()) {
        return Err(format!(
            "the login module must be {PLAIN}, {SCRAM} or {OAUTH}"
        ));
    }
    match tokens.word()?.to_ascii_lowercase().as_str() {
        "required" | "requisite" | "sufficient" | "optional" => {}
        _ => return Err("the login module must be followed by `required`".to_owned()),
    }
    match module.as_str() {
        OAUTH => oauth(&mut tokens),
        _ => password(&mut tokens),
    }
}

fn password(tokens: &mut Tokens<'_>) -> Result<Login, String> {
    let (mut username, mut password) = (None, None);
    while let Some(option) = tokens.option_name()? {
        let value = tokens.option_value()?;
        match option.as_str() {
            "username" => username = Some(value),
            "password" => password = Some(value),
            "tokenauth" if value.eq_ignore_ascii_case("false") => {}
            "tokenauth" => return Err("delegation tokens are not supported".to_owned()),
            // The module's own name of an option is no secret; its value may be.
            _ => {
                return Err(format!(
                    "the option {option} is not supported; username and password are"
                ));
            }
        }
    }
    match (username, password) {
        (Some(username), Some(password)) => Ok(Login::Password { username, password }),
        (None, _) => Err("the option username is missing".to_owned()),
        (_, None) => Err("the option password is missing".to_owned()),
    }
}

fn oauth(tokens: &mut Tokens<'_>) -> Result<Login, String> {
    let (mut client_id, mut client_secret, mut scope) = (None, None, None);
    while let Some(option) = tokens.option_name()? {
        let value = tokens.option_value()?;
        match option.as_str() {
            "clientId" => client_id = Some(value),
            "clientSecret" => client_secret = Some(value),
            "scope" => scope = Some(value),
            _ => {
                return Err(format!(
                    "the option {option} is not supported; clientId, clientSecret and scope are"
                ));
            }
        }
    }
    Ok(Login::OAuth {
        client_id,
        client_secret,
        scope,
    })
}

struct Tokens<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Tokens<'_> {
    fn skip_space(&mut self) {
        while self.rest.next_if(|next| next.is_whitespace()).is_some() {}
    }

    fn word(&mut self) -> Result<String, String> {
        self.skip_space();
        let mut word = String::new();
        while let Some(next) = self.rest.next_if(|next| is_word(*next)) {
            word.push(next);
        }
        if word.is_empty() {
            Err("it must be: <login module> required username=\"..\" password=\"..\";".to_owned())
        } else {
            Ok(word)
        }
    }

    /// The next option, or `None` at the final semicolon.
    fn option_name(&mut self) -> Result<Option<String>, String> {
        self.skip_space();
        if self.rest.next_if_eq(&';').is_none() {
            return match self.rest.peek() {
                None => Err("the final semicolon is missing".to_owned()),
                Some(_) => self.word().map(Some),
            };
        }
        self.skip_space();
        match self.rest.peek() {
            None => Ok(None),
            Some(_) => Err("there must be one login module only".to_owned()),
        }
    }

    fn option_value(&mut self) -> Result<String, String> {
        self.skip_space();
        if self.rest.next_if_eq(&'=').is_none() {
            return Err("every option must be name=\"value\"".to_owned());
        }
        self.skip_space();
        match self.rest.peek().copied() {
            Some(quote @ ('"' | '\'')) => {
                self.rest.next();
                self.quoted(quote)
            }
            _ => self.word(),
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut value = String::new();
        loop {
            match self.rest.next() {
                None => return Err("a quote is not closed".to_owned()),
                Some('\\') => match self.rest.next() {
                    None => return Err("a quote is not closed".to_owned()),
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some('r') => value.push('\r'),
                    Some(escaped) => value.push(escaped),
                },
                Some(next) if next == quote => return Ok(value),
                Some(next) => value.push(next),
            }
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | '-' | '_' | '$')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn logins_are_read() {
        let check = |text: &str, username: &str, password: &str| {
            let expected = Login::Password {
                username: username.to_owned(),
                password: password.to_owned(),
            };
            assert!(parse(text).unwrap() == expected, "{text}");
        };
        check(
            &format!("{PLAIN} required username=\"ann\" password=\"s3cret\";"),
            "ann",
            "s3cret",
        );
        check(
            &format!("{SCRAM} required\n  username='ann'\n  password='a;b=c' ;\n"),
            "ann",
            "a;b=c",
        );
        check(
            &format!("{PLAIN} Required username=ann password=\"a\\\"b\\\\c\";"),
            "ann",
            "a\"b\\c",
        );
        check(
            &format!("{SCRAM} required username=\"ann\" password=\"p\" tokenauth=\"false\";"),
            "ann",
            "p",
        );
    }

    #[test]
    fn client_credentials_are_read() {
        let check = |options: &str, expected: [Option<&str>; 3]| {
            let text = format!("{OAUTH} required {options};");
            let [client_id, client_secret, scope] = expected.map(|text| text.map(str::to_owned));
            let expected = Login::OAuth {
                client_id,
                client_secret,
                scope,
            };
            assert!(parse(&text).unwrap() == expected, "{text}");
        };
        check("", [None, None, None]);
        check(
            "clientId=\"shop\" clientSecret='s3cret' scope=\"a b\"",
            [Some("shop"), Some("s3cret"), Some("a b")],
        );
        let extension = format!("{OAUTH} required extension_logicalCluster=\"lkc\";");
        let problem = parse(&extension).err().unwrap_or_default();
        assert!(problem.contains("extension_logicalCluster"), "{problem}");
    }

    #[test]
    fn anything_else_is_refused_without_showing_it() {
        let check = |text: &str, problem: &str| {
            let error = parse(text).err().unwrap_or_default();
            assert!(error.contains(problem), "{text:?}: {error:?}");
            assert!(!error.contains("s3cret"), "{error}");
        };
        check("", "it must be");
        check("s3cret", "login module must be");
        check(
            "com.sun.security.auth.module.Krb5LoginModule required;",
            "login module must be",
        );
        check(
            &format!("{PLAIN} username=\"ann\" password=\"s3cret\";"),
            "`required`",
        );
        check(
            &format!("{PLAIN} required username=\"ann\" password=\"s3cret\""),
            "semicolon",
        );
        check(
            &format!("{PLAIN} required username=\"ann\" password=\"s3cret;"),
            "not closed",
        );
        check(
            &format!("{PLAIN} required password=\"s3cret\";"),
            "username is missing",
        );
        check(
            &format!("{PLAIN} required username=\"ann\";"),
            "password is missing",
        );
        check(
            &format!("{PLAIN} required username \"ann\";"),
            "name=\"value\"",
        );
        check(
            &format!("{PLAIN} required user_ann=\"s3cret\";"),
            "user_ann is not supported",
        );
        check(
            &format!("{SCRAM} required username=\"a\" password=\"s3cret\" tokenauth=true;"),
            "tokens",
        );
        check(
            &format!("{PLAIN} required username=\"a\" password=\"s3cret\"; {PLAIN} required;"),
            "one login module",
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            prop_assert!(parse(&text).err().is_none_or(|problem| !problem.is_empty()));
        }

        #[test]
        fn quoted_passwords_come_back(password in "[ -~]{0,40}") {
            let escaped = password.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!("{PLAIN} required username=\"u\" password=\"{escaped}\";");
            let read = match parse(&text) {
                Ok(Login::Password { password, .. }) => Some(password),
                _ => None,
            };
            prop_assert_eq!(read, Some(password));
        }
    }
}
