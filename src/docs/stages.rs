//! `docs/stages.md`.

use super::markdown::{head, row};
use crate::confine::{capabilities, identity, limits, no_new_privs, pivot, process};
use crate::plan::Stage;
use crate::plan::network;

pub(super) fn page() -> String {
    let mut out = "# The stages of a run\n\n\
        In this order, always. An error names its stage; `jail explain NAME` and \
        `jail run --dry-run -- COMMAND` show the steps of a run within each.\n\n"
        .to_owned();
    out += &head(&["", "stage", "by"]);
    for (index, stage) in Stage::ALL.iter().enumerate() {
        let link = format!("[{stage}](#{stage})");
        out += &row(&[&(index + 1).to_string(), &link, stage.about().by]);
    }
    for stage in Stage::ALL {
        out += &section(*stage);
    }
    out
}

fn section(stage: Stage) -> String {
    let about = stage.about();
    let mut out = format!("\n## {stage}\n\n{}\n\n", about.does);
    for (name, text) in
        [("Needs", about.needs), ("Gives", about.gives), ("Must not yet", about.not_yet)]
    {
        if !text.is_empty() {
            out += &format!("- **{name}:** {text}\n");
        }
    }
    let steps = fixed_steps(stage);
    if !steps.is_empty() {
        out += "\nSteps:\n\n";
        for (index, step) in steps.iter().enumerate() {
            out += &format!("{}. {step}\n", index + 1);
        }
    }
    out
}

/// The steps that are the same in every run; the plan adds its own to some stages.
fn fixed_steps(stage: Stage) -> &'static [&'static str] {
    match stage {
        Stage::IdMap => &identity::STEPS,
        Stage::Process => &process::STEPS,
        Stage::Network => &network::PROXIED,
        Stage::Pivot => &pivot::STEPS,
        Stage::Capabilities => &capabilities::STEPS,
        Stage::NoNewPrivs => &no_new_privs::STEPS,
        Stage::Limits => &limits::STEPS,
        Stage::Resolve
        | Stage::Secrets
        | Stage::Cgroup
        | Stage::Namespaces
        | Stage::Lifeline
        | Stage::Mounts
        | Stage::Landlock
        | Stage::Payload
        | Stage::Seccomp
        | Stage::Proof
        | Stage::Exec => &[],
    }
}
