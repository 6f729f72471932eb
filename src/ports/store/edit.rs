//! Changes the text of the registry by whole lines; what is not touched stays byte for byte. Pure.
//!
//! A service is written on a line of its own. One that a person wrote over several lines can be removed,
//! too. Services in one pair of braces are not understood: that gives `None`, and the caller refuses.

use crate::edit::lines::{Lines, code, scalar};
use crate::policy::yaml::Marks;
use crate::ports::{Registry, Service, ServiceName};
use std::net::IpAddr;

/// How far a service is indented where there is none to go by.
const DEPTH: usize = 2;

impl Lines {
    /// Adds a service after the last one. `marks` are those of this text; `None` where it was just begun.
    pub(super) fn add_service(
        &mut self,
        marks: Option<&Marks<'_>>,
        says: &Registry,
        service: &Service,
    ) -> Option<()> {
        let last = says.services.last();
        let (at, depth) = match (marks, last, marks.and_then(|marks| marks.key("services"))) {
            (Some(marks), Some(last), _) => {
                let (line, depth) = self.service(marks, &last.name)?;
                (self.end(line, depth), depth)
            }
            (_, None, Some((line, _))) => {
                let line = line as usize - 1;
                let bare = code(self.lines.get(line)?);
                let key = bare.strip_suffix("{}").map(str::trim_end).unwrap_or(bare);
                if key != "services:" {
                    return None;
                }
                let comment = &self.lines[line][bare.len()..];
                self.lines[line] = format!("services:{comment}");
                (line + 1, DEPTH)
            }
            (_, _, None) => {
                self.lines.push("services:".to_owned());
                (self.lines.len(), DEPTH)
            }
            (None, Some(_), Some(_)) => return None,
        };
        self.lines.insert(at, format!("{:depth$}{}", "", entry(service)));
        Some(())
    }

    /// Takes a service away, with the comments that belong to it.
    pub(super) fn remove_service(&mut self, marks: &Marks<'_>, name: &ServiceName) -> Option<()> {
        let (line, depth) = self.service(marks, name)?;
        let end = self.end(line, depth);
        self.take(self.owned(line, depth, disabled)..end);
        Some(())
    }

    /// The line of a service's key, and how far it is indented. `None` where something else stands before it.
    fn service(&self, marks: &Marks<'_>, name: &ServiceName) -> Option<(usize, usize)> {
        let (line, column) = marks.key(&format!("services.{name}"))?;
        let (line, depth) = (line as usize - 1, column as usize - 1);
        let before = self.lines.get(line)?.get(..depth)?;
        (before.bytes().all(|b| b == b' ')).then_some((line, depth))
    }
}

/// A service that is commented out belongs to nobody.
fn disabled(comment: &str) -> bool {
    let Some((name, rest)) = comment.split_once(':') else { return false };
    ServiceName::new(name).is_ok() && (rest.is_empty() || rest.trim_start().starts_with('{'))
}

/// `name: {port: 8080, …}`, without what goes without saying.
fn entry(service: &Service) -> String {
    let Service { name, port, proto, bind, owner, connector, container, program, note, origin: _ } =
        service;
    let mut fields = vec![format!("port: {port}")];
    if *proto != crate::ports::Proto::default() {
        fields.push(format!("proto: {proto}"));
    }
    if *bind != Service::DEFAULT_BIND {
        fields.push(match bind {
            IpAddr::V4(bind) => format!("bind: {bind}"),
            // A colon at its start or end would mean something else.
            IpAddr::V6(bind) => format!("bind: \"{bind}\""),
        });
    }
    for (field, value) in [
        ("owner", owner),
        ("connector", connector),
        ("container", container),
        ("program", program),
        ("note", note),
    ] {
        fields.extend(value.as_ref().map(|value| format!("{field}: {}", scalar(value))));
    }
    format!("{}: {{{}}}", scalar(name.as_str()), fields.join(", "))
}
