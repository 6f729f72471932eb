//! What is a secret, by its name or by its look. Pure.

/// Words of names whose values are secret, wherever they stand in it.
const WORDS: &[&str] = &[
    "SECRET",
    "SECRETS",
    "TOKEN",
    "PAT",
    "APIKEY",
    "PASSWORDS",
    "PASSPHRASES",
    "CREDENTIAL",
    "CREDENTIALS",
];

/// The same for ends of a word: PGPASSWORD, AUTHTOKEN.
const ENDS: &[&str] = &["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY"];

/// The same where they are the last one.
const LAST: &[&str] = &["PASS", "PWD", "REQUIREPASS"];

/// What a KEY must be of to be secret.
const KEYS: &[&str] = &["API", "ACCESS", "PRIVATE", "AUTH", "ENCRYPTION", "SIGNING", "SECRET"];

/// Last words of such names that say where the secret is, or something about it.
const NOT_SECRET: &[&str] = &[
    "FILE",
    "PATH",
    "URL",
    "URI",
    "HOST",
    "NAME",
    "ID",
    "TTL",
    "EXPIRY",
    "EXPIRATION",
    "LENGTH",
    "LIMIT",
    "HEADER",
    "ENDPOINT",
    "ISSUER",
    "AUDIENCE",
    "ALGORITHM",
    "TYPE",
    "COUNT",
    "SIZE",
    "POLICY",
    "HASHER",
];

/// How secrets of services begin.
const STARTS: &[&str] = &[
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_live_",
    "rk_live_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AIza",
    "npm_",
    "hf_",
    "-----BEGIN",
    "eyJhbGci",
    "dop_v1_",
    "pypi-",
];

/// `--password=x`, or `x` after `--password`.
pub(super) fn is_secret_word(word: &str, before: &str) -> bool {
    let (name, value) = word.trim_start_matches('-').split_once('=').unwrap_or(("", word));
    let value = value.trim_matches(['"', '\'']);
    if looks_secret(value) || is_literal(value, name) && !value.starts_with('$') {
        return true;
    }
    let option = before.starts_with("--") && !before.contains('=');
    // `--no-password` takes nothing.
    let takes = option && !before.starts_with("--no-");
    takes && is_literal(word, before.trim_start_matches('-')) && !word.starts_with(['$', '-'])
}

/// `name = value` or `name: value` of a configuration, or a word that looks so.
pub(super) fn is_secret_line(line: &str) -> bool {
    let quotes = ['"', '\'', ',', ';'];
    if line.split_whitespace().any(|word| looks_secret(word.trim_matches(quotes))) {
        return true;
    }
    let Some((name, value)) = line.split_once(['=', ':']) else { return false };
    let name = name.trim().trim_start_matches(['-', ' ', '{']).trim_matches(quotes);
    let value = value.trim().trim_matches(quotes);
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    name.chars().all(plain) && is_literal(value, name) && !value.starts_with('$')
}

/// The words of a name: `dbPassword`, `DB_PASSWORD` and `db-password` have two.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || lower && c.is_ascii_uppercase() {
            words.push(String::new());
        }
        lower = c.is_ascii_lowercase();
        if c.is_ascii_alphanumeric()
            && let Some(last) = words.last_mut()
        {
            last.push(c.to_ascii_uppercase());
        }
    }
    // `PASSWORD_2` is a password.
    words.retain(|word| !word.bytes().all(|byte| byte.is_ascii_digit()));
    words
}

pub(super) fn is_secret_name(name: &str) -> bool {
    let words = words_of(name);
    let Some(last) = words.last().map(String::as_str) else { return false };
    // The shell's own name for the folder that it is in.
    if NOT_SECRET.contains(&last) || words.len() == 1 && last == "PWD" {
        return false;
    }
    let key = |pair: &[String]| pair[1] == "KEY" && KEYS.contains(&pair[0].as_str());
    LAST.contains(&last)
        || words.windows(2).any(key)
        || words.iter().any(|word| {
            WORDS.contains(&word.as_str()) || ENDS.iter().any(|end| word.ends_with(end))
        })
}

/// A name that ends so has a number for its value where somebody chose a bad one.
fn is_password(name: &str) -> bool {
    let last = words_of(name).pop().unwrap_or_default();
    LAST.contains(&last.as_str()) || ["PASSWORD", "PASSWD"].iter().any(|end| last.ends_with(end))
}

/// A value that is a secret, by its look or by its name's.
pub(super) fn is_literal(text: &str, name: &str) -> bool {
    let text = text.trim();
    let word =
        ["", "true", "false", "0", "1", "yes", "no", "none", "null", "file", "changeit-by-file"];
    let number = text.parse::<f64>().is_ok() && !is_password(name);
    // GOOGLE_APPLICATION_CREDENTIALS is a path.
    let path = text.starts_with('/') && name.to_ascii_uppercase().contains("CREDENTIAL");
    looks_secret(text)
        || is_secret_name(name)
            && !word.contains(&text.to_ascii_lowercase().as_str())
            && !number
            && !path
            && !text.starts_with("/run/secrets")
}

fn looks_secret(text: &str) -> bool {
    let start = STARTS.iter().any(|start| text.starts_with(start) && text.len() >= start.len() + 8);
    start || password_in_url(text)
}

/// `scheme://user:password@host`.
fn password_in_url(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    user.split_once(':')
        .is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        for name in [
            "DB_PASSWORD",
            "github_token",
            "OPENAI_API_KEY",
            "PAT",
            "MY_PAT",
            "apikey",
            "RABBITMQ_DEFAULT_PASS",
            "MYSQL_PWD",
            "PGPASSWORD",
            "dbPassword",
            "splunk-token",
            "requirepass",
            "PASSWORD_2",
            "SECRET_KEY_BASE",
            "AWS_SECRET_ACCESS_KEY",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "DB_PASSWORD_FILE",
            "TOKEN_URL",
            "PATH",
            "KEY",
            "TOKEN_LIMIT",
            "COMPATIBLE",
            "API_KEY_ID",
            "MAX_TOKENS",
            "TOKENIZER",
            "LOG_PATTERN",
            "FILE_PATTERN",
            "PWD",
            "OLDPWD",
            "PASS_THROUGH",
            "BYPASS",
            "MONKEY",
            "",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
        for text in
            ["ghp_0123456789abcdef", "postgres://u:pw@db/x", "-----BEGIN RSA PRIVATE KEY-----"]
        {
            assert!(looks_secret(text), "{text}");
        }
        for text in ["postgres://u@db/x", "https://a.b/c:d@e", "sk-", "http://u:@x", "a:b@c"] {
            assert!(!looks_secret(text), "{text}");
        }
    }

    #[test]
    fn numbers_and_paths() {
        for (name, text) in [("DB_PASSWORD", "123456"), ("MYSQL_PWD", "0000"), ("TOKEN", "12ab")] {
            assert!(is_literal(text, name), "{name}: {text}");
        }
        for (name, text) in [
            ("SESSION_TOKEN", "3600"),
            ("PASSWORD_MIN", "12"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/app/key.json"),
            ("DB_PASSWORD", "/run/secrets/db"),
            ("MYSQL_ALLOW_EMPTY_PASSWORD", "yes"),
        ] {
            assert!(!is_literal(text, name), "{name}: {text}");
        }
    }

    #[test]
    fn words_of_commands() {
        for (before, word) in
            [("", "--password=x"), ("--password", "x"), ("--api-key", "x"), ("x", "DB_PASS=x")]
        {
            assert!(is_secret_word(word, before), "{before} {word}");
        }
        for (before, word) in [
            ("--password", "$PW"),
            ("--password", "--verbose"),
            ("--password", ""),
            ("--password=x", "y"),
            ("--no-password", "serve"),
            ("--password-file", "x"),
            ("--max-tokens", "400"),
            ("password", "x"),
        ] {
            assert!(!is_secret_word(word, before), "{before} {word}");
        }
    }

    #[test]
    fn lines_of_configurations() {
        for line in [
            "password: hunter2",
            "  - token = \"abc\"",
            "{\"api_key\": \"abc\",",
            "a ghp_0123456789",
        ] {
            assert!(is_secret_line(line), "{line}");
        }
        for line in
            ["password: ${DB}", "# how a password: is set", "max_tokens: 5", "", "token_url: x"]
        {
            assert!(!is_secret_line(line), "{line}");
        }
    }
}
