use super::*;
use crate::failure::Kind;
use crate::ports::{Proto, Service, ServiceName};
use std::fs;
use std::num::NonZeroU16;
use tempfile::TempDir;

fn workspace(text: Option<&str>) -> (TempDir, WorkspaceRoot) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(FOLDER)).unwrap();
    let root = WorkspaceRoot { path: dir.path().to_owned() };
    if let Some(text) = text {
        fs::write(path(&root), text).unwrap();
    }
    (dir, root)
}

fn service(name: &str, port: u16) -> Service {
    Service {
        name: ServiceName::new(name).unwrap(),
        port: NonZeroU16::new(port).unwrap(),
        proto: Proto::Tcp,
        bind: Service::DEFAULT_BIND,
        owner: None,
        connector: None,
        container: None,
        program: None,
        note: None,
        origin: crate::policy::Origin::BuiltIn("test"),
    }
}

fn text(root: &WorkspaceRoot) -> String {
    fs::read_to_string(path(root)).unwrap()
}

fn removed(root: &WorkspaceRoot, name: &str) -> bool {
    remove(root, &ServiceName::new(name).unwrap()).unwrap().is_some()
}

const HAND: &str = "\
# Ours.
version: 1
policy: {unregistered: deny} # strict

services:
    # The model.
    # Twice.
    localai: {port: 8080, container: cloned-localai}   # asked for by Ann

    # A group.

    dns:
      port: 53   # both
      # inside
      proto: udp
    # off: {port: 1}
    last: {port: 9000}
# end
reserved:
  web: [3100-3199]
";

#[test]
fn adding_and_removing_change_no_other_line() {
    let (_dir, root) = workspace(Some(HAND));
    let mut new = service("new", 3150);
    new.connector = Some("web".to_owned());
    new.bind = "::1".parse().unwrap();
    new.note = Some("a: b, {c} # d \"e\" 'f'".to_owned());
    new.program = None;
    assert_eq!(add(&root, &new).unwrap().0, Put::Added);
    let line = "    new: {port: 3150, bind: \"::1\", connector: web, \
                note: \"a: b, {c} # d \\\"e\\\" 'f'\"}\n";
    assert_eq!(text(&root), HAND.replace("9000}\n", &format!("9000}}\n{line}")));
    assert_eq!(add(&root, &new).unwrap().0, Put::Known);
    let read = read(&root).unwrap();
    assert_eq!(read.services.last().unwrap().note, new.note);
    assert!(removed(&root, "new") && !removed(&root, "new"));
    assert_eq!(text(&root), HAND);
}

#[test]
fn a_comment_goes_with_what_it_stands_directly_above() {
    let (_dir, root) = workspace(Some(HAND));
    assert!(removed(&root, "localai") && removed(&root, "dns") && removed(&root, "last"));
    let expected = "# Ours.\nversion: 1\npolicy: {unregistered: deny} # strict\n\nservices:\n\n    \
                    # A group.\n\n    # off: {port: 1}\n# end\nreserved:\n  web: [3100-3199]\n";
    assert_eq!(text(&root), expected);
    add(&root, &service("a", 1)).unwrap();
    assert_eq!(text(&root), expected.replace("services:\n", "services:\n  a: {port: 1}\n"));
}

#[test]
fn the_first_service_makes_the_file() {
    for start in [
        None,
        Some(""),
        Some("# mine\n"),
        Some("version: 1\n"),
        Some("version: 1\nservices:\n"),
        Some("version: 1\nservices: {} # none\nreserved: {a: [1-2]}"),
        Some("version: 1\nreserved: {a: [1-2]}\n"),
    ] {
        let (_dir, root) = workspace(start);
        for (name, port) in [("b", 7), ("9p", 564), ("null", 10), ("true", 11), ("1.5", 12)] {
            add(&root, &service(name, port)).unwrap_or_else(|it| panic!("{start:?}: {it}"));
        }
        let names: Vec<String> =
            read(&root).unwrap().services.iter().map(|it| it.name.to_string()).collect();
        assert_eq!(names, ["b", "9p", "null", "true", "1.5"], "{start:?}\n{}", text(&root));
        let text = text(&root);
        let kept = |line: &&str| text.contains(line.trim_end_matches(" {} # none"));
        assert!(start.unwrap_or_default().lines().all(|line| kept(&line)), "{start:?}\n{text}");
        assert_eq!(text.contains("# none"), start.is_some_and(|start| start.contains("# none")));
        for name in ["b", "9p", "null", "true", "1.5"] {
            assert!(removed(&root, name));
        }
        assert_eq!(read(&root).unwrap().services, []);
    }
}

#[test]
fn windows_lines_stay() {
    let (_dir, root) = workspace(Some("version: 1\r\nservices:\r\n  a: {port: 1}\r\n"));
    add(&root, &service("b", 2)).unwrap();
    let expected = "version: 1\r\nservices:\r\n  a: {port: 1}\r\n  b: {port: 2}\r\n";
    assert_eq!(text(&root), expected);
}

#[test]
fn what_another_has_is_refused() {
    let (_dir, root) = workspace(Some(HAND));
    let mut everywhere = service("x", 8080);
    everywhere.bind = "0.0.0.0".parse().unwrap();
    for (new, word) in [
        (service("x", 8080), "that of `localai` already (line 8)"),
        (everywhere, "that of `localai` already"),
        (service("localai", 8081), "registered already, otherwise: tcp 127.0.0.1:8080"),
        (service("localai", 8080), "jail ports remove localai"),
        (service("x", 3150), "reserved for the connector `web` (line 20)"),
    ] {
        let failure = add(&root, &new).unwrap_err();
        assert_eq!(failure.kind, Kind::Refused);
        assert!(failure.to_string().contains(word), "{failure}");
    }
    assert_eq!(text(&root), HAND);
}

#[test]
fn what_cannot_be_edited_is_left_as_it_is() {
    for text in [
        "version: 1\nservices: {z: {port: 9}}\n",
        "{version: 1, services: {}}\n",
        "version: 1\nservices:\n  z: {port: 9}\n...\n# after\n",
        "version: 1\nservices:\n  ? z\n  : {port: 9}\n",
        "version: 1\nservices:\n  z: {port: 0}\n",
    ] {
        let (_dir, root) = workspace(Some(text));
        match add(&root, &service("a", 1)) {
            Err(failure) => {
                assert_eq!(failure.kind, Kind::Policy, "{failure}");
                assert_eq!(self::text(&root), text);
            }
            // Where it could be, it says so.
            Ok(_) => assert_eq!(read(&root).unwrap().services.len(), 2, "{}", self::text(&root)),
        }
        let left = fs::read_dir(folder(&root)).unwrap().count();
        assert_eq!(left, 2, "no temporary file stays");
    }
}

#[test]
fn a_link_is_not_followed() {
    let (_dir, root) = workspace(None);
    std::os::unix::fs::symlink("/dev/null", path(&root)).unwrap();
    assert!(read(&root).unwrap_err().what.contains("symbolic link"));
    assert!(add(&root, &service("a", 1)).is_err());
    assert!(fs::symlink_metadata(path(&root)).unwrap().is_symlink());
}

#[test]
fn the_list_has_an_end() {
    let entries: String = (0..1024).map(|n| format!("  s{n}: {{port: {}}}\n", n + 1)).collect();
    let (_dir, root) = workspace(Some(&format!("version: 1\nservices:\n{entries}")));
    let failure = add(&root, &service("one", 5000)).unwrap_err();
    assert!(failure.what.contains("at most 1024"), "{failure}");
}

/// Layouts of people and of nobody: an edit gives a text that says what was meant, or is not made.
mod any_layout {
    use super::super::decode;
    use super::*;
    use crate::edit::lines::Lines;
    use crate::policy::yaml::Marks;
    use proptest::prelude::*;
    use std::path::Path;

    const SPLICES: &[&str] = &[
        "\n",
        "\r",
        "\r\n",
        "  ",
        "#",
        " # x\n",
        "{",
        "}",
        "[",
        "]",
        ": ",
        "? ",
        "- ",
        "'",
        "\"",
        "|\n",
        "...\n",
        "---\n",
        "a: {port: 1}\n",
        "é",
        "\u{feff}",
        "services:",
        "\t",
        ",",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn an_edit_never_panics(
            cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..30, 0usize..SPLICES.len()), 0..5),
        ) {
            let mut bytes = HAND.as_bytes().to_vec();
            for (start, length, splice) in cuts {
                let start = start.index(bytes.len() + 1);
                let end = (start + length).min(bytes.len());
                bytes.splice(start..end, SPLICES[splice].bytes());
            }
            let path = Path::new("ports.yaml");
            let before = match decode::registry(path, &bytes) {
                Ok(before) => before,
                Err(problems) => {
                    let told = problems.iter().all(|it| !it.to_string().contains(char::is_control));
                    prop_assert!(told && !problems.is_empty());
                    return Ok(());
                }
            };
            let text = String::from_utf8(bytes).unwrap();
            let marks = Marks::of(path, &text);
            let Ok(marks) = marks else { return Ok(()) };
            let mut lines = Lines::new(&text);
            if lines.add_service(Some(&marks), &before, &service("new", 7000)).is_some() {
                let added = lines.text().contains("new: {port: 7000}");
                prop_assert!(added);
            }
            for service in &before.services {
                let mut lines = Lines::new(&text);
                if lines.remove_service(&marks, &service.name).is_some() {
                    prop_assert!(lines.text().len() < text.len() + 2);
                }
            }
        }
    }
}
