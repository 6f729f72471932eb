//! Header fields in the order in which they came.

/// Names compare without regard to case and are sent on as they were written; values are bytes, of
/// which none is a control character but the tabulator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    pub fn push(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0
            .iter()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
    }

    /// Keeps those whose lower-case name `keep` likes.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| keep(&name.to_ascii_lowercase()));
    }

    /// The members of a list such as `Connection: close, upgrade`, in lower case.
    pub fn tokens(&self, name: &str) -> Vec<String> {
        self.values(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|token| String::from_utf8_lossy(token).trim().to_ascii_lowercase())
            .filter(|token| !token.is_empty())
            .collect()
    }

    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).iter().any(|own| own == token)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            write_field(out, name, value);
        }
    }

    /// Takes away what concerns one connection only, and not the message (RFC 9110 §7.6.1).
    pub(super) fn strip_hop_by_hop(&mut self) {
        let listed = self.tokens("connection");
        self.retain(|name| {
            let own = matches!(name, "connection" | "keep-alive" | "te" | "trailer" | "upgrade");
            !own && !name.starts_with("proxy-") && !listed.iter().any(|other| other == name)
        });
    }
}

pub(super) fn write_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
