//! What is asked for.

use super::answer::Scope;
use crate::audit::Text;
use crate::firewall::{Door, Endpoint, HostPattern};
use crate::policy::{ConnectorName, ToolId};
use crate::ports::{Proto, ServiceName};
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::SystemTime;

/// Ten small letters and digits that follow from what is asked for and by whom: whoever asks the same again
/// asks under the same one, and every process can tell it without asking the database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(String);

/// The connector of an agent that asks for the whole workspace.
pub const AGENT: &str = "jail-mcp";

/// On whose behalf it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Asker {
    #[serde(with = "text")]
    #[schema(value_type = String)]
    pub connector: ConnectorName,
    #[serde(default, with = "optional_text", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub tool: Option<ToolId>,
    /// An agent asks on its own. What a connector asks for is another request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub agent: bool,
}

impl Asker {
    /// A connector in a run of its own.
    pub fn connector(connector: ConnectorName, tool: Option<ToolId>) -> Self {
        Self { connector, tool, agent: false }
    }

    /// For whom an answer can be, the usual one first.
    pub fn scopes(&self) -> &'static [Scope] {
        match &self.tool {
            Some(_) => &[Scope::Tool, Scope::Connector, Scope::Global],
            // It speaks for no connector.
            None if self.agent && self.connector.as_str() == AGENT => &[Scope::Global],
            None => &[Scope::Connector, Scope::Global],
        }
    }
}

/// What would be granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Subject {
    /// To reach a host, or all hosts below one.
    Egress {
        #[serde(with = "text")]
        #[schema(value_type = String)]
        host: HostPattern,
        port: u16,
        /// Although its address is not of the public internet.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        private: bool,
    },
    /// To publish a port of this machine.
    Port {
        #[serde(with = "text")]
        #[schema(value_type = String)]
        service: ServiceName,
        proto: Proto,
        #[schema(value_type = String)]
        at: SocketAddr,
        /// For whoever: the entry is to name no connector.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        open: bool,
    },
}

/// One time that it was asked for. Texts come from connectors: [`Text`] has nothing that a terminal obeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Occurrence {
    /// Seconds since 1970.
    pub at: u64,
    /// The run that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// Why nothing allows it: a code of [`crate::firewall::Reason`], or the words of who asks.
    pub reason: Text,
    /// What sort of address it is where that is known without asking a resolver, which would be a way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Text>,
    /// The process inside the jail, as far as it could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Text>,
    /// The user who asks, where it is no connector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Text>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    Pending,
    Approved,
    Denied,
    /// It was approved or denied, and that was taken back.
    Revoked,
    /// Taken off the list without an answer.
    Dismissed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Request {
    pub id: RequestId,
    #[serde(flatten)]
    pub asker: Asker,
    #[serde(flatten)]
    pub subject: Subject,
    pub standing: Standing,
    /// Seconds since 1970.
    pub first_at: u64,
    pub last_at: u64,
    /// How often it was asked for since it is pending.
    pub times: u64,
    pub latest: Occurrence,
}

impl Request {
    /// An agent is told no; a connector that wants the same is asked about for itself. A host that may be
    /// reached, but not where its address is private, is not to be denied altogether.
    pub fn denial_is_no_rule(&self) -> bool {
        self.asker.agent || matches!(self.subject, Subject::Egress { private: true, .. })
    }
}

impl RequestId {
    pub fn of(asker: &Asker, subject: &Subject) -> Self {
        let digest = Sha256::digest(key(asker, subject).as_bytes());
        Self(BASE32_NOPAD.encode(&digest)[..10].to_ascii_lowercase())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What makes two requests one, as it stands in the database.
pub(super) fn key(asker: &Asker, subject: &Subject) -> String {
    let Asker { connector, tool, agent } = asker;
    let subject = serde_json::to_value(subject).unwrap_or_default();
    let tool = tool.as_ref().map(ToString::to_string);
    // Maps of serde_json are sorted: the same values make the same text.
    let mut key =
        serde_json::json!({ "connector": connector.to_string(), "tool": tool, "subject": subject });
    if *agent {
        key["agent"] = true.into();
    }
    key.to_string()
}

impl Occurrence {
    pub fn now(reason: Text) -> Self {
        Self { at: now(), run: None, door: None, reason, class: None, process: None, by: None }
    }
}

pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}

impl Standing {
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Approved, Self::Denied, Self::Revoked, Self::Dismissed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Dismissed => "dismissed",
        }
    }
}

impl FromStr for Standing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = Self::ALL.into_iter();
        all.clone().find(|it| it.name() == text).ok_or_else(|| {
            let names: Vec<_> = all.map(Self::name).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// `api.example.com`, `db.example.com:5432`, `port 127.0.0.1:8080/tcp for localai`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Egress { host, port, private } => {
                let port = Some(*port).filter(|port| *port != 443);
                Endpoint { host: host.clone(), port }.fmt(f)?;
                f.write_str(if *private { " (private)" } else { "" })
            }
            Self::Port { service, proto, at, open: _ } => {
                write!(f, "port {at}/{proto} for {service}")
            }
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RequestId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
        if text.len() == 10 && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(
            "expected the id of a request: ten letters and digits, as `jail approvals list` shows it",
        )
    }
}

impl TryFrom<String> for RequestId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

/// Values that are written as they are shown and read by the parser of all input.
pub(super) mod text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use std::fmt::Display;
    use std::str::FromStr;

    pub(in crate::approvals) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in crate::approvals) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

pub(super) mod optional_text {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use std::fmt::Display;
    use std::str::FromStr;

    pub(in crate::approvals) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::approvals) fn deserialize<'de, T, D>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
    }
}
