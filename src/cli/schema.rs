//! `jail schema`: the JSON Schemas of the files that a user owns.

use super::ui;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::{policy, ports};

/// Print the JSON Schema of a file, for editors.
#[derive(Debug, clap::Args)]
pub struct SchemaArgs {
    /// Which file.
    pub of: Subject,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Subject {
    /// `.cloned/connectors/<name>.yaml`.
    Connector,
    /// `.cloned/ports.yaml`.
    Ports,
}

pub fn run(args: &SchemaArgs) -> Result<u8, Failure> {
    let schema = match args.of {
        Subject::Connector => policy::schema(),
        Subject::Ports => ports::store::schema(),
    };
    let cannot = || Failure::new(Kind::Io, "cannot print the schema");
    let text = serde_json::to_string_pretty(&schema).map_err(|error| cannot().because(error))?;
    ui::data(&format!("{text}\n")).map_err(|error| cannot().because(error))?;
    Ok(exit::OK)
}
