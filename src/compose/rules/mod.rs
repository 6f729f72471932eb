//! What is judged: one file for each family of rules. Pure.

pub mod devices;
pub mod files;
pub mod images;
pub mod isolation;
pub mod limits;
pub mod mounts;
pub mod network;
pub mod privileges;
pub mod secrets;
pub mod service;

use super::fix::Edit;
use super::model::{Project, Service};
use super::node::Spot;
use crate::doctor::finding::{Finding, Rule};
use std::sync::LazyLock;

/// Entries of the catalogue, and the list of them.
macro_rules! rules {
    ($($name:ident = $id:literal, $severity:ident, $title:literal, $why:literal;)*) => {
        $(pub static $name: crate::doctor::finding::Rule = crate::doctor::finding::Rule {
            id: $id, title: $title, why: $why,
            severity: crate::doctor::finding::Severity::$severity,
        };)*
        pub(super) static ALL: &[&crate::doctor::finding::Rule] = &[$(&$name),*];
    };
}
use rules;

/// Every rule, in the order of the catalogue.
pub static ALL: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| {
    [
        network::ALL,
        privileges::ALL,
        isolation::ALL,
        devices::ALL,
        mounts::ALL,
        limits::ALL,
        images::ALL,
        secrets::ALL,
        service::ALL,
        files::ALL,
    ]
    .concat()
});

/// One thing that is wrong, with what is needed to allow or to mend it.
#[derive(Debug, Clone)]
pub struct Judged {
    pub finding: Finding,
    /// Empty where it is about a file.
    pub service: String,
    pub spot: Spot,
    pub edit: Option<Edit>,
}

/// What is wrong with a service, as it is found.
pub(super) struct Bench<'a> {
    pub(super) project: &'a Project,
    pub(super) service: &'a Service,
    found: Vec<Judged>,
}

impl Bench<'_> {
    /// Something is wrong at a place; the edit is what `--fix` does about it.
    pub(super) fn find(
        &mut self,
        rule: &'static Rule,
        spot: &Spot,
        evidence: impl Into<String>,
        fix: impl Into<String>,
    ) -> &mut Judged {
        let service = self.service.name.clone();
        let finding = Finding {
            rule,
            severity: rule.severity,
            subject: format!("service {}", crate::policy::expect::shown(&service, 60)),
            evidence: evidence.into(),
            fix: fix.into(),
            safe_fix: false,
            place: Some(spot.place()),
        };
        self.found.push(Judged { finding, service, spot: spot.clone(), edit: None });
        let last = self.found.len() - 1;
        &mut self.found[last]
    }
}

impl Judged {
    /// `--fix` can do it.
    pub(super) fn mend(&mut self, edit: Edit) {
        self.finding.safe_fix = true;
        self.edit = Some(edit);
    }
}

/// Judges every service, in the order of the file, and then what they share.
pub fn judge(project: &Project) -> Vec<Judged> {
    let mut all = Vec::new();
    for service in &project.services {
        let mut bench = Bench { project, service, found: Vec::new() };
        // A plugin of compose is no container.
        let plugin = service.find(&["provider"]).is_some();
        for family in [
            network::judge,
            privileges::judge,
            isolation::judge,
            devices::judge,
            mounts::judge,
            limits::judge,
            images::judge,
            secrets::judge,
            service::judge,
        ]
        .into_iter()
        .filter(|_| !plugin)
        {
            family(&mut bench);
        }
        if plugin {
            images::judge(&mut bench);
        }
        all.append(&mut bench.found);
    }
    all.append(&mut secrets::judge_shared(project));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_of_this_checker() {
        let ids: std::collections::BTreeSet<_> = ALL.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), ALL.len());
        assert!(ids.iter().all(|id| id.starts_with("compose.")));
    }
}
