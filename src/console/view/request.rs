//! A request for approval, with all that a person needs to decide.

use super::super::show::{self, When};
use super::super::warn;
use super::{Tag, Tone};
use crate::approvals::{
    Asker, Decision, Doubt, Lifetime, Request, Scope, Standing, Subject, Verdict, Via,
};
use crate::firewall::Door;
use std::time::SystemTime;

#[derive(Debug, Clone)]
pub(in crate::console) struct RequestView {
    pub(in crate::console) id: String,
    pub(in crate::console) connector: String,
    pub(in crate::console) tool: Option<String>,
    /// What would be granted, in one line.
    pub(in crate::console) subject: String,
    pub(in crate::console) host: Option<String>,
    /// The host in its own letters, where these are not a to z.
    pub(in crate::console) letters: Option<String>,
    pub(in crate::console) port: String,
    pub(in crate::console) is_port: bool,
    pub(in crate::console) run: Option<String>,
    /// The run has ended.
    pub(in crate::console) over: bool,
    pub(in crate::console) door: Option<&'static str>,
    pub(in crate::console) reason: String,
    pub(in crate::console) class: Option<String>,
    pub(in crate::console) process: Option<String>,
    pub(in crate::console) by: Option<String>,
    pub(in crate::console) times: String,
    pub(in crate::console) first: When,
    pub(in crate::console) last: When,
    pub(in crate::console) standing: Tag,
    /// It was answered, and the answer can be taken back.
    pub(in crate::console) answered: bool,
    /// An answer can be for one connection or one run.
    pub(in crate::console) of_run: bool,
    pub(in crate::console) scopes: Vec<ScopeView>,
    pub(in crate::console) warnings: Vec<String>,
    /// The newest first.
    pub(in crate::console) earlier: Vec<EarlierView>,
}

#[derive(Debug, Clone)]
pub(in crate::console) struct ScopeView {
    pub(in crate::console) value: &'static str,
    pub(in crate::console) label: String,
}

/// An answer that was given.
#[derive(Debug, Clone)]
pub(in crate::console) struct EarlierView {
    pub(in crate::console) verdict: Tag,
    pub(in crate::console) how: String,
    pub(in crate::console) by: String,
    pub(in crate::console) via: &'static str,
    pub(in crate::console) at: When,
    pub(in crate::console) why: Option<String>,
    pub(in crate::console) trouble: Option<String>,
}

/// `doubts` speak against it, `lives` says whether the run that asked goes on.
pub(in crate::console) fn request(
    request: &Request,
    decisions: &[Decision],
    doubts: &[Doubt],
    lives: bool,
    now: SystemTime,
) -> RequestView {
    let latest = &request.latest;
    let (host, letters, port, more) = subject(&request.subject);
    let doubts = doubts.iter().map(|doubt| show::text(doubt.text.as_str()));
    let optional =
        |text: &Option<crate::audit::Text>| text.as_ref().map(|it| show::text(it.as_str()));
    let is_port = matches!(request.subject, Subject::Port { .. });
    RequestView {
        id: request.id.to_string(),
        connector: request.asker.connector.to_string(),
        tool: request.asker.tool.as_ref().map(ToString::to_string),
        subject: request.subject.to_string(),
        host,
        letters,
        port,
        is_port,
        run: optional(&latest.run),
        over: latest.run.is_some() && !lives,
        door: latest.door.map(door),
        reason: reason(latest.reason.as_str()),
        class: optional(&latest.class),
        process: optional(&latest.process),
        by: optional(&latest.by),
        times: show::count(request.times, "time"),
        first: When::of_seconds(request.first_at, now),
        last: When::of_seconds(request.last_at, now),
        standing: standing(request.standing),
        answered: matches!(request.standing, Standing::Approved | Standing::Denied),
        of_run: lives && latest.run.is_some() && !is_port,
        scopes: scopes(request),
        warnings: doubts.chain(more).collect(),
        earlier: decisions.iter().rev().map(|decision| earlier(decision, now)).collect(),
    }
}

type Target = (Option<String>, Option<String>, String, Vec<String>);

fn subject(subject: &Subject) -> Target {
    match subject {
        Subject::Egress { host, port, .. } => {
            let more = warn::warnings(host, *port);
            (Some(host.to_string()), warn::in_letters(host), port.to_string(), more)
        }
        Subject::Port { proto, at, .. } => (None, None, format!("{at}/{proto}"), Vec::new()),
    }
}

/// The narrowest first: it is what stands there until somebody chooses.
fn scopes(request: &Request) -> Vec<ScopeView> {
    let Asker { connector, tool, .. } = &request.asker;
    let is_port = matches!(request.subject, Subject::Port { .. });
    let label = |scope: &Scope| match (scope, tool) {
        (Scope::Tool, tool) => Some(format!("this tool ({})", tool.as_ref()?)),
        (Scope::Connector, _) => Some(format!("this connector ({connector})")),
        (Scope::Global, _) => (!is_port).then(|| "every connector here".to_owned()),
    };
    let view = |scope: &Scope| Some(ScopeView { value: scope.name(), label: label(scope)? });
    request.asker.scopes().iter().filter_map(view).collect()
}

fn door(door: Door) -> &'static str {
    match door {
        Door::Http => "HTTP proxy",
        Door::Connect => "HTTP proxy (tunnel)",
        Door::Socks => "SOCKS5 proxy",
        Door::Transparent => "direct connection",
        Door::Dns => "name look-up",
        Door::Packet => "packet",
    }
}

/// The codes of refusals that somebody can be asked about, in words; other texts as they are.
fn reason(text: &str) -> String {
    let words = match text {
        "not-listed" => "no rule names it",
        "address-not-listed" => "an address, and no rule names it",
        "other-port" => "a rule allows the host, at another port",
        "expired" => "the rule that allowed it has expired",
        "other-tool" => "a rule allows it, for another tool",
        "not-public" => "its address is not of the public internet",
        "revoked" => "the rule that allowed it was removed",
        other => return show::text(other),
    };
    words.to_owned()
}

fn standing(standing: Standing) -> Tag {
    let tone = match standing {
        Standing::Pending => Tone::Care,
        Standing::Approved => Tone::Good,
        Standing::Denied => Tone::Bad,
        Standing::Revoked | Standing::Dismissed => Tone::Plain,
    };
    let word = if standing == Standing::Pending { "waits" } else { standing.name() };
    Tag::new(word, tone)
}

fn earlier(decision: &Decision, now: SystemTime) -> EarlierView {
    let answer = &decision.answer;
    let verdict = match answer.verdict {
        Verdict::Approve => Tag::new("approved", Tone::Good),
        Verdict::Deny => Tag::new("denied", Tone::Bad),
        Verdict::Revoke => Tag::new("taken back", Tone::Plain),
    };
    let until;
    let lifetime = match answer.lifetime {
        Lifetime::Once => "once",
        Lifetime::Session => "for the session",
        Lifetime::Always => "always",
        Lifetime::Until { end } => {
            until = format!("until {}", When::of_seconds(end, now).exact);
            &until
        }
    };
    let scope = match answer.scope {
        Scope::Tool => "the tool",
        Scope::Connector => "the connector",
        Scope::Global => "every connector",
    };
    let how = match answer.verdict {
        Verdict::Revoke => String::new(),
        _ => format!("{lifetime}, for {scope}"),
    };
    let trouble = match (&decision.failed, decision.applied) {
        (Some(why), _) => Some(format!("not applied: {}", show::text(why))),
        (None, false) => Some("not applied yet".to_owned()),
        (None, true) => None,
    };
    EarlierView {
        verdict,
        how,
        by: show::text(answer.by.as_str()),
        via: match answer.via {
            Via::Cli => "terminal",
            Via::Api => "API",
            Via::Console => "console",
        },
        at: When::of_seconds(decision.at, now),
        why: answer.why.as_ref().map(|why| show::text(why.as_str())),
        trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approvals::{Answer, Asker, Occurrence, RequestId};

    fn asked(tool: Option<&str>, subject: Subject) -> Request {
        let asker =
            Asker::connector("search".parse().unwrap(), tool.map(|tool| tool.parse().unwrap()));
        let mut latest = Occurrence::now("not-listed".into());
        latest.at = 1000;
        latest.run = Some("0123456789ab".into());
        latest.process = Some("node\u{202e}\n".into());
        Request {
            id: RequestId::of(&asker, &subject),
            asker,
            subject,
            standing: Standing::Pending,
            first_at: 1000,
            last_at: 1060,
            times: 3,
            latest,
        }
    }

    fn egress(host: &str) -> Subject {
        Subject::Egress { host: host.parse().unwrap(), port: 443, private: false }
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1070)
    }

    #[test]
    fn the_narrowest_scope_comes_first() {
        let values = |request: &Request| {
            scopes(request).into_iter().map(|scope| scope.value).collect::<Vec<_>>()
        };
        let tool = asked(Some("a.b@v1"), egress("a.example"));
        assert_eq!(values(&tool), ["tool", "connector", "global"]);
        assert_eq!(values(&asked(None, egress("a.example"))), ["connector", "global"]);
        let port = Subject::Port {
            service: crate::ports::ServiceName::new("web").unwrap(),
            proto: crate::ports::Proto::Tcp,
            at: "0.0.0.0:3000".parse().unwrap(),
            open: false,
        };
        let view = request(&asked(None, port), &[], &[], true, now());
        assert_eq!(view.scopes.len(), 1);
        assert!(!view.of_run && view.is_port);
    }

    #[test]
    fn what_a_connector_says_of_itself_cannot_hide() {
        let asked = asked(None, egress("g1thub.com"));
        let known = ["github.com".parse().unwrap()];
        let doubts = crate::approvals::doubts(&asked, &[], &known);
        let ended = request(&asked, &[], &doubts, false, now());
        assert!(ended.over && !ended.of_run);
        let view = request(&asked, &[], &doubts, true, now());
        assert_eq!(view.process.as_deref(), Some("node\\u{202e}\\u{a}"));
        assert_eq!(view.reason, "no rule names it");
        assert_eq!((view.times.as_str(), view.last.near.as_str()), ("3 times", "10 s ago"));
        assert_eq!(view.warnings.len(), 1);
        assert!(view.of_run);
    }

    #[test]
    fn an_answer_that_did_not_take_effect_says_so() {
        let request = asked(None, egress("a.example"));
        let answer = Answer {
            verdict: Verdict::Approve,
            lifetime: Lifetime::Until { end: 8200 },
            scope: Scope::Global,
            by: "phone".into(),
            via: Via::Console,
            why: None,
            run: None,
        };
        let failed = Some("the disk is full".to_owned());
        let decision =
            Decision { number: 1, request: request.id, at: 1010, answer, applied: false, failed };
        let view = earlier(&decision, now());
        assert_eq!(view.how, "until 1970-01-01T02:16:40Z, for every connector");
        assert_eq!(view.trouble.as_deref(), Some("not applied: the disk is full"));
    }
}
