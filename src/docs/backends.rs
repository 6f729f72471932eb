//! `docs/backends.md`: what each backend enforces.

use super::markdown::{head, row};
use crate::container::knobs::ALL;

const ABOUT: &str = "# What each backend enforces

One policy, three backends: `--sandbox=namespace` (the default), `--sandbox=landlock` (a weaker tier for hosts that forbid
user namespaces, see [choosing.md](choosing.md)) and `--sandbox=container` (docker or podman, see
[containers.md](containers.md)). What one cannot keep it refuses; it is never left out in silence.

The last column names the check that holds a container against what the kernel says of it, after the engine has made it
and before the connector starts. One that fails ends the run.

";

pub(super) fn page() -> String {
    let mut out = ABOUT.to_owned();
    out += &head(&["knob", "namespace", "landlock", "container", "container: checked as"]);
    for knob in ALL {
        let check = knob.verified_by.map(|check| format!("`{check}`")).unwrap_or_default();
        out += &row(&[knob.name, knob.namespace, knob.landlock, knob.container, &check]);
    }
    out
}
