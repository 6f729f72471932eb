//! Names to addresses, as this machine does it: `/etc/hosts`, then the servers of `/etc/resolv.conf`.
//!
//! The binary is static, so that the C library's resolver is not there. Names are absolute: search
//! domains do not count, since a rule names one host and not another one below some domain.

use super::gate::{Gate, Grant};
use super::route::Path;
use crate::firewall::{
    Decision, Denial, Door, Host, HostName, HostPattern, Reason, address, decide,
};
use crate::planted::{Control, broken};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RecordType;
use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// More addresses of one name are not used.
pub(super) const MOST_ADDRESSES: usize = 16;
/// A server that is silent for longer is asked again, or another one is.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);
/// The second family may come so much later than the first.
const SECOND_FAMILY: Duration = Duration::from_millis(300);
/// The same for IPv4 alone: what is slow there is more often the network than a broken server.
const SLOW_V4: Duration = Duration::from_secs(2);
const HOSTS: &str = "/etc/hosts";
const FILES: [&str; 2] = ["/etc/resolv.conf", HOSTS];

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }
}

/// Why there are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotResolved {
    #[error("no such name")]
    NoSuchName,
    #[error("{0}")]
    Failed(String),
}

pub struct Resolver {
    source: Source,
    loaded: RefCell<Option<(Stamp, TokioResolver)>>,
    /// Why the files as they are now do not count; told once.
    outdated: RefCell<Option<String>>,
}

enum Source {
    /// The machine's files, read again when they change: a laptop changes networks.
    System,
    Fixed(Box<ResolverConfig>),
}

/// Size, inode and change time of the files.
type Stamp = [Option<(u64, u64, i64, i64)>; 2];

impl Resolver {
    pub fn system() -> Self {
        let own = Self::from(Source::System);
        // Now, while the files are those that this process may read. An error is met again, and said,
        // by the first who looks a name up.
        drop(own.current());
        own
    }

    /// Asks these servers only, and no file.
    pub fn of(config: ResolverConfig) -> Self {
        Self::from(Source::Fixed(Box::new(config)))
    }

    fn from(source: Source) -> Self {
        Self { source, loaded: RefCell::default(), outdated: RefCell::default() }
    }

    /// Said once for each change that could not be followed.
    pub(super) fn outdated(&self) -> Option<String> {
        self.outdated.borrow_mut().take()
    }

    /// The addresses of one family, as the servers say; nothing is vetted here. Empty where the name
    /// exists without.
    pub async fn lookup(
        &self,
        name: &HostName,
        family: Family,
    ) -> Result<Vec<IpAddr>, NotResolved> {
        lookup(&self.current()?, name, family).await
    }

    /// The addresses of one family, for a client that asks for each by itself. Where that fails or takes
    /// long and the other family has addresses, there are none: many a name has IPv4 only, and stands in
    /// `/etc/hosts` or at a server that drops other questions.
    pub async fn family(
        &self,
        name: &HostName,
        family: Family,
    ) -> Result<Vec<IpAddr>, NotResolved> {
        let patience = if family == Family::V6 { SECOND_FAMILY } else { SLOW_V4 };
        let own = self.lookup(name, family);
        tokio::pin!(own);
        let early = tokio::time::timeout(patience, &mut own).await;
        if let Ok(Ok(_) | Err(NotResolved::NoSuchName)) = early {
            return early.unwrap_or(Ok(Vec::new()));
        }
        let other = self.lookup(name, family.other());
        tokio::pin!(other);
        let failed = match early {
            Ok(failed) => failed,
            Err(_) => tokio::select! {
                own = &mut own => match own {
                    Err(NotResolved::Failed(_)) => own,
                    own => return own,
                },
                other = &mut other => {
                    return if has_some(&other) { Ok(Vec::new()) } else { own.await };
                }
            },
        };
        if has_some(&other.await) { Ok(Vec::new()) } else { failed }
    }

    /// The addresses of both families. A family whose servers are slow or broken does not hold up the
    /// other one.
    pub async fn addresses(&self, name: &HostName) -> Result<Vec<IpAddr>, NotResolved> {
        let resolver = self.current()?;
        let v6 = lookup(&resolver, name, Family::V6);
        let v4 = lookup(&resolver, name, Family::V4);
        tokio::pin!(v6, v4);
        let (first, second) = tokio::select! {
            v6 = &mut v6 => { let some = has_some(&v6); (v6, other(v4, some).await) }
            v4 = &mut v4 => { let some = has_some(&v4); (v4, other(v6, some).await) }
        };
        match (first, second) {
            (Ok(mut all), Ok(rest)) => {
                all.extend(rest);
                Ok(all)
            }
            (Ok(all), Err(error)) | (Err(error), Ok(all)) => {
                if all.is_empty() {
                    Err(error)
                } else {
                    Ok(all)
                }
            }
            (Err(error), Err(_)) => Err(error),
        }
    }

    fn current(&self) -> Result<TokioResolver, NotResolved> {
        let stamp = match self.source {
            Source::System => FILES.map(stamp),
            Source::Fixed(_) => Stamp::default(),
        };
        let mut loaded = self.loaded.borrow_mut();
        if let Some((of, resolver)) = &*loaded
            && *of == stamp
        {
            return Ok(resolver.clone());
        }
        let resolver = match (self.build(), &*loaded) {
            (Ok(resolver), _) => resolver,
            // This process may read the files that were there at its start, and not others that take
            // their names; what those said goes on to count.
            (Err(why), Some((_, former))) => {
                *self.outdated.borrow_mut() = Some(why.to_string());
                former.clone()
            }
            (Err(why), None) => return Err(NotResolved::Failed(why.to_string())),
        };
        *loaded = Some((stamp, resolver.clone()));
        Ok(resolver)
    }

    fn build(&self) -> Result<TokioResolver, hickory_resolver::net::NetError> {
        let mut builder = match &self.source {
            Source::System => {
                // The resolver takes a file of hosts that it cannot read for an empty one.
                match std::fs::File::open(HOSTS) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                }
                TokioResolver::builder_tokio()?
            }
            Source::Fixed(config) => {
                let provider = TokioRuntimeProvider::default();
                let mut builder = TokioResolver::builder_with_config((**config).clone(), provider);
                builder.options_mut().use_hosts_file = ResolveHosts::Never;
                builder
            }
        };
        restrain(builder.options_mut());
        builder.build()
    }
}

async fn lookup(
    resolver: &TokioResolver,
    name: &HostName,
    family: Family,
) -> Result<Vec<IpAddr>, NotResolved> {
    let kind = match family {
        Family::V4 => RecordType::A,
        Family::V6 => RecordType::AAAA,
    };
    match resolver.lookup(format!("{name}."), kind).await {
        Ok(found) => Ok(found
            .answers()
            .iter()
            .filter(|record| record.record_type() == kind)
            .filter_map(|record| record.data.ip_addr())
            .collect()),
        Err(error) if error.is_nx_domain() => Err(NotResolved::NoSuchName),
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(NotResolved::Failed(error.to_string())),
    }
}

fn restrain(options: &mut ResolverOpts) {
    options.timeout = options.timeout.min(SERVER_PATIENCE);
    // Negative answers are asked again soon: what a person just set up should work.
    options.negative_max_ttl = Some(Duration::from_secs(5));
    options.positive_max_ttl = Some(Duration::from_secs(300));
}

fn has_some(found: &Result<Vec<IpAddr>, NotResolved>) -> bool {
    found.as_ref().is_ok_and(|found| !found.is_empty())
}

/// The other family: waited for as long as it takes, but not where the first one has addresses.
async fn other(
    lookup: impl Future<Output = Result<Vec<IpAddr>, NotResolved>>,
    enough: bool,
) -> Result<Vec<IpAddr>, NotResolved> {
    if !enough {
        return lookup.await;
    }
    tokio::time::timeout(SECOND_FAMILY, lookup).await.unwrap_or(Ok(Vec::new()))
}

fn stamp(path: &str) -> Option<(u64, u64, i64, i64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.len(), meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

/// True for the network between a jail and its proxy, which exists in every jail and nowhere else.
pub(super) fn is_jails_own(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => matches!(v4.octets(), [169, 254, 77, 0..=3]),
        IpAddr::V6(v6) => matches!(v6.segments(), [0xfd6a, 0x6169, 0x6c, 0, ..]),
    }
}

impl Gate {
    /// This address for this grant, in its canonical form, or why not.
    pub fn usable(&self, grant: &Grant, address: IpAddr) -> Result<IpAddr, Reason> {
        let canonical = address.to_canonical();
        if is_jails_own(canonical) {
            return Err(Reason::NoAddress {
                why: format!("{canonical} is the jail's own network"),
            });
        }
        if let Host::Address(named) = &grant.host {
            let same = *named == canonical;
            return if same { Ok(canonical) } else { Err(Reason::AddressNotListed) };
        }
        // Hands out the machine's own credentials: only a rule that names the address means it.
        if address::is_metadata(canonical) && !broken(Control::Metadata) {
            let class = address::METADATA.to_owned();
            return Err(Reason::NotPublic { address, class });
        }
        if !grant.rule.private && !broken(Control::AddressVetting) {
            let here = || (self.path(canonical) == Path::Here).then_some("this machine");
            if let Some(class) = address::not_public(address).or_else(here) {
                return Err(Reason::NotPublic { address, class: class.to_owned() });
            }
        }
        // A rule that denies an address beats one that allows a name.
        let host = Host::Address(canonical);
        let now = SystemTime::now();
        match decide(&self.config.who, &self.rules(), &host, grant.port, grant.door, now) {
            Decision::Deny(denial) if matches!(denial.reason, Reason::DeniedByRule { .. }) => {
                Err(denial.reason)
            }
            _ => Ok(canonical),
        }
    }

    /// Those of the addresses that the grant may use, each once; an error if none is left.
    pub(super) fn vet(&self, grant: &Grant, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Reason> {
        let mut kept = Vec::new();
        let mut refused = None;
        for address in found {
            match self.usable(grant, address) {
                Ok(address) if !kept.contains(&address) => kept.push(address),
                Ok(_) => {}
                Err(reason) => refused = refused.or(Some(reason)),
            }
        }
        kept.truncate(MOST_ADDRESSES);
        if kept.is_empty() {
            let none = || Reason::NoAddress { why: "the name has none".to_owned() };
            return Err(refused.unwrap_or_else(none));
        }
        Ok(kept)
    }

    /// The addresses of a granted host that may be dialled, at least one. An address that the rule names
    /// is itself; those of a name are resolved now, once, and vetted one by one.
    pub async fn vetted(&self, grant: &Grant) -> Result<Vec<IpAddr>, Denial> {
        let result = match &grant.host {
            Host::Address(address) => self.vet(grant, vec![*address]),
            Host::Name(name) => match self.may_look_up(grant) {
                Err(reason) => Err(reason),
                Ok(()) => match self.resolver.addresses(name).await {
                    Ok(found) => self.vet(grant, found),
                    Err(error) => Err(Reason::NoAddress { why: error.to_string() }),
                },
            },
        };
        result.map_err(|reason| self.denial(grant, reason))
    }

    /// The same for a connection that is dialled later, once or more often: it is resolved here and never
    /// again. None where an upstream proxy resolves.
    pub(super) async fn resolved_once(&self, grant: &Grant) -> Result<Vec<IpAddr>, Denial> {
        if self.config.upstream.is_some() {
            return Ok(Vec::new());
        }
        let patience = self.config.limits.dial;
        tokio::time::timeout(patience, self.vetted(grant)).await.unwrap_or_else(|_| {
            let why = format!("no answer within {}", humantime::format_duration(patience));
            Err(self.denial(grant, Reason::NoAddress { why }))
        })
    }

    /// A name below a wildcard is chosen by the connector, and looking it up carries it to a server of
    /// the domain's owner: few new ones are.
    pub(super) fn may_look_up(&self, grant: &Grant) -> Result<(), Reason> {
        match (&grant.host, &grant.rule.host) {
            (Host::Name(name), HostPattern::Below(parent)) => {
                let now = tokio::time::Instant::now();
                if self.new_names.borrow_mut().admit(name, now) {
                    return Ok(());
                }
                Err(Reason::Limit { what: format!("new names below *.{parent}") })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn denial(&self, grant: &Grant, reason: Reason) -> Denial {
        let port = if grant.door == Door::Dns { 0 } else { grant.port };
        Denial::new(&self.config.who, &grant.host, port, grant.door, reason)
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
