//! The command line, for an engine that can do everything.

use super::*;
use crate::container::verify::tests::plan;

fn words(own: Own) -> Vec<String> {
    let engine = Engine {
        kind: EngineKind::Docker,
        program: "docker".into(),
        version: "20.10".to_owned(),
        rootless: false,
        cgroup: 2,
        memory: true,
        cpus: true,
        pids: true,
        seccomp: true,
    };
    let places = Places {
        folder: "/r".into(),
        own,
        volumes: Vec::new(),
        image: "i:1".to_owned(),
        emptied: vec!["LD_PRELOAD".to_owned(), "LD_X".to_owned()],
        labels: Labels { owner: "1.2.3".to_owned(), supervisor: "1.b.2".to_owned() },
    };
    let user = User { uid: 1000, gid: 1000, own: true };
    let args = arguments(&plan(), &engine, user, &places).unwrap();
    args.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

fn own(args: &[&str]) -> Own {
    let files = vec![("/usr/bin/jail".into(), "/.jail/jail".to_owned())];
    let args = args.iter().map(OsString::from).collect();
    Own { files, entrypoint: "/.jail/jail".to_owned(), args }
}

/// What an image could have a loader do before the entry's first instruction.
#[test]
fn a_loader_finds_nothing_of_the_image() {
    let dynamic = words(own(&["--library-path", "/.jail", "/.jail/jail"]));
    let has = |word: &str| dynamic.iter().any(|found| found == word);
    assert!(has("--env=LD_PRELOAD=") && has("--env=LD_X="));
    assert!(has(
        "--mount=type=bind,source=/r/empty,target=/etc/ld.so.preload,readonly,bind-propagation=rprivate"
    ));
    assert!(dynamic.iter().any(|word| word.starts_with("--tmpfs=/.jail:ro,")));
    // Before the image's name, which ends the options.
    let at = |word: &str| dynamic.iter().position(|found| found == word);
    assert!(at("--env=LD_X=") < at("i:1"));
    let fixed = words(own(&[]));
    assert!(!fixed.iter().any(|word| word.starts_with("--env=") || word.contains("ld.so.preload")));
}
