//! A connector that a package manager starts: `npm:NAME@VERSION`, `pypi:NAME@VERSION`.

use super::expect::Malformed;
use std::fmt;
use std::str::FromStr;

/// Where a package comes from, and so which tool starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Registry {
    /// Started by `npx`.
    Npm,
    /// Started by `uvx`.
    Pypi,
}

/// One package in exactly one version; ranges and tags such as `latest` are no version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Package {
    pub registry: Registry,
    /// `name` or `@scope/name`.
    pub name: String,
    pub version: String,
}

impl Package {
    /// The program and its first arguments that start this package.
    pub fn command(&self) -> Vec<String> {
        let package = format!("{}@{}", self.name, self.version);
        match self.registry {
            Registry::Npm => vec!["npx".into(), "--yes".into(), package],
            Registry::Pypi => vec!["uvx".into(), package],
        }
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registry = match self.registry {
            Registry::Npm => "npm",
            Registry::Pypi => "pypi",
        };
        write!(f, "{registry}:{}@{}", self.name, self.version)
    }
}

impl FromStr for Package {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || {
            let expected = "`npm:NAME@VERSION` or `pypi:NAME@VERSION` with one full version such \
                            as `npm:@modelcontextprotocol/server-github@2025.4.8`";
            Malformed::new(expected, text)
        };
        let (registry, rest) = text.split_once(':').ok_or_else(malformed)?;
        // The last `@`: a scope starts with one.
        let (name, version) = rest.rsplit_once('@').ok_or_else(malformed)?;
        let (registry, fits) = match registry {
            "npm" => (Registry::Npm, npm_name(name) && npm_version(version)),
            "pypi" => (Registry::Pypi, pypi_name(name) && pypi_version(version)),
            _ => return Err(malformed()),
        };
        if !fits {
            return Err(malformed());
        }
        Ok(Self { registry, name: name.to_owned(), version: version.to_owned() })
    }
}

/// <https://docs.npmjs.com/cli/configuring-npm/package-json#name>, without the old upper-case names.
fn npm_name(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
    };
    let fits = match name.strip_prefix('@') {
        Some(scoped) => {
            scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name))
        }
        None => part(name),
    };
    fits && name.len() <= 214
}

/// Three numbers, then what semver allows after them.
fn npm_version(version: &str) -> bool {
    let end = version.find(['-', '+']).unwrap_or(version.len());
    let (numbers, rest) = version.split_at(end);
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    numbers.split('.').count() == 3
        && numbers.split('.').all(number)
        && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'))
        && rest.len() != 1
        && version.len() <= 64
}

/// <https://packaging.python.org/en/latest/specifications/name-normalization/>
fn pypi_name(name: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    name.starts_with(ends)
        && name.ends_with(ends)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && name.len() <= 128
}

/// Starts with a number and has no wildcard or comparison in it.
fn pypi_version(version: &str) -> bool {
    version.starts_with(|c: char| c.is_ascii_digit())
        && version
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'!' | b'+' | b'-' | b'_'))
        && version.len() <= 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_in_one_version_are_accepted() {
        for (text, name, version) in [
            (
                "npm:@modelcontextprotocol/server-github@2025.4.8",
                "@modelcontextprotocol/server-github",
                "2025.4.8",
            ),
            ("npm:mcp-remote@0.1.18-rc.1+build.5", "mcp-remote", "0.1.18-rc.1+build.5"),
            ("pypi:mcp-server-git@2025.7.1", "mcp-server-git", "2025.7.1"),
            ("pypi:Zope.Interface@5!1.0rc1.post2", "Zope.Interface", "5!1.0rc1.post2"),
        ] {
            let package: Package = text.parse().unwrap();
            assert_eq!((package.name.as_str(), package.version.as_str()), (name, version));
            assert_eq!(package.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_single_version_is_refused() {
        for text in [
            "",
            "npm:",
            "npm:x",
            "npm:x@",
            "npm:x@latest",
            "npm:x@^1.2.3",
            "npm:x@1",
            "npm:x@1.2",
            "npm:x@1.2.3-",
            "npm:../x@1.2.3",
            "npm:@scope@1.2.3",
            "npm:@a/b/c@1.2.3",
            "npm:X@1.2.3",
            "npm:-x@1.2.3",
            "npm:x y@1.2.3",
            "npm:x@1.2.3;id",
            "pypi:x@>=1",
            "pypi:x@1.*",
            "pypi:x-@1",
            "pypi:--index-url@1",
            "cargo:x@1.2.3",
            "x@1.2.3",
        ] {
            assert!(text.parse::<Package>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn the_command_names_the_version() {
        let npm: Package = "npm:mcp-remote@0.1.18".parse().unwrap();
        assert_eq!(npm.command(), ["npx", "--yes", "mcp-remote@0.1.18"]);
        let pypi: Package = "pypi:mcp-server-git@2025.7.1".parse().unwrap();
        assert_eq!(pypi.command(), ["uvx", "mcp-server-git@2025.7.1"]);
    }
}
