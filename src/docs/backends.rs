//! `docs/backends.md`: what each backend enforces.

use super::markdown::{head, row};
use crate::container::attacks::{self, Entry, Here};
use crate::container::knobs::ALL;

const ABOUT: &str = "# What each backend enforces

One policy, three backends: `--sandbox=namespace` (the default), `--sandbox=landlock` (a weaker tier for hosts that forbid
user namespaces, see [choosing.md](choosing.md)) and `--sandbox=container` (docker or podman, see
[containers.md](containers.md)). What one cannot keep it refuses; it is never left out in silence.

The last column names the check that holds a container against what the kernel says of it, after the engine has made it
and before the connector starts. One that fails ends the run.

";

const ATTACKS: &str = "
## Attacks

The escape suite (`integration/escapes/`, one attack a file, each with a control that shows that it works where nothing
stops it) is run against each backend. Against containers (`make test-container-escapes`) root runs it with docker, where
all files of an attack's fixture are given to the container's user, and an ordinary user with rootless podman. All attacks
are held there as in a jail, but for these. Each line is tried, too: one that is no longer true fails the suite. What the
weaker tier does not hold is in `integration/tier.rs`.

";

fn attack(entry: &Entry) -> String {
    let name = format!("[{0}](../integration/escapes/{0}.rs)", entry.attack);
    let here = match entry.here {
        Here::Refused(_) => "the run is refused",
        Here::Open => "not held",
        Here::Held => "held",
        Here::Moot => "not tried",
    };
    row(&[&name, entry.engine.map_or("both", attacks::Engine::name), here, entry.why])
}

pub(super) fn page() -> String {
    let mut out = ABOUT.to_owned();
    out += &head(&["knob", "namespace", "landlock", "container", "container: checked as"]);
    for knob in ALL {
        let check = knob.verified_by.map(|check| format!("`{check}`")).unwrap_or_default();
        out += &row(&[knob.name, knob.namespace, knob.landlock, knob.container, &check]);
    }
    out += ATTACKS;
    out += &head(&["attack", "engine", "there", "why"]);
    out += &attacks::ALL.iter().map(attack).collect::<String>();
    out
}
