use super::*;
use crate::firewall::{Effect, Endpoint};
use crate::policy::load::{Rejection, WorkspaceRoot};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

struct Place {
    dir: TempDir,
    folder: Folder,
}

fn place(text: Option<&str>) -> Place {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::new(&WorkspaceRoot { path: dir.path().to_owned() }, None);
    fs::create_dir_all(folder.path()).unwrap();
    if let Some(text) = text {
        fs::write(folder.path().join(MAIN), text).unwrap();
    }
    Place { dir, folder }
}

impl Place {
    fn text(&self) -> String {
        fs::read_to_string(self.folder.path().join(MAIN)).unwrap()
    }

    fn remove(&self, host: &str) -> usize {
        let target: Endpoint = host.parse().unwrap();
        remove(&self.folder, |entry| entry.rule.host == target.host).unwrap().len()
    }

    fn problems(&self) -> Vec<String> {
        match read(&self.folder) {
            Err(Rejection::Wrong(problems)) => {
                let line = |it: &crate::policy::Problem| match &it.hint {
                    Some(hint) => format!("{it}; {hint}"),
                    None => it.to_string(),
                };
                problems.iter().map(line).collect()
            }
            other => panic!("{other:?}"),
        }
    }
}

fn wanted(effect: Effect, text: &str) -> Wanted {
    let endpoint: Endpoint = text.parse().unwrap();
    Wanted {
        connector: None,
        run: None,
        once: false,
        request: None,
        effect,
        ports: target::ports(&endpoint, effect),
        host: endpoint.host,
        tool: None,
        reason: None,
        expires: None,
        raw: false,
        private: false,
        ech: false,
        by: None,
        at: SystemTime::UNIX_EPOCH,
    }
}

fn allow(text: &str) -> Wanted {
    wanted(Effect::Allow, text)
}

const HAND: &str = "\
# Ours.
version: 1

rules:
    # Search, asked for by Ann.
    # Twice.
    - allow: api.example.com   # the API
      reason: \"a # in it\"
      # inside
      expires: 2999-01-01T00:00:00+02:00 # long

    # A group.

    - {deny: \"*.evil.example.com\"}
    # - allow: off.example.com
    - allow: b.example.com:8443
# end
upstream:
  url: http://127.0.0.1:8081 # the inspecting one
  credentials: {env: PROXY}
";

#[test]
fn a_folder_says_what_its_files_say() {
    let place = place(Some(HAND));
    fs::write(place.folder.path().join("a.yaml"), "# nothing\n").unwrap();
    let overlay = read(&place.folder).unwrap();
    let told: Vec<String> = overlay
        .entries
        .iter()
        .map(|entry| format!("{:?} {} {:?}", entry.rule.effect, entry.rule.host, entry.rule.ports))
        .collect();
    assert_eq!(
        told,
        [
            "Allow api.example.com One(443)",
            "Deny *.evil.example.com All",
            "Allow b.example.com One(8443)"
        ]
    );
    let first = &overlay.entries[0].rule;
    assert_eq!(first.because.as_deref(), Some("a # in it"));
    assert_eq!(crate::calendar::stamp(first.expires.unwrap()), "2998-12-31T22:00:00Z");
    assert!(matches!(&first.origin, Origin::File { line: 7, column: 7, .. }), "{first:?}");
    let upstream = overlay.upstream.unwrap().value;
    assert_eq!(upstream.url(), "http://127.0.0.1:8081");
    assert_eq!(upstream.credentials().as_deref(), Some("variable PROXY"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (text, problem) in [
        ("rules: []\n", "1:1: field version: missing"),
        ("version: 2\n", "1:10: field version: expected `1`"),
        ("version: 1\nruels: []\n", "2:1: field ruels: unknown field"),
        ("version: 1\nruels: []\n", "did you mean `rules`?"),
        ("version: 1\nrules:\n  - alow: a.example\n", "did you mean `allow`?"),
        ("version: 1\nrules:\n  - reason: x\n", "3:5: field rules[0]: expected exactly one"),
        ("version: 1\nrules:\n  - {allow: a.example, deny: b.example}\n", "exactly one"),
        ("version: 1\nrules:\n  - allow: \"*.com\"\n", "3:12: field rules[0].allow"),
        ("version: 1\nrules:\n  - allow: https://a.example/x\n", "did you mean `a.example`?"),
        ("version: 1\nrules:\n  - allow: a.example\n    expires: soon\n", "4:14: "),
        ("version: 1\nrules:\n  - deny: a.example\n    raw: true\n", "for rules that allow"),
        ("version: 1\nrules:\n  - allow: a.example\n    raw: yes\n", "`true` or `false`"),
        ("version: 1\nrules: &a []\n", "anchors"),
        ("version: 1\nupstream: {credentials: {env: A}}\n", "field upstream.url: missing"),
        ("version: 1\nupstream: {url: https://a.example:1}\n", "TLS to the proxy"),
    ] {
        let problems = place(Some(text)).problems().join("\n");
        assert!(problems.contains(problem), "{text}\n{problems}");
    }
}

#[test]
fn a_password_in_the_address_is_refused_and_not_shown() {
    let text = "version: 1\nupstream: {url: http://me:hunter2@127.0.0.1:8081}\n";
    let problems = place(Some(text)).problems().join("\n");
    assert!(problems.contains("credentials") && !problems.contains("hunter2"), "{problems}");
}

#[test]
fn files_that_would_not_count_are_problems() {
    let place = place(None);
    fs::write(place.folder.path().join("x.yml"), "").unwrap();
    assert!(place.problems()[0].contains("is not read"));
    fs::remove_file(place.folder.path().join("x.yml")).unwrap();
    std::os::unix::fs::symlink("/dev/null", place.folder.path().join("x.yaml")).unwrap();
    assert!(matches!(read(&place.folder), Err(Rejection::Unreadable(_))));
}

#[test]
fn adding_changes_no_other_line() {
    let place = place(Some(HAND));
    assert_eq!(put(&place.folder, &allow("new.example.com")).unwrap().0, Put::Added);
    let expected = HAND
        .replace("8443\n", "8443\n    - allow: new.example.com\n      at: 1970-01-01T00:00:00Z\n");
    assert_eq!(place.text(), expected);
    assert_eq!(put(&place.folder, &allow("new.example.com")).unwrap().0, Put::Unchanged);
    assert_eq!(place.text(), expected);
    assert_eq!(place.remove("new.example.com"), 1);
    assert_eq!(place.text(), HAND);
}

#[test]
fn the_first_rule_makes_the_file() {
    for start in [
        None,
        Some(""),
        Some("# mine\n"),
        Some("version: 1\n"),
        Some("version: 1\nrules:\n"),
        Some("version: 1\nrules: [] # none\nupstream: {url: \"http://a.example:1\"}"),
        Some("version: 1\r\nrules:\r\n- deny: z.example\r\n"),
    ] {
        let place = place(start);
        put(&place.folder, &allow("*.example.com:8443")).unwrap();
        put(&place.folder, &allow("[2001:db8::1]")).unwrap();
        let overlay = read(&place.folder).unwrap();
        let last: Vec<String> =
            overlay.entries.iter().rev().take(2).map(|it| it.rule.host.to_string()).collect();
        assert_eq!(last, ["2001:db8::1", "*.example.com"], "{start:?}\n{}", place.text());
        if let Some(start) = start {
            let text = place.text();
            let kept = |line: &&str| text.contains(line.trim_end_matches(" [] # none"));
            assert!(start.lines().all(|line| kept(&line)), "{start:?}\n{text}");
            assert_eq!(text.contains("# none"), start.contains("# none"));
            assert_eq!(
                text.matches('\n').count() == text.matches("\r\n").count(),
                start.contains('\r')
            );
        }
        assert_eq!(place.remove("*.example.com") + place.remove("[2001:db8::1]"), 2);
        read(&place.folder).unwrap();
    }
}

#[test]
fn a_comment_belongs_to_what_it_stands_directly_above() {
    let place = place(Some(HAND));
    assert_eq!(place.remove("api.example.com"), 1);
    let text = place.text();
    assert!(!text.contains("Ann") && !text.contains("Twice") && !text.contains("inside"), "{text}");
    assert_eq!(place.remove("*.evil.example.com"), 1);
    assert_eq!(place.remove("b.example.com"), 1);
    let expected = "# Ours.\nversion: 1\n\nrules:\n\n    # A group.\n\n    # - allow: off.example.com\n# end\nupstream:\n  url: http://127.0.0.1:8081 # the inspecting one\n  credentials: {env: PROXY}\n";
    assert_eq!(place.text(), expected);
}

#[test]
fn other_conditions_change_the_rule_in_its_place() {
    let place = place(Some(HAND));
    let mut other = allow("api.example.com");
    other.raw = true;
    other.expires = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    assert_eq!(put(&place.folder, &other).unwrap().0, Put::Changed);
    let expected = HAND.replace(
        "      expires: 2999-01-01T00:00:00+02:00 # long\n",
        "      expires: 1970-01-01T00:00:01Z # long\n      raw: true\n      at: 1970-01-01T00:00:00Z\n",
    );
    assert_eq!(place.text(), expected);
    assert_eq!(put(&place.folder, &allow("api.example.com")).unwrap().0, Put::Changed);
    let text = place.text();
    assert!(!text.contains("raw:") && !text.contains("expires:") && text.contains("# inside"));
}

#[test]
fn what_cannot_be_edited_is_left_as_it_is() {
    for text in [
        "version: 1\nrules: [{deny: z.example}]\n",
        "{version: 1, rules: []}\n",
        "version: 1\nrules:\n  -\n    deny: z.example\n",
        "version: 1\nrules:\n  - deny: z.example\n...\n# after\n",
    ] {
        let place = place(Some(text));
        let done = put(&place.folder, &allow("a.example"));
        match done {
            Err(failure) => {
                assert!(failure.what.contains("cannot edit"), "{failure}");
                assert_eq!(place.text(), text);
            }
            // Where it could be, it says so.
            Ok((_, overlay)) => assert!(overlay.entries.len() == 2, "{}", place.text()),
        }
        let left = fs::read_dir(place.folder.path()).unwrap();
        assert_eq!(left.count(), 2, "no temporary file stays");
    }
}

#[test]
fn the_upstream_comes_changes_and_goes() {
    let place = place(Some(HAND));
    let upstream = |port, credentials| UpstreamRef {
        kind: UpstreamKind::Socks5,
        host: "127.0.0.1".to_owned(),
        port,
        credentials,
    };
    let first = upstream(1080, None);
    assert!(set_upstream(&place.folder, Some(&first)).unwrap());
    assert!(!set_upstream(&place.folder, Some(&first)).unwrap());
    let text = place.text();
    assert!(text.contains("  url: socks5://127.0.0.1:1080 # the inspecting one\n"), "{text}");
    assert!(!text.contains("PROXY"), "credentials are not taken over: {text}");
    let words = vec!["pass".to_owned(), "show: it".to_owned()];
    let second = upstream(1081, Some(SecretSource::Command(words)));
    assert!(set_upstream(&place.folder, Some(&second)).unwrap());
    assert_eq!(read(&place.folder).unwrap().upstream.unwrap().value, second);
    assert!(set_upstream(&place.folder, None).unwrap());
    assert!(!set_upstream(&place.folder, None).unwrap());
    let (rules, _) = HAND.split_once("# end").unwrap();
    assert_eq!(place.text(), rules);
    assert!(set_upstream(&place.folder, Some(&first)).unwrap());
    assert_eq!(read(&place.folder).unwrap().upstream.unwrap().value, first);
}

#[test]
fn mode_and_owner_stay() {
    let place = place(Some(HAND));
    let path = place.folder.path().join(MAIN);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let root = nix::unistd::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&path, None, Some(12345)).unwrap();
    }
    let old = fs::metadata(&path).unwrap();
    put(&place.folder, &allow("new.example.com")).unwrap();
    let new = fs::metadata(&path).unwrap();
    assert_eq!((new.mode(), new.uid(), new.gid()), (old.mode(), old.uid(), old.gid()));
    assert_ne!(new.ino(), old.ino(), "it was replaced, not written into");
    assert!(place.dir.path().join(".cloned").is_dir());
}

#[test]
fn what_a_killed_writer_left_is_cleared_away() {
    let place = place(Some(HAND));
    let left = place.folder.path().join(".firewall-abc");
    fs::write(&left, "version: 1\nrul").unwrap();
    put(&place.folder, &allow("new.example.com")).unwrap();
    assert!(!left.exists());
}

#[test]
fn the_list_has_an_end() {
    let entries: String = (0..1024).map(|n| format!("  - allow: h{n}.example\n")).collect();
    let text = format!("version: 1\nrules:\n{entries}");
    let place = place(Some(&text));
    let failure = put(&place.folder, &allow("one.example")).unwrap_err();
    assert!(failure.what.contains("at most 1024"), "{failure}");
    assert_eq!(place.text(), text);
}

#[test]
fn a_time_has_a_year_of_four_digits_wherever_its_clock_stands() {
    assert!(decode::time("9999-12-31T23:59:59Z").is_ok());
    assert!(decode::time("9999-12-31T23:59:59+01:00").is_ok());
    assert!(decode::time("9999-12-31T23:59:59-01:00").is_err());
}
