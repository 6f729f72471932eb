//! `docs/probes.md`.

use super::markdown::{head, row};
use crate::plan::{Moment, Probe};

pub(super) fn page() -> String {
    let mut out = "# The proof from inside\n\n\
        Before the connector starts, the process that becomes it tries each of these. Every one must \
        fail; if one works, the run ends with 125 and nothing of the connector was started. The \
        results are in `--report json` and, as `applied`, in the audit log.\n\n\
        The first half runs before the filter of system calls is loaded, so that what fails there fails \
        by namespaces, capabilities, mounts and Landlock alone. The second half shows that the filter is \
        in force.\n\n\
        Those marked \"namespaces\" are tried by default, those marked \"without\" with `--sandbox=landlock`.\n"
        .to_owned();
    let within = Probe::within_namespaces();
    let without = Probe::without_namespaces();
    for (moment, title) in
        [(Moment::BeforeSeccomp, "Before seccomp"), (Moment::AfterSeccomp, "After seccomp")]
    {
        out += &format!("\n## {title}\n\n{}", head(&["probe", "tries to", "in"]));
        for probe in Probe::ALL.iter().filter(|probe| probe.moment() == moment) {
            let place = match (within.contains(probe), without.contains(probe)) {
                (true, false) => "namespaces",
                (false, true) => "without",
                _ => "both",
            };
            out += &row(&[&format!("`{}`", probe.name()), probe.text(), place]);
        }
    }
    out
}
