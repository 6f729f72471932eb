//! Documents that are made from the code, so that they cannot say anything else.
//!
//! Pure: each file here makes one kind of output. `make gen` (`examples/gen-docs`) writes them below
//! `docs/`, and `tests/it/generated.rs` fails where a committed file is not what the code makes.

mod backends;
pub mod cli;
pub mod completions;
mod doctor;
mod exit_codes;
mod man;
mod markdown;
mod policy;
mod probes;
mod schema;
mod stages;

/// One generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// From `docs/`.
    pub path: String,
    pub contents: Vec<u8>,
}

/// Folders below `docs/` in which every file is generated.
pub const FOLDERS: [&str; 3] = ["completions", "man", "schema"];

/// The first line of every generated page.
const NOTICE: &str =
    "<!-- Made from the code by `make gen`. Change the code, not this file. -->\n\n";

impl Document {
    fn new(path: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), contents: contents.into() }
    }

    fn page(path: &str, text: &str) -> Self {
        Self::new(path, format!("{NOTICE}{}\n", text.trim_end()))
    }
}

/// The profile that the compose files of `docker/` name.
fn seccomp_of_compose() -> Document {
    let profile = crate::seccomp::built_in_json("default").unwrap_or_default();
    Document::new("../docker/seccomp/default.json", profile)
}

/// Every generated file.
///
/// # Errors
/// A man page, or the schema, cannot be written; both go to memory, so this is a fault of ours.
pub fn all() -> std::io::Result<Vec<Document>> {
    let mut documents = vec![
        Document::page("backends.md", &backends::page()),
        Document::page("cli.md", &cli::page()),
        Document::page("doctor.md", &doctor::page()),
        Document::page("exit-codes.md", &exit_codes::page()),
        Document::page("policy.md", &policy::page()),
        Document::page("probes.md", &probes::page()),
        Document::page("stages.md", &stages::page()),
    ];
    documents.push(Document::new("openapi.json", crate::api::document()?));
    documents.push(seccomp_of_compose());
    documents.extend(schema::files()?);
    documents.extend(man::pages()?);
    documents.extend(completions::files());
    Ok(documents)
}
