//! Ports that somebody asked for and nobody has granted: `.cloned/requests/ports.jsonl`.
//!
//! A request grants nothing. It is a line of JSON that stays until the owner answers: by registering the
//! port (`jail ports add`), or by taking the request away (`jail ports remove --pending`). Lines and fields
//! that this version does not know stay as they are.

use super::store::decode;
use super::{Proto, Service, ServiceName};
use crate::edit::{Sort, read as bytes};
use crate::failure::{Failure, Kind};
use crate::policy::Malformed;
use crate::policy::load::{FOLDER, WorkspaceRoot};
use crate::policy::text::plain_text;
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;

/// The folder within `.cloned`.
pub const REQUESTS: &str = "requests";
const FILE: &str = "ports.jsonl";
const VERSION: u32 = 1;
/// Nobody reads more; and a program that asks all the time fills no disk.
const MOST: usize = 256;

const SORT: Sort = Sort {
    name: "the requests for ports",
    lock: ".lock",
    unfinished: ".ports-",
    head: "",
    advice: "",
};

/// Somebody would like this port to be registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = PortRequestLine)]
pub struct Request {
    v: u32,
    /// The name that the entry would have.
    pub service: String,
    pub proto: Proto,
    #[schema(value_type = u16, minimum = 1)]
    pub port: NonZeroU16,
    #[schema(value_type = String)]
    pub bind: IpAddr,
    /// The connector that would publish it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The user who asked, or whose run did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When, in RFC 3339.
    pub at: String,
}

impl Request {
    pub fn new(service: &ServiceName, proto: Proto, at: SocketAddr) -> Option<Self> {
        Some(Self {
            v: VERSION,
            service: service.to_string(),
            proto,
            port: NonZeroU16::new(at.port())?,
            bind: at.ip(),
            connector: None,
            reason: None,
            by: crate::host::user::name(),
            at: crate::firewall::store::write::stamp(std::time::SystemTime::now()),
        })
    }

    /// The command that grants it.
    pub fn command(&self) -> String {
        let Self { service, proto, port, bind, connector, .. } = self;
        command(service, *proto, SocketAddr::new(*bind, port.get()), connector.as_deref())
    }

    /// What it says is shown, and put into a command that somebody may copy.
    fn check(&self) -> Result<(), Malformed> {
        self.service.parse::<ServiceName>()?;
        if let Some(connector) = &self.connector {
            decode::connector(connector)?;
        }
        let texts = [Some(&self.at), self.reason.as_ref(), self.by.as_ref()];
        texts.into_iter().flatten().try_for_each(|text| plain_text(text).map(drop))
    }

    /// True where the two ask for the same thing, whoever asks and why.
    fn is_same(&self, other: &Self) -> bool {
        let key = |it: &Self| (it.proto, it.port, it.bind, it.connector.clone());
        key(self) == key(other) && (self.connector.is_some() || self.service == other.service)
    }

    /// True where this service is what was asked for.
    fn is_granted_by(&self, service: &Service) -> bool {
        let same =
            (self.proto, self.port, self.bind) == (service.proto, service.port, service.bind);
        same && match &self.connector {
            Some(connector) => service.connector.as_ref() == Some(connector),
            None => service.name.as_str() == self.service,
        }
    }
}

/// The command that registers this port.
pub fn command(service: &str, proto: Proto, at: SocketAddr, connector: Option<&str>) -> String {
    let mut words = format!("jail ports add {service} --port {}", at.port());
    if proto != Proto::default() {
        words += &format!(" --proto {proto}");
    }
    if at.ip() != Service::DEFAULT_BIND {
        words += &format!(" --bind {}", at.ip());
    }
    if let Some(connector) = connector {
        words += &format!(" --connector {connector}");
    }
    words
}

/// Where the requests of this workspace are; the file need not exist.
pub fn path(workspace: &WorkspaceRoot) -> PathBuf {
    folder(workspace).join(FILE)
}

fn folder(workspace: &WorkspaceRoot) -> PathBuf {
    workspace.path.join(FOLDER).join(REQUESTS)
}

/// What waits for an answer, oldest first.
pub fn pending(workspace: &WorkspaceRoot) -> Result<Vec<Request>, Failure> {
    Ok(lines(workspace)?.into_iter().filter_map(|line| line.request).collect())
}

/// Adds a request. False where the same is there already.
pub fn record(workspace: &WorkspaceRoot, request: &Request) -> Result<bool, Failure> {
    let mut added = false;
    change(workspace, |lines| {
        let mut known = lines.iter().filter_map(|line| line.request.as_ref());
        added = !known.any(|known| known.is_same(request));
        if added && lines.len() >= MOST {
            let what = format!("{MOST} requests for ports wait for an answer");
            return Err(Failure::new(Kind::Refused, what)
                .hint("jail ports list --pending shows them")
                .hint("jail ports remove --pending NAME takes those of one name away"));
        }
        let mut kept: Vec<String> = lines.iter().map(|line| line.text.clone()).collect();
        if added {
            let cannot = |error| Failure::new(Kind::Io, "cannot write a request").because(error);
            kept.push(serde_json::to_string(request).map_err(cannot)?);
        }
        Ok(kept)
    })?;
    Ok(added)
}

/// Takes away what this service grants, and gives it.
pub fn answer(workspace: &WorkspaceRoot, service: &Service) -> Result<Vec<Request>, Failure> {
    take(workspace, |request| request.is_granted_by(service))
}

/// Takes away what was asked for under this name, and gives it.
pub fn dismiss(workspace: &WorkspaceRoot, name: &ServiceName) -> Result<Vec<Request>, Failure> {
    take(workspace, |request| request.service == name.as_str())
}

fn take(
    workspace: &WorkspaceRoot,
    which: impl Fn(&Request) -> bool,
) -> Result<Vec<Request>, Failure> {
    // Nobody asked: nothing to lock, and no folder to make.
    if !lines(workspace)?.iter().any(|line| line.request.as_ref().is_some_and(&which)) {
        return Ok(Vec::new());
    }
    let mut gone = Vec::new();
    change(workspace, |lines| {
        gone.clear();
        let mut kept = Vec::new();
        for line in lines {
            match &line.request {
                Some(request) if which(request) => gone.push(request.clone()),
                _ => kept.push(line.text.clone()),
            }
        }
        Ok(kept)
    })?;
    Ok(gone)
}

/// A line as it is; `request` where this version can read it.
struct Line {
    text: String,
    request: Option<Request>,
}

fn lines(workspace: &WorkspaceRoot) -> Result<Vec<Line>, Failure> {
    let path = path(workspace);
    let bytes = bytes(&path)?.unwrap_or_default();
    let wrong = |what: &str| Failure::new(Kind::Policy, format!("{}{what}", path.display()));
    if bytes.len() > crate::policy::yaml::MAX_BYTES {
        return Err(
            wrong(" is too large to be read").hint("remove the file: requests grant nothing")
        );
    }
    let text = String::from_utf8(bytes).map_err(|error| wrong(" is not UTF-8").because(error))?;
    let parse = |(number, text): (usize, &str)| {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let cannot = |error: serde_json::Error| {
            let what = format!(":{}: not a request for a port", number + 1);
            wrong(&what).because(error).hint("remove the line: requests grant nothing")
        };
        let version: Version = serde_json::from_str(text).map_err(cannot)?;
        let request = match version.v {
            VERSION => {
                let request: Request = serde_json::from_str(text).map_err(cannot)?;
                request.check().map_err(|why| {
                    wrong(&format!(":{}: not a request for a port", number + 1)).because(why)
                })?;
                Some(request)
            }
            _ => None,
        };
        Ok(Line { text: text.to_owned(), request })
    };
    text.lines().enumerate().filter(|(_, text)| !text.is_empty()).map(parse).collect()
}

/// Replaces the lines by those that `edit` makes of them, where they differ.
fn change(
    workspace: &WorkspaceRoot,
    mut edit: impl FnMut(&[Line]) -> Result<Vec<String>, Failure>,
) -> Result<(), Failure> {
    let _lock = SORT.lock(&folder(workspace))?;
    let path = path(workspace);
    SORT.until_still(|| {
        let facts = match fs::symlink_metadata(&path) {
            Ok(facts) => Some(facts),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(crate::policy::load::cannot_read(&path, &error)),
        };
        let before = lines(workspace)?;
        let after = edit(&before)?;
        if before.iter().map(|line| &line.text).eq(&after) {
            return Ok(true);
        }
        let text: String = after.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        SORT.replace(&path, facts.as_ref(), &text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn workspace() -> (TempDir, WorkspaceRoot) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(FOLDER)).unwrap();
        let root = WorkspaceRoot { path: dir.path().to_owned() };
        (dir, root)
    }

    fn request(name: &str, port: u16) -> Request {
        let name = ServiceName::new(name).unwrap();
        let at = SocketAddr::new(Service::DEFAULT_BIND, port);
        let mut request = Request::new(&name, Proto::Tcp, at).unwrap();
        request.connector = Some(name.to_string());
        request
    }

    fn granted(text: &str) -> Service {
        let text = format!("version: 1\nservices:\n  {text}\n");
        let registry = super::super::store::decode::registry("p".as_ref(), text.as_bytes());
        registry.unwrap().services.remove(0)
    }

    #[test]
    fn a_request_is_there_once_until_it_is_answered() {
        let (_dir, root) = workspace();
        assert_eq!(pending(&root).unwrap(), []);
        assert_eq!(dismiss(&root, &ServiceName::new("a").unwrap()).unwrap(), []);
        assert!(!folder(&root).exists(), "looking makes nothing");
        let first = request("a", 3000);
        assert!(record(&root, &first).unwrap());
        let mut again = first.clone();
        again.reason = Some("another".to_owned());
        assert!(!record(&root, &again).unwrap());
        assert!(record(&root, &request("b", 3000)).unwrap());
        assert_eq!(pending(&root).unwrap().len(), 2);
        for other in ["x: {port: 3000}", "x: {port: 3000, connector: a, bind: ::1}"] {
            assert_eq!(answer(&root, &granted(&other.replace("::1", "\"::1\""))).unwrap(), []);
        }
        let answered = answer(&root, &granted("x: {port: 3000, connector: a}")).unwrap();
        assert_eq!(answered, [first]);
        assert_eq!(dismiss(&root, &ServiceName::new("b").unwrap()).unwrap().len(), 1);
        assert_eq!(fs::read_to_string(path(&root)).unwrap(), "");
    }

    #[test]
    fn what_a_later_version_wrote_stays() {
        let (_dir, root) = workspace();
        record(&root, &request("a", 3000)).unwrap();
        let later = "{\"v\": 2,  \"what\": [1]}\n";
        let own = fs::read_to_string(path(&root)).unwrap();
        let own = own.replacen('{', "{\"approvers\":[\"x\"],", 1);
        fs::write(path(&root), format!("{later}{own}")).unwrap();
        record(&root, &request("b", 3001)).unwrap();
        assert_eq!(pending(&root).unwrap().len(), 2);
        let text = fs::read_to_string(path(&root)).unwrap();
        assert!(text.starts_with(&format!("{later}{own}")), "{text}");
    }

    #[test]
    fn a_wrong_line_is_named() {
        let (_dir, root) = workspace();
        record(&root, &request("a", 3000)).unwrap();
        let own = fs::read_to_string(path(&root)).unwrap();
        let bad = own.replace("\"service\":\"a\"", "\"service\":\"a; true\"");
        let escape = own.replace("\"connector\":\"a\"", "\"reason\":\"\\u001b[2J\"");
        for line in ["{\"v\":1}\n", "x\n", &bad, &escape] {
            fs::write(path(&root), format!("{own}{line}")).unwrap();
            let failure = pending(&root).unwrap_err();
            assert!(failure.what.contains("ports.jsonl:2: not a request"), "{failure}");
        }
    }

    #[test]
    fn requests_have_an_end() {
        let (_dir, root) = workspace();
        let line = serde_json::to_string(&request("a", 1)).unwrap() + "\n";
        fs::create_dir(folder(&root)).unwrap();
        fs::write(path(&root), line.repeat(MOST)).unwrap();
        assert!(record(&root, &request("b", 2)).unwrap_err().what.contains("256 requests"));
        assert!(!record(&root, &request("a", 1)).unwrap(), "that one is there");
    }

    #[test]
    fn the_command_says_what_is_not_the_default() {
        assert_eq!(request("a", 3000).command(), "jail ports add a --port 3000 --connector a");
        let at = "[::1]:53".parse().unwrap();
        assert_eq!(
            command("dns", Proto::Udp, at, None),
            "jail ports add dns --port 53 --proto udp --bind ::1"
        );
    }
}
