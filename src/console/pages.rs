//! The pages: templates with their values.

use super::show::When;
use super::view::{
    AuditRow, EgressRow, PortView, RangeView, RequestView, RuleView, RunView, Verified,
};
use askama::Template;

/// What every page has.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The path of the page, as the navigation has it.
    pub(super) here: &'static str,
    pub(super) places: &'static [Place],
    pub(super) workspace: String,
    pub(super) folder: String,
    /// Requests that wait.
    pub(super) waiting: usize,
    /// What every form of this device has to bring along.
    pub(super) token: String,
    pub(super) notice: Option<Notice>,
}

#[derive(Debug)]
pub(super) struct Place {
    pub(super) href: &'static str,
    pub(super) name: &'static str,
}

pub(super) const PLACES: [Place; 7] = [
    Place { href: "/", name: "Requests" },
    Place { href: "/runs", name: "Runs" },
    Place { href: "/egress", name: "Egress" },
    Place { href: "/rules", name: "Rules" },
    Place { href: "/ports", name: "Ports" },
    Place { href: "/audit", name: "Audit" },
    Place { href: "/devices", name: "Devices" },
];

/// What came of the last act.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    pub(super) class: &'static str,
    pub(super) text: String,
}

#[derive(Template)]
#[template(path = "requests.html")]
pub(super) struct Requests {
    pub(super) frame: Frame,
    pub(super) pending: Vec<RequestView>,
    pub(super) answered: Vec<RequestView>,
    /// Whether anybody is asked about hosts that no rule names.
    pub(super) asks: bool,
}

#[derive(Template)]
#[template(path = "runs.html")]
pub(super) struct Runs {
    pub(super) frame: Frame,
    pub(super) runs: Vec<RunView>,
}

#[derive(Template)]
#[template(path = "egress.html")]
pub(super) struct Egress {
    pub(super) frame: Frame,
    pub(super) runs: Vec<RunView>,
    pub(super) rows: Vec<EgressRow>,
}

#[derive(Template)]
#[template(path = "rules.html")]
pub(super) struct Rules {
    pub(super) frame: Frame,
    pub(super) rules: Vec<RuleView>,
    pub(super) unlisted: &'static str,
    pub(super) upstream: Option<String>,
}

#[derive(Template)]
#[template(path = "ports.html")]
pub(super) struct Ports {
    pub(super) frame: Frame,
    pub(super) ports: Vec<PortView>,
    pub(super) ranges: Vec<RangeView>,
    pub(super) asked: Vec<RequestView>,
}

#[derive(Template)]
#[template(path = "audit.html")]
pub(super) struct Audit {
    pub(super) frame: Frame,
    pub(super) rows: Vec<AuditRow>,
    pub(super) verified: Verified,
    pub(super) log: String,
    pub(super) kinds: &'static [&'static str],
    pub(super) kind: String,
    pub(super) connector: String,
    pub(super) run: String,
}

#[derive(Template)]
#[template(path = "devices.html")]
pub(super) struct Devices {
    pub(super) frame: Frame,
    pub(super) devices: Vec<DeviceView>,
}

#[derive(Debug, Clone)]
pub(super) struct DeviceView {
    pub(super) id: String,
    pub(super) name: String,
    /// The one that looks.
    pub(super) own: bool,
    pub(super) paired: When,
    pub(super) seen: When,
}

#[derive(Template)]
#[template(path = "pair.html")]
pub(super) struct Pair {
    pub(super) wrong: Option<String>,
    pub(super) device: String,
}

#[derive(Template)]
#[template(path = "trouble.html")]
pub(super) struct Trouble {
    pub(super) title: &'static str,
    pub(super) what: String,
    pub(super) causes: Vec<String>,
    pub(super) hints: Vec<String>,
    pub(super) back: &'static str,
}
