//! Is the holder of a port the one that its entry names? And is there only one?

use super::{Judge, Observed, Open, Said};
use crate::doctor::ports::facts::Facts;
use crate::doctor::ports::observed::Holder;
use crate::doctor::ports::rules;
use crate::ports::Service;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

pub(super) enum Verdict {
    Right,
    Wrong(String),
    /// It cannot be told from here, and why.
    Unknown(String),
}

/// Compares with everything that the entry says. One holder that is right is enough: systemd keeps the
/// sockets that it hands to a service.
pub(super) fn verify(service: &Service, open: &Open, seen: &Observed, facts: &Facts) -> Verdict {
    if let Some(owner) = &service.owner {
        match user(owner, facts) {
            Some(uid) if uid == open.socket.uid => {}
            Some(_) => {
                let uid = open.socket.uid;
                let name = facts.users.get(&uid).cloned().unwrap_or_else(|| uid.to_string());
                return Verdict::Wrong(format!("it is user {name}'s, not {owner}'s"));
            }
            None => return Verdict::Unknown(format!("there is no user {owner} in /etc/passwd")),
        }
    }
    let Some((kind, wanted)) = wanted(service) else { return Verdict::Right };
    let holders: Vec<&Holder> = open.pids.iter().filter_map(|pid| seen.holders.get(pid)).collect();
    if holders.is_empty() {
        return Verdict::Unknown(format!("{} {wanted} is meant; {}", kind, super::nobody(seen)));
    }
    let answers: Vec<Option<bool>> = holders.iter().map(|holder| is(service, holder)).collect();
    let shown: Vec<String> = holders.iter().take(3).map(|holder| holder.describe()).collect();
    let shown = shown.join(", ");
    if answers.contains(&Some(true)) {
        Verdict::Right
    } else if answers.contains(&None) {
        Verdict::Unknown(format!(
            "{kind} {wanted} is meant; whether this is it, cannot be seen: {shown}"
        ))
    } else {
        Verdict::Wrong(format!("{kind} {wanted} is meant, but it is held by {shown}"))
    }
}

fn wanted(service: &Service) -> Option<(&'static str, &str)> {
    let kinds = [
        ("connector", &service.connector),
        ("container", &service.container),
        ("program", &service.program),
    ];
    kinds.into_iter().find_map(|(kind, value)| Some((kind, value.as_deref()?)))
}

/// `None`: cannot be told.
fn is(service: &Service, holder: &Holder) -> Option<bool> {
    if let Some(connector) = &service.connector {
        return Some(holder.connector.as_ref() == Some(connector));
    }
    if let Some(wanted) = &service.container {
        let Some(container) = &holder.container else { return Some(false) };
        // Numbers are long enough in 12 digits, and no name that a person gives.
        let by_id = wanted.len() >= 12 && container.id.starts_with(wanted.as_str());
        return match &container.name {
            _ if by_id => Some(true),
            Some(name) => Some(name == wanted),
            None => None,
        };
    }
    let wanted = Path::new(service.program.as_deref()?);
    let program = holder.program.as_deref()?;
    if holder.elsewhere {
        return Some(false);
    }
    Some(match wanted.is_absolute() {
        true => program == wanted,
        false => program.file_name() == Some(wanted.as_os_str()),
    })
}

fn user(owner: &str, facts: &Facts) -> Option<u32> {
    if let Ok(uid) = owner.parse() {
        return Some(uid);
    }
    facts.users.iter().find_map(|(uid, name)| (name == owner).then_some(*uid))
}

/// Who a socket belongs to, as far as two can be told apart.
type Owner = (u32, String);

impl Judge<'_> {
    /// Sockets of one port that answer at one address and belong to different users or programs.
    pub(super) fn two_holders(&mut self, group: &[&Open]) {
        if group.len() < 2 {
            return;
        }
        let mut at: HashMap<IpAddr, BTreeMap<Owner, &Open>> = HashMap::new();
        for open in group {
            for address in &open.addresses {
                at.entry(*address).or_default().entry(self.owner(open)).or_insert(open);
            }
        }
        let mut addresses: Vec<IpAddr> = at.keys().copied().collect();
        addresses.sort();
        let mut told: BTreeSet<Vec<Owner>> = BTreeSet::new();
        for address in addresses {
            let wildcard: IpAddr = match address {
                IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let here = at.get(&address).into_iter().chain(at.get(&wildcard));
            let all: BTreeMap<&Owner, &&Open> = here.flatten().collect();
            // Told once for the same owners, at the narrowest address that they meet at.
            if all.len() > 1 && told.insert(all.keys().map(|owner| (*owner).clone()).collect()) {
                let opens: Vec<&Open> = all.values().map(|open| **open).collect();
                self.shared(address, &opens);
            }
        }
    }

    fn owner(&self, open: &Open) -> Owner {
        let programs: BTreeSet<String> = self
            .holders(open)
            .map(|holder| match (&holder.container, &holder.program) {
                (Some(container), _) => format!("{} {}", container.engine, container.id),
                (None, Some(program)) => program.display().to_string(),
                (None, None) => holder.name.clone(),
            })
            .collect();
        (open.socket.uid, programs.into_iter().collect::<Vec<_>>().join(", "))
    }

    fn shared(&mut self, address: IpAddr, opens: &[&Open]) {
        let Some(first) = opens.first() else { return };
        let held: Vec<String> = opens.iter().map(|open| self.held_by(open)).collect();
        let place = std::net::SocketAddr::new(address, first.port());
        let said = Said {
            subject: format!("{} {place}", first.transport().name()),
            evidence: held.join("; and "),
            fix: "end the one that does not belong there".to_owned(),
            place: None,
        };
        self.report(&rules::TWO_HOLDERS, rules::TWO_HOLDERS.severity, said);
    }
}
