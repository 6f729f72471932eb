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
        in force.\n"
        .to_owned();
    for (moment, title) in
        [(Moment::BeforeSeccomp, "Before seccomp"), (Moment::AfterSeccomp, "After seccomp")]
    {
        out += &format!("\n## {title}\n\n{}", head(&["probe", "tries to"]));
        for probe in Probe::ALL.iter().filter(|probe| probe.moment() == moment) {
            out += &row(&[&format!("`{}`", probe.name()), probe.text()]);
        }
    }
    out
}
