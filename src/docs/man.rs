//! `docs/man/`: one page per verb.

use super::Document;
use clap::Command;
use clap_mangen::Man;

pub(super) fn pages() -> std::io::Result<Vec<Document>> {
    let mut command = super::cli::command();
    command.build();
    let mut pages = Vec::new();
    add(&command, "jail", &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, name: &str, pages: &mut Vec<Document>) -> std::io::Result<()> {
    let mut page = Vec::new();
    // The name of a page is `jail-run`, as git has it.
    Man::new(command.clone().display_name(name.to_owned()))
        .title(name.to_uppercase())
        .render(&mut page)?;
    pages.push(Document::new(format!("man/{name}.1"), page));
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        add(verb, &format!("{name}-{}", verb.get_name()), pages)?;
    }
    Ok(())
}
