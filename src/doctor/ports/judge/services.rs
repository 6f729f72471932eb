//! What is wrong with an entry, whoever listens.

use super::{Judge, Said, place};
use crate::doctor::finding::Rule;
use crate::doctor::ports::rules;
use crate::ports::Service;

impl Judge<'_> {
    pub(super) fn entries(&mut self) {
        let services = &self.registry.services;
        for (index, service) in services.iter().enumerate() {
            if !self.listening.contains(&index) {
                let (proto, port) = (service.proto, service.port);
                let evidence = format!("nobody listens on {proto} port {port}");
                let fix = format!("start it, or: jail ports remove {}", service.name);
                self.entry(&rules::NOT_LISTENING, service, evidence, fix);
            }
            self.number(service);
            let clash = services.iter().skip(index + 1).find(|other| service.clashes(other));
            if let Some(other) = clash {
                let evidence =
                    format!("`{}` has {} port {} too", other.name, other.proto, other.port);
                let fix = "give one of the two another port: jail ports allocate".to_owned();
                self.entry(&rules::REGISTRY, service, evidence, fix);
            }
        }
    }

    /// What the number of the port alone says.
    fn number(&mut self, service: &Service) {
        let port = service.port.get();
        let fix = format!("choose another: jail ports allocate {}", service.name);
        if port < self.facts.unprivileged {
            let first = self.facts.unprivileged;
            let evidence = format!("{port} is below {first}");
            self.entry(&rules::PRIVILEGED, service, evidence, fix);
        } else if self.facts.is_ephemeral(port) {
            let range = &self.facts.ephemeral;
            let evidence = format!("{port} is in {}-{}", range.start(), range.end());
            let fix = format!("{fix}; or keep it: sysctl net.ipv4.ip_local_reserved_ports={port}");
            self.entry(&rules::EPHEMERAL, service, evidence, fix);
        }
    }

    fn entry(&mut self, rule: &'static Rule, service: &Service, evidence: String, fix: String) {
        let subject = format!("service {}", service.name);
        let said = Said { subject, evidence, fix, place: place(&service.origin) };
        self.report(rule, rule.severity, said);
    }
}
