//! Findings as SARIF 2.1.0, which code hosts and editors read.
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>

use super::finding::{Finding, Rule, Severity};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// One run with these findings. `rules` is the catalogue of whoever looked; rules of findings that are not
/// in it are added.
pub fn log(rules: &[&'static Rule], findings: &[&Finding]) -> Value {
    let mut rules: Vec<&'static Rule> = rules.to_vec();
    for finding in findings {
        if !rules.iter().any(|rule| rule.id == finding.rule.id) {
            rules.push(finding.rule);
        }
    }
    let index = |id: &str| rules.iter().position(|rule| rule.id == id);
    let results: Vec<Value> =
        findings.iter().map(|finding| result(finding, index(finding.rule.id))).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "jail",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|rule| described(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn described(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "defaultConfiguration": {"level": level(rule.severity)},
    })
}

fn result(finding: &Finding, rule: Option<usize>) -> Value {
    let Finding { subject, evidence, fix, .. } = finding;
    let mut location = json!({"logicalLocations": [{"fullyQualifiedName": subject}]});
    if let (Some(place), Some(location)) = (&finding.place, location.as_object_mut()) {
        let region = json!({"startLine": place.line.max(1), "startColumn": place.column.max(1)});
        let file = json!({"uri": uri(&place.file)});
        let physical = json!({"artifactLocation": file, "region": region});
        location.insert("physicalLocation".to_owned(), physical);
    }
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": rule,
        "level": level(finding.severity),
        "message": {"text": format!("{subject}: {}: {evidence}. {fix}", finding.rule.title)},
        "locations": [location],
        // The same thing is the same tomorrow, when its processes have other numbers.
        "partialFingerprints": {"jailFinding/v1": fingerprint(finding)},
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn fingerprint(finding: &Finding) -> String {
    let text = format!("{}\n{}", finding.rule.id, finding.subject);
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}

/// A reference as RFC 3986 has it: absolute for an absolute path.
fn uri(path: &std::path::Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let mut out = if path.is_absolute() { "file://".to_owned() } else { String::new() };
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            other => out += &format!("%{other:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Place;
    use crate::doctor::ports::rules;

    fn finding(place: Option<Place>) -> Finding {
        Finding {
            rule: &rules::NOT_LOOPBACK,
            severity: Severity::Error,
            subject: "tcp 0.0.0.0:8080".into(),
            evidence: "on every address".into(),
            fix: "do".into(),
            safe_fix: false,
            place,
        }
    }

    #[test]
    fn what_readers_of_sarif_need() {
        let place = Place { file: "/w s/.cloned/ports.yaml".into(), line: 3, column: 5 };
        let (one, two) = (finding(Some(place)), finding(None));
        let log = log(rules::ALL, &[&one, &two]);
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        for result in results {
            let index = result["ruleIndex"].as_u64().unwrap() as usize;
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
            assert_eq!(result["level"], "error");
        }
        let place = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "file:///w%20s/.cloned/ports.yaml");
        assert_eq!(place["region"]["startLine"], 3);
        assert_eq!(results[0]["partialFingerprints"], results[1]["partialFingerprints"]);
    }

    #[test]
    fn a_rule_outside_the_catalogue_is_added() {
        let one = finding(None);
        let log = log(&[], &[&one]);
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][0]["id"], "ports.not-loopback");
    }
}
