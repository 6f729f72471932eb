use super::*;
use crate::policy::load::WorkspaceRoot;
use std::fs;
use tempfile::TempDir;

/// Far more than a loaded machine needs; nothing here depends on how long it really takes.
const LIMIT: Duration = Duration::from_secs(20);

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn policy(&self) -> std::path::PathBuf {
        self.folder().path()
    }

    fn folder(&self) -> Folder {
        Folder::new(&WorkspaceRoot { path: self.dir.path().to_owned() }, None)
    }

    fn write(&self, hosts: &[&str]) {
        fs::create_dir_all(self.policy()).unwrap();
        fs::write(self.policy().join("firewall.yaml"), text(hosts)).unwrap();
    }
}

fn text(hosts: &[&str]) -> String {
    let rules: String = hosts.iter().map(|host| format!("  - allow: {host}\n")).collect();
    format!("version: 1\nrules:\n{rules}")
}

/// Reads states until one is as wanted: a writer that is not atomic shows some in between.
async fn until(watch: &mut Watch, wanted: impl Fn(&State) -> bool) -> State {
    tokio::time::timeout(LIMIT, async {
        loop {
            let state = watch.next().await;
            if wanted(&state) {
                return state;
            }
        }
    })
    .await
    .unwrap()
}

async fn hosts(watch: &mut Watch, wanted: &[&str]) {
    let same = |state: &State| {
        let hosts = |rules: &Rules| -> Vec<String> {
            rules.0.iter().map(|rule| rule.host.to_string()).collect()
        };
        state.as_ref().is_ok_and(|rules| hosts(rules) == wanted)
    };
    until(watch, same).await.unwrap();
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

#[test]
fn the_first_state_comes_at_once_and_changes_follow() {
    let place = Place::new();
    place.write(&["a.example"]);
    run(async {
        let mut watch = Watch::new(place.folder()).unwrap();
        hosts(&mut watch, &["a.example"]).await;
        place.write(&["a.example", "b.example"]);
        hosts(&mut watch, &["a.example", "b.example"]).await;
        fs::write(place.policy().join("z.yaml"), text(&["z.example"])).unwrap();
        hosts(&mut watch, &["a.example", "b.example", "z.example"]).await;
        fs::remove_file(place.policy().join("firewall.yaml")).unwrap();
        hosts(&mut watch, &["z.example"]).await;
    });
}

#[test]
fn a_file_that_an_editor_puts_over_the_old_one_is_seen() {
    let place = Place::new();
    place.write(&["a.example"]);
    run(async {
        let mut watch = Watch::new(place.folder()).unwrap();
        hosts(&mut watch, &["a.example"]).await;
        for host in ["b.example", "c.example", "d.example"] {
            let beside = place.dir.path().join("new");
            fs::write(&beside, text(&[host])).unwrap();
            fs::rename(beside, place.policy().join("firewall.yaml")).unwrap();
            hosts(&mut watch, &[host]).await;
        }
    });
}

#[test]
fn the_folder_may_come_go_and_be_replaced() {
    let place = Place::new();
    run(async {
        let mut watch = Watch::new(place.folder()).unwrap();
        hosts(&mut watch, &[]).await;
        place.write(&["a.example"]);
        hosts(&mut watch, &["a.example"]).await;
        fs::remove_dir_all(place.policy()).unwrap();
        hosts(&mut watch, &[]).await;
        place.write(&["b.example"]);
        hosts(&mut watch, &["b.example"]).await;
        // The same for the folder above it, moved away with everything in it.
        let (own, away) = (place.dir.path().join(".cloned"), place.dir.path().join("away"));
        fs::rename(&own, &away).unwrap();
        hosts(&mut watch, &[]).await;
        place.write(&["c.example"]);
        hosts(&mut watch, &["c.example"]).await;
        fs::remove_dir_all(&own).unwrap();
        fs::rename(&away, &own).unwrap();
        hosts(&mut watch, &["b.example"]).await;
    });
}

#[test]
fn a_file_that_cannot_be_read_leaves_no_rule() {
    let place = Place::new();
    place.write(&["a.example"]);
    run(async {
        let mut watch = Watch::new(place.folder()).unwrap();
        hosts(&mut watch, &["a.example"]).await;
        fs::write(place.policy().join("b.yaml"), "version: 1\nruels: []\n").unwrap();
        let error = until(&mut watch, Result::is_err).await.unwrap_err();
        assert!(error.contains("b.yaml:2:1: field ruels: unknown field"), "{error}");
        fs::remove_file(place.policy().join("b.yaml")).unwrap();
        hosts(&mut watch, &["a.example"]).await;
        fs::create_dir(place.policy().join("c.yaml")).unwrap();
        until(&mut watch, Result::is_err).await.unwrap_err();
    });
}

#[test]
fn a_folder_that_is_never_quiet_is_read_anyway() {
    let place = Place::new();
    place.write(&["a.example"]);
    run(async {
        let mut watch = Watch::new(place.folder()).unwrap();
        hosts(&mut watch, &["a.example"]).await;
        place.write(&["b.example"]);
        let noise = async {
            loop {
                fs::write(place.policy().join("notes.txt"), "x").unwrap();
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            () = hosts(&mut watch, &["b.example"]) => {}
            () = noise => {}
        }
    });
}
